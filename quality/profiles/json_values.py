"""Which value of JSON stands for a value of Python?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from numbers import Integral, Real
from types import NoneType
from typing import Any

from farandole.quality.profiles.column_names import MAX_DEPTH

_PLAIN: frozenset[type] = frozenset({bool, int, float, NoneType})


def json_values(values: Sequence[Any]) -> list[Any]:
    """Return values of the types that JSON is read as. Numbers of other types are read as integers
    or doubles, mappings as objects, what has a length and no name as a list, a date in ISO 8601,
    anything else as its text. In texts `?` stands for a lone surrogate."""
    types = set(map(type, values))
    if types <= _PLAIN or (types <= _PLAIN | {str} and _is_unicode(values)):
        return list(values)
    return [_json_value(value, 1) for value in values]


def _is_unicode(values: Sequence[Any]) -> bool:
    try:
        "".join([value for value in values if type(value) is str]).encode()
    except UnicodeEncodeError:
        return False
    return True


def _json_value(value: Any, depth: int) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, Mapping):
        if depth > MAX_DEPTH:
            return {}
        return {_text(str(name)): _json_value(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json_value(each, MAX_DEPTH + 1) for each in value]
    return _text(value.isoformat() if isinstance(value, date) else str(value))


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()
