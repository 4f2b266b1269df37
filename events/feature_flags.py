"""Which feature flags does a pipeline have, and which values may each of them take?"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict

FlagType = Literal["bool", "int", "float", "text", "json"]

FLAG_NAME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_.][A-Za-z0-9]+)*")
MAX_FLAG_NAME_LENGTH = 100  # characters
RESERVED_FLAG_NAMES = frozenset({"import"})
"""`farandole flag import FILE` is another command."""
MAX_FLAG_VALUE_BYTES = 64 * 1024
"""The most bytes of a value, as JSON."""

_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1


class FlagSpec(BaseModel):
    """One flag, as the file of its pipeline declares it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: FlagType
    default: Any
    """Its value where no control document says another one."""
    description: str = ""


class FlagValueError(ValueError):
    """A value has not the type of its flag; the message says why."""


def read_flag_value(kind: FlagType, value: Any) -> Any:
    """Return a JSON value as functions get it from a flag of this type: a `float` flag may be
    written as a whole number. Raises FlagValueError."""
    if kind == "json":
        return _checked_size(value)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "text" and isinstance(value, str):
        return _checked_size(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if kind == "int":
            if _MIN_INTEGER <= value <= _MAX_INTEGER:
                return value
            raise FlagValueError("it is no integer of 64 bits")
        if kind == "float" and abs(value) <= _MAX_INTEGER:
            return float(value)
    if kind == "float" and isinstance(value, float) and isfinite(value):
        return value
    raise FlagValueError(f"{shown_value(value)} is no {_TYPE_WORDS[kind]}")


def parse_flag_text(kind: FlagType, text: str) -> Any:
    """Return the value that a person has written on a command line: JSON or, for a `text` flag, the
    text itself. Raises FlagValueError."""
    if kind == "text":
        return read_flag_value(kind, text)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise FlagValueError(f"{text!r:.60} is no {_TYPE_WORDS[kind]}") from None
    return read_flag_value(kind, value)


_TYPE_WORDS: dict[FlagType, str] = {
    "bool": "bool (true or false)",
    "int": "int",
    "float": "float",
    "text": "text",
    "json": "JSON value",
}


def _checked_size(value: Any) -> Any:
    """Return a value that JSON can hold. Raises FlagValueError if it cannot, or the value is too
    large."""
    try:
        written = orjson.dumps(value)
        is_kept = bool(orjson.loads(written) == value)
    except (TypeError, ValueError):
        is_kept = False
    if not is_kept:
        raise FlagValueError("it is no JSON value")
    if len(written) > MAX_FLAG_VALUE_BYTES:
        raise FlagValueError(f"it has more than {MAX_FLAG_VALUE_BYTES // 1024} KiB")
    return value


def default_text(value: Any) -> bytes:
    """Return a JSON value in one form, in which 1 and true differ."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def shown_value(value: Any, most: int = 60) -> str:
    """Return a value as JSON in one line of at most `most` characters."""
    try:
        text = orjson.dumps(value).decode()
    except (TypeError, ValueError):
        text = ascii(value)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def flag_name_problem(name: str) -> tuple[str, str] | None:
    """Return what is wrong with the name of a flag, and what helps; None if nothing is."""
    if name in RESERVED_FLAG_NAMES:
        return f"the flag name {name!r} is reserved", "choose another"
    if len(name) > MAX_FLAG_NAME_LENGTH:
        return f"a flag's name has at most {MAX_FLAG_NAME_LENGTH} characters", "shorten the name"
    if FLAG_NAME_PATTERN.fullmatch(name):
        return None
    fixed = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
    example = f"write {fixed!r}" if FLAG_NAME_PATTERN.fullmatch(fixed) else "write for example vip"
    return f"{name!r} is no flag name: words of letters and digits, with - _ . between", example
