"""How is one part of a JSON text changed, while all else stays as it is written?

Numbers are why: 40 digits, or `19.990`, are JSON, and a float cannot hold them. So data that nobody
changes are copied as text. Every function here takes text that `parse_json` accepts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from json.decoder import scanstring
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

_SPACES = re.compile(r"[ \t\n\r]*")
_STRING = r'"(?:[^"\\]|\\.)*"'
_STRING_OR_SPACES = re.compile(rf"({_STRING})|[ \t\n\r]+")
_TOKEN = re.compile(rf"[{{\[][}}\]]|[{{}}\[\],:]|{_STRING}|[^\s{{}}\[\],:\"]+")
_INDENT = "  "
# It finds the ends of values. Their numbers are not read: one can have any number of digits.
_skip_value = json.JSONDecoder(parse_float=len, parse_int=len).scan_once


class _Member(NamedTuple):
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


def indent_json(text: str) -> str:
    """Return a JSON text with a line for each member and item, and a newline at the end."""
    parts: list[str] = []
    depth = 0
    for part in _TOKEN.findall(compact_json(text)):
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
    found = {member.name: member for member in _members(text, _start_of(text))}.get(name)
    return None if found is None else text[found.value_start : found.end]


def merge_patch_text(text: str, patch: str) -> str:
    """Apply a merge patch (RFC 7396) to a JSON text and return the result. What the patch does not
    name stays as it is written; what it names is written as in the patch."""
    patch = patch.strip()
    if not patch.startswith("{"):
        return patch
    if not text.lstrip().startswith("{"):
        text = "{}"
    present = {m.name: text[m.value_start : m.end] for m in _members(text, _start_of(text))}
    changes: dict[str, str | None] = {}
    for member in _members(patch, 0):
        value = patch[member.value_start : member.end]
        if value == "null":
            changes[member.name] = None
        else:
            changes[member.name] = merge_patch_text(present.get(member.name, "null"), value)
    return _with_members(text, changes)


def rewrite_json(raw: bytes, data: Any) -> bytes:
    """Return the JSON of `data`, in which each part that has the same value as in `raw` is written
    as in `raw`. The members of an object are in the order in which they are there. Raises
    PydanticSerializationError for data that are not JSON; NaN and Infinity are written by name."""
    return _rewritten(raw.decode(), from_json(raw), data).encode()


def _rewritten(text: str, before: Any, after: Any) -> str:
    """Return the text of `after`; `text` is that of `before`."""
    if isinstance(before, dict) and isinstance(after, dict) and set(map(type, after)) <= {str}:
        # Also where nothing has changed: the first of two members with one name must not stay.
        found = {m.name: text[m.value_start : m.end] for m in _members(text, _start_of(text))}
        changes: dict[str, str | None] = dict.fromkeys(before.keys() - after.keys())
        for name, value in after.items():
            if name in found:
                changes[name] = _rewritten(found[name], before[name], value)
            else:
                changes[name] = to_json(value).decode()
        return _with_members(text, changes)
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return _with_items(text, before, after)
    written = to_json(after)
    return text if written == to_json(before) else written.decode()


def _with_items(text: str, before: list[Any], after: list[Any]) -> str:
    parts: list[str] = []
    copied = 0
    for (start, end), old, new in zip(_items(text, _start_of(text)), before, after, strict=True):
        parts += text[copied:start], _rewritten(text[start:end], old, new)
        copied = end
    return "".join((*parts, text[copied:]))


def _with_members(text: str, changes: Mapping[str, str | None]) -> str:
    """Return the text of an object with other values for some members: None removes a member, and a
    new name is added at the end. Of several members with one name only the last stays."""
    members = list(_members(text, _start_of(text)))
    last = {member.name: member for member in members}
    copied = _start_of(text) + 1
    parts: list[str] = []  # each member with the white space and the comma before it
    for member in members:
        before = text[copied : member.start]
        copied = member.end
        if not parts:
            before = before.replace(",", "", 1)
        value = changes.get(member.name, text[member.value_start : member.end])
        if member is last[member.name] and value is not None:
            parts.append(before + text[member.start : member.value_start] + value)
    for name, value in changes.items():
        if name not in last and value is not None:
            parts.append(f"{',' if parts else ''}{to_json(name).decode()}:{value}")
    return text[: _start_of(text) + 1] + "".join(parts) + text[copied:]


def _start_of(text: str) -> int:
    return _after_spaces(text, 0)


def _members(text: str, start: int) -> Iterator[_Member]:
    """Yield the members of the object that starts at `start`."""
    at = _after_spaces(text, start + 1)
    while text[at] != "}":
        begins = at
        name, at = scanstring(text, at + 1)
        at = _after_spaces(text, _after_spaces(text, at) + 1)
        _, end = _skip_value(text, at)
        yield _Member(name, begins, at, end)
        at = _after_comma(text, end)


def _items(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Yield where the items of the array that starts at `start` begin and end."""
    at = _after_spaces(text, start + 1)
    while text[at] != "]":
        _, end = _skip_value(text, at)
        yield at, end
        at = _after_comma(text, end)


def _after_comma(text: str, at: int) -> int:
    at = _after_spaces(text, at)
    return _after_spaces(text, at + 1) if text[at] == "," else at


def _after_spaces(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    assert found is not None
    return found.end()
