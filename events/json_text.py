"""How is one part of a JSON text changed, while all else stays as it is written?

Numbers are why: 40 digits, or `19.990`, are JSON, and a float cannot hold them. So data that nobody
changes are copied as text. Every function here takes text that `parse_json` accepts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_SCALAR = rf"({_STRING}|[-+.\w]+)?"  # an array or an object follows where it is not there
_MEMBER = re.compile(rf"[\s,]*({_STRING})\s*:\s*{_SCALAR}")
_ITEM = re.compile(rf"[\s,]*+(?!\]){_SCALAR}")
_STRING_OR_SPACES = re.compile(rf"({_STRING})|\s+")
_TOKEN = re.compile(rf"[{{\[][}}\]]|[{{}}\[\],:]|{_STRING}|[-+.\w]+")
_INDENT = "  "
_SCALARS = frozenset((str, int, float, bool, type(None)))
# It finds the ends of arrays and objects. Numbers in them may have any number of digits.
_decode_at = json.JSONDecoder(parse_float=len, parse_int=len).raw_decode


class JsonMember(NamedTuple):
    """A member of an object in a text: its name, and where its name and its value are."""

    name: str
    start: int
    value_start: int
    end: int


def parse_json(raw: bytes | str) -> Any:
    """Return the data of a JSON text, with integers of any size. Raises ValueError for what is no
    JSON, also for NaN and Infinity."""
    return from_json(raw, allow_inf_nan=False)


def compact_json(text: str) -> str:
    """Return a JSON text without the white space between its tokens."""
    return _STRING_OR_SPACES.sub(r"\1", text)


def one_line_json(raw: bytes) -> bytes:
    """Return a JSON text in one line, digit for digit. Raises ValueError for what is no JSON."""
    parse_json(raw)
    return compact_json(raw.decode()).encode()


def indent_json(text: str, most: int | None = None) -> str:
    """Return a JSON text with a line for each member and item, and a newline at the end. `most`: of
    a longer one only the beginning is returned, of at least so many characters; None for all."""
    parts: list[str] = []
    depth = length = 0
    for match in _TOKEN.finditer(compact_json(text)):
        if most is not None and length > most:
            break
        part = match[0]
        length += len(part)
        if part in ("{", "["):
            depth += 1
            parts.append(f"{part}\n{_INDENT * depth}")
        elif part in ("}", "]"):
            depth -= 1
            parts.append(f"\n{_INDENT * depth}{part}")
        elif part == ",":
            parts.append(f",\n{_INDENT * depth}")
        else:
            parts.append(": " if part == ":" else part)
    return "".join(parts) + "\n"


def member_text(text: str, name: str) -> str | None:
    """Return the text of the value of a member of an object; None if there is no such member. Of
    several with one name the last counts, as for every reader of JSON."""
    found = {member.name: member for member in object_members(text)}.get(name)
    return None if found is None else text[found.value_start : found.end]


def merge_patch_text(text: str, patch: str) -> str:
    """Apply a merge patch (RFC 7396) to a JSON text and return the result. What the patch does not
    name stays as it is written; what it names is written as in the patch."""
    if not patch.lstrip().startswith("{"):
        return patch.strip()
    if not text.lstrip().startswith("{"):
        text = "{}"
    members = object_members(text)
    present = {m.name: text[m.value_start : m.end] for m in members}
    changes: dict[str, str | None] = {}
    for member in object_members(patch):
        value = patch[member.value_start : member.end]
        if value == "null":
            changes[member.name] = None
        else:
            changes[member.name] = merge_patch_text(present.get(member.name, "null"), value)
    return _with_changes(text, members, changes)


def rewrite_json(raw: bytes, data: Any) -> bytes:
    """Return the JSON of `data`, in which each part that has the same value as in `raw` is written
    as in `raw`. Raises PydanticSerializationError for data that are not JSON; NaN and Infinity are
    written by name."""
    before = from_json(raw)
    if to_json(before) == raw:  # as our stages write it: then each part is written so, too
        return to_json(data)
    return _rewritten(raw.decode(), before, data).encode()


def _rewritten(text: str, before: Any, after: Any) -> str:
    """Return the text of `after`; `text` is that of `before`."""
    if isinstance(before, dict) and isinstance(after, dict) and set(map(type, after)) <= {str}:
        # Also where nothing has changed: the first of two members with one name must not stay.
        members = object_members(text)
        changes: dict[str, str | None] = dict.fromkeys(before.keys() - after.keys())
        for name, _, value_start, end in {m.name: m for m in members}.values():
            if name in after and not _is_same_scalar(before[name], after[name]):
                changes[name] = _rewritten(text[value_start:end], before[name], after[name])
        for name in after.keys() - before.keys():
            changes[name] = to_json(after[name]).decode()
        return _with_changes(text, members, changes)
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return _with_items(text, before, after)
    written = to_json(after)
    return text if written == to_json(before) else written.decode()


def _is_same_scalar(before: Any, after: Any) -> bool:
    if before is after:
        return True
    kind = type(after)
    if kind is not type(before) or kind not in _SCALARS:
        return False
    return before == after and (kind is not float or repr(before) == repr(after))  # -0.0 is not 0.0


def _with_items(text: str, before: list[Any], after: list[Any]) -> str:
    parts: list[str] = []
    copied = 0
    for (start, end), old, new in zip(array_items(text), before, after, strict=True):
        if not _is_same_scalar(old, new):
            parts += text[copied:start], _rewritten(text[start:end], old, new)
            copied = end
    return "".join((*parts, text[copied:]))


def _with_changes(
    text: str, members: Sequence[JsonMember], changes: Mapping[str, str | None]
) -> str:
    """Return the text of an object, whose members are given, with other values for some of them:
    None removes a member, and a new name is added at the end. Of several members with one name only
    the last stays."""
    last = {member.name: member for member in members}
    copied = text.index("{") + 1
    parts = [text[:copied]]  # and each member with the white space and the comma before it
    for member in members:
        name, start, value_start, end = member
        before = text[copied:start]
        copied = end
        value = changes.get(name, text[value_start:end])
        if member is last[name] and value is not None:
            before = before if len(parts) > 1 else before.replace(",", "", 1)
            parts.append(f"{before}{text[start:value_start]}{value}")
    for name, value in changes.items():
        if name not in last and value is not None:
            parts.append(f"{',' if len(parts) > 1 else ''}{to_json(name).decode()}:{value}")
    return "".join((*parts, text[copied:]))


def object_members(text: str) -> list[JsonMember]:
    """Return the members of the object that a text is, in their order."""
    found: list[JsonMember] = []
    at = text.index("{") + 1
    while member := _MEMBER.match(text, at):
        quoted, scalar = member.groups()
        name = json.loads(quoted) if "\\" in quoted else quoted[1:-1]
        at = value_start = member.end()
        if scalar is None:
            at = _decode_at(text, at)[1]
        else:
            value_start -= len(scalar)
        found.append(JsonMember(name, member.start(1), value_start, at))
    return found


def array_items(text: str) -> list[tuple[int, int]]:
    """Return where the items of the array that a text is begin and end."""
    found: list[tuple[int, int]] = []
    at = text.index("[") + 1
    while item := _ITEM.match(text, at):
        end = item.end() if item[1] else _decode_at(text, item.end())[1]
        found.append((item.end() - len(item[1] or ""), end))
        at = end
    return found
