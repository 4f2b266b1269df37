"""How is a value of a row written where people read it?"""

from __future__ import annotations

import json
from typing import Any

import orjson

from farandole.events.safe_text import escape_surrogates
from farandole.quality.checks.row_column import MISSING

MAX_VALUE_TEXT = 100  # characters
_LONG = 10**MAX_VALUE_TEXT


def value_text(value: Any) -> str:
    """Return the JSON text of a scalar, with at most MAX_VALUE_TEXT characters of it. `1.0` is the
    number 1. Any list is `[…]`, any object `{…}`, and what is missing is empty."""
    if value is MISSING:
        return ""
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, list):
        return "[…]"
    if isinstance(value, str):
        cut = value[: MAX_VALUE_TEXT + 1]
        return cut_text(orjson.dumps(escape_surrogates(cut)).decode())
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and abs(value) >= _LONG:
        # Python writes no integer of more than 4,300 digits.
        return f"{'-' if value < 0 else ''}(an integer of {value.bit_length()} bits)"
    return json.dumps(value)


def row_text(row: Any, longest: int) -> str:
    """Return the JSON text of a row, with at most `longest` characters of it."""
    try:
        text = orjson.dumps(row).decode()
    except TypeError:  # an integer beyond 64 bits, or more levels than orjson writes
        try:
            text = escape_surrogates(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
        except (RecursionError, ValueError):
            return "(it cannot be shown)"
    return cut_text(text, longest)


def cut_text(text: str, longest: int = MAX_VALUE_TEXT) -> str:
    """Return the text, or its beginning and `…` if it is longer than that."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
