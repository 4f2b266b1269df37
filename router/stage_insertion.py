"""How does a stage get into a topology file whose other bytes stay as they are?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from farandole.router.yaml_source import read_yaml

_BYTE_ORDER_MARK = "\ufeff"


class NoPlaceError(ValueError):
    """The file has a form into which no stage can be put; the message says what to do."""


def insert_stage(raw: bytes, name: str, settings: Mapping[str, str]) -> bytes:
    """Return a file with one more stage, as its last one. The file must be one that `read_yaml`
    reads. Raises NoPlaceError.

    It is an edit of the text: a library that writes YAML anew would keep comments, but not the line
    breaks, quotes and spaces of whoever wrote it.
    """
    text = raw.decode()
    mark = _BYTE_ORDER_MARK if text.startswith(_BYTE_ORDER_MARK) else ""
    text = text.removeprefix(mark)
    changed = (mark + _with_entry(text, name, settings)).encode()
    _require_one_more(raw, changed, name, settings)
    return changed


@dataclass
class _StagesBlock:
    """Where the value of `stages:` is in the text."""

    in_one_line: bool
    """True for `{a: …, b: …}`."""
    indent: int = 0
    """Characters before the name of the last stage."""
    end: int = 0
    """The index after the last character of the last stage."""


def _with_entry(text: str, name: str, settings: Mapping[str, str]) -> str:
    block = _find_stages(text)
    written = ", ".join(f"{key}: {_scalar(value)}" for key, value in settings.items())
    entry = f"{_scalar(name)}: {{{written}}}"
    if block.in_one_line:
        return f"{text[: block.end]}, {entry}{text[block.end :]}"
    line_end = "\r\n" if "\r\n" in text else "\n"
    # The end of a block is its last character, or the beginning of the next line.
    after = block.end if text[block.end - 1] == "\n" else _line_end(text, block.end)
    before = text[:after]
    if not before.endswith("\n"):
        before += line_end
    return f"{before}{' ' * block.indent}{entry}{line_end}{text[after:]}"


def _find_stages(text: str) -> _StagesBlock:
    """Return where the stages are; the file is known to be a mapping with the key `stages`."""
    block: _StagesBlock | None = None
    depth, key, expects_key = 0, "", True
    for event in YAML(typ="safe", pure=True).parse(text):
        opens = isinstance(event, MappingStartEvent | SequenceStartEvent)
        closes = isinstance(event, MappingEndEvent | SequenceEndEvent)
        if depth == 1 and isinstance(event, ScalarEvent):
            key, expects_key = (event.value, False) if expects_key else ("", True)
        if depth == 1 and opens and key == "stages":
            block = _StagesBlock(in_one_line=bool(event.flow_style))
        if depth == 2 and closes and key == "stages":
            break
        if block is not None and depth >= 2:
            if depth == 2 and isinstance(event, ScalarEvent) and event.start_mark.index > block.end:
                block.indent = event.start_mark.column
            # The end of a block mapping stands after the comments that follow it.
            if isinstance(event, ScalarEvent) or (closes and _is_bracket(text, event)):
                block.end = max(block.end, event.end_mark.index)
        depth += opens - closes
        if depth == 1 and closes:
            key, expects_key = "", True
    if block is None or not block.end:
        raise NoPlaceError("there are no stages yet; write the first one by hand")
    return block


def _is_bracket(text: str, event: Any) -> bool:
    """Return True if the mapping or list ends with a bracket."""
    return event.end_mark.index > event.start_mark.index and text[event.start_mark.index] in "]}"


def _line_end(text: str, index: int) -> int:
    """Return the index behind the line break that comes next; a comment may stand before it."""
    found = text.find("\n", index)
    return len(text) if found == -1 else found + 1


def _scalar(value: str) -> str:
    """Return a text as it stands in a file, in quotes only where YAML would read something else."""
    document, _ = read_yaml(f"a: {{b: {value}}}".encode(), "")
    plain = document is not None and document.data == {"a": {"b": value}}
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _require_one_more(raw: bytes, changed: bytes, name: str, settings: Mapping[str, str]) -> None:
    """Raise NoPlaceError unless the files differ in this stage alone."""
    before, _ = read_yaml(raw, "")
    after, findings = read_yaml(changed, "")
    assert before is not None
    wanted = {**before.data, "stages": {**before.data["stages"], name: dict(settings)}}
    if after is None or findings or after.data != wanted:
        raise NoPlaceError(
            f"the stages are written in a form to which none can be added; write `{name}:` by hand"
        )
