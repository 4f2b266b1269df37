"""What are the data of a topology file, and at which line and column is each part?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from farandole.events.number_format import grouped
from farandole.router.lint_finding import Finding, Severity

KeyPath = tuple[str | int, ...]

MAX_FILE_BYTES = 256 * 1024  # bytes; a pipeline of a thousand stages is smaller
MAX_DEPTH = 20  # levels; a topology file has five

# The core schema of YAML 1.2: `on`, `yes` and `012` are text.
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


class SourceMark(NamedTuple):
    """A position in the file; both numbers count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """The plain data of a file, and the position of each key and value."""

    file: str
    data: dict[str, Any]
    keys: Mapping[KeyPath, SourceMark]
    values: Mapping[KeyPath, SourceMark]
    texts: Mapping[KeyPath, SourceMark] = field(default_factory=dict)
    """Where the first character of a text is, behind its quotation mark; only of texts whose
    characters stand in the file one by one, in one line."""

    def text_finding(self, path: KeyPath, column: int, message: str, remedy: str) -> Finding:
        """Return a finding at a character of a text, counted from 1; at the text itself if it is
        not known where that is."""
        start = self.texts.get(path)
        if start is None:
            return self.finding(path, message, remedy)
        return Finding(self.file, start.line, start.column + column - 1, message, remedy)

    def finding(
        self,
        path: KeyPath,
        message: str,
        remedy: str,
        *,
        on_key: bool = False,
        severity: Severity = "error",
    ) -> Finding:
        """Return a finding at `path` or, if that is not in the file, at the nearest part above
        it."""
        marks = self.keys if on_key else self.values
        while path and path not in marks:
            path, marks = path[:-1], self.values
        line, column = marks.get(path, SourceMark(1, 1))
        return Finding(self.file, line, column, message, remedy, severity)


def read_yaml(raw: bytes, file: str) -> tuple[YamlDocument | None, list[Finding]]:
    """Return the document in `raw`, None if it cannot be read, and the findings. It raises nothing,
    whatever the bytes are.

    `file` is the name that findings have.
    """

    def refused(mark: SourceMark, message: str, remedy: str) -> tuple[None, list[Finding]]:
        return None, [Finding(file, mark.line, mark.column, message, remedy)]

    if len(raw) > MAX_FILE_BYTES:
        return refused(
            SourceMark(1, 1),
            f"the file has {grouped(len(raw))} bytes, more than {grouped(MAX_FILE_BYTES)}",
            "split the pipeline in two",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode(errors="replace")
        return refused(
            _mark_at(before, len(before)),
            "the file is not UTF-8",
            "save it with the encoding UTF-8",
        )
    building = _DocumentBuilder(file)
    try:
        for event in _parse_events(text):
            building.take(event)
    except _FileRefusedError as refusal:
        return None, [
            *building.findings,
            Finding(file, *refusal.mark, str(refusal), refusal.remedy),
        ]
    except ReaderError as error:
        return refused(
            _mark_at(text, error.position),
            f"the file holds the control character U+{ord(text[error.position]):04X}",
            "delete it",
        )
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = SourceMark(mark.line + 1, mark.column + 1) if mark else SourceMark(1, 1)
        return refused(at, *_syntax_problem(text, at, error))
    except Exception as error:  # noqa: BLE001 -- whatever the parser trips over is the file's fault
        return refused(
            SourceMark(1, 1),
            f"the file is not YAML ({type(error).__name__}: {error})",
            "correct it",
        )
    if building.root is _UNSET or building.root is None:
        return refused(
            SourceMark(1, 1),
            "the file is empty",
            "write at least `pipeline:` and one stage in `stages:`",
        )
    if not isinstance(building.root, dict):
        mark = building.values.get((), SourceMark(1, 1))
        return refused(mark, "the file is not a mapping", "begin with `pipeline: a-name`")
    document = YamlDocument(file, building.root, building.keys, building.values, building.texts)
    return document, building.findings


_UNSET = object()


class _FileRefusedError(Exception):
    """The file cannot be read at all; the message says why, and `remedy` what helps."""

    def __init__(self, mark: SourceMark, message: str, remedy: str) -> None:
        super().__init__(message)
        self.mark = mark
        self.remedy = remedy


@dataclass
class _OpenContainer:
    """A mapping or list whose end has not been read yet."""

    container: dict[str, Any] | list[Any]
    path: KeyPath
    key: str | None = None
    """The key whose value comes next; None if a key comes next."""
    ignored: bool = False
    """True if it belongs to the second of two equal keys: then it is read, but not added."""


@dataclass
class _DocumentBuilder:
    """Builds plain data from the parser's events. It uses a stack, so deep files cause no
    recursion."""

    file: str
    root: Any = _UNSET
    keys: dict[KeyPath, SourceMark] = field(default_factory=dict)
    values: dict[KeyPath, SourceMark] = field(default_factory=dict)
    texts: dict[KeyPath, SourceMark] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    stack: list[_OpenContainer] = field(default_factory=list)
    documents: int = 0
    repeated: bool = False
    """True if the next value belongs to a key that the mapping has already."""

    def take(self, event: Any) -> None:
        mark = SourceMark(event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise _FileRefusedError(
                    mark, "the file holds several documents", "keep one pipeline a file"
                )
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self.stack.pop()
        elif isinstance(event, NodeEvent):
            self._node(event, mark)

    def _node(self, event: Any, mark: SourceMark) -> None:
        if isinstance(event, AliasEvent) or event.anchor is not None:
            sign = "*" if isinstance(event, AliasEvent) else "&"
            raise _FileRefusedError(
                mark,
                f"{sign}{event.anchor}: anchors and aliases are not read here",
                "write the value out, in quotes if it begins with that sign, or move it to"
                " `defaults`",
            )
        if getattr(event, "tag", None):
            raise _FileRefusedError(mark, f"the tag {event.tag} is not read here", "delete it")
        if len(self.stack) >= MAX_DEPTH and not isinstance(event, ScalarEvent):
            raise _FileRefusedError(mark, f"more than {MAX_DEPTH} levels deep", "write it flatter")
        owner = self.stack[-1] if self.stack else None
        if owner is not None and isinstance(owner.container, dict) and owner.key is None:
            self._key(owner, event, mark)
            return
        if isinstance(event, ScalarEvent):
            path, ignored = self._keep(owner, _scalar_value(event), mark)
            start = _text_start(event, mark)
            if start is not None and not ignored:
                self.texts[path] = start
        else:
            container: dict[str, Any] | list[Any] = (
                [] if isinstance(event, SequenceStartEvent) else {}
            )
            path, ignored = self._keep(owner, container, mark)
            self.stack.append(_OpenContainer(container, path, ignored=ignored))

    def _key(self, owner: _OpenContainer, event: Any, mark: SourceMark) -> None:
        if not isinstance(event, ScalarEvent):
            kind = "mapping" if isinstance(event, MappingStartEvent) else "list"
            raise _FileRefusedError(
                mark, f"a {kind} stands where a key should", "quote it or close it"
            )
        key = owner.key = str(event.value)
        path = (*owner.path, key)
        self.repeated = key in owner.container
        if self.repeated and not owner.ignored:
            first = self.keys[path]
            self.findings.append(
                Finding(
                    self.file,
                    *mark,
                    f"{key!r} stands here twice, first in line {first.line}",
                    "keep one of the two",
                )
            )
        elif not owner.ignored:
            self.keys[path] = mark

    def _keep(
        self, owner: _OpenContainer | None, value: Any, mark: SourceMark
    ) -> tuple[KeyPath, bool]:
        if owner is None:
            self.root = value
            self.values[()] = mark
            return (), False
        if isinstance(owner.container, list):
            path, ignored = (*owner.path, len(owner.container)), owner.ignored
            owner.container.append(value)
        else:
            assert owner.key is not None
            path, ignored = (*owner.path, owner.key), owner.ignored or self.repeated
            if not self.repeated:
                owner.container[owner.key] = value
            owner.key, self.repeated = None, False
        if not ignored:
            self.values[path] = mark
        return path, ignored


def _parse_events(text: str) -> Iterator[Any]:
    yield from YAML(typ="safe", pure=True).parse(text)


def _scalar_value(event: Any) -> Any:
    value = str(event.value)
    if event.style:  # a quoted value or a block is always text
        return value
    if _NULL.fullmatch(value):
        return None
    if _BOOLEAN.fullmatch(value):
        return value.lower() == "true"
    if _INTEGER.fullmatch(value):
        return int(value)
    if _NUMBER.fullmatch(value):
        return float(value)
    return value


def _text_start(event: Any, mark: SourceMark) -> SourceMark | None:
    """Return where the first character of a scalar is; None if its characters do not stand in the
    file as they are, in one line."""
    quotes = 1 if event.style in ("'", '"') else 0
    width = event.end_mark.column - event.start_mark.column - 2 * quotes
    if event.start_mark.line != event.end_mark.line or width != len(event.value):
        return None
    return SourceMark(mark.line, mark.column + quotes)


def _mark_at(text: str, position: int) -> SourceMark:
    before = text[:position]
    return SourceMark(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _syntax_problem(text: str, at: SourceMark, error: Any) -> tuple[str, str]:
    lines = text.splitlines()
    line = lines[at.line - 1] if at.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in str(error.problem):
        return "a tab stands where YAML wants spaces", "indent with spaces"
    if error.context == "while scanning an alias":
        return "a value that begins with * is an alias in YAML", 'quote it: "* * * * *"'
    if "'@'" in str(error.problem):
        return "no value can begin with @ in YAML", 'quote it: "@daily"'
    if "got '{'" in str(error.problem) and line[: at.column - 1].endswith("$"):
        return "${ inside braces or brackets begins a mapping in YAML", 'quote it: "${planned}"'
    # A syntax error is often noticed long after the container that was left open.
    start = error.context_mark
    context = f" {error.context} begun in line {start.line + 1}" if error.context and start else ""
    problem = " ".join(str(error.problem or error).split())
    return f"the YAML breaks off here{context}: {problem}", "check colons, brackets and indentation"
