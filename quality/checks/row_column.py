"""Which value does a row have in a column?

A column is the path of a field, with dots for those inside (`address.city`); a dot or a backslash
in a field itself has a backslash before it. A list is one value: nothing inside it is a column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

ColumnPath = tuple[str, ...]


class _Missing:
    def __repr__(self) -> str:
        return "(missing)"


MISSING: Final = _Missing()
"""Stands for the value of a column that a row does not have."""

_FIELD = re.compile(r"(?:\\.|[^.\\])+", re.DOTALL)


def parse_column(column: str) -> ColumnPath:
    """Return the fields of a path. Raise ValueError if one of them is empty, or a backslash stands
    before nothing."""
    fields, at = [], 0
    while True:
        match = _FIELD.match(column, at)
        if match is None:
            raise ValueError(f"{column!r} is no path of a field")
        fields.append(re.sub(r"\\(.)", r"\1", match[0], flags=re.DOTALL))
        at = match.end()
        if at == len(column):
            return tuple(fields)
        if column[at] != ".":
            raise ValueError(f"{column!r} is no path of a field")
        at += 1


def column_value(row: Any, path: ColumnPath) -> Any:
    """Return the value of a row at a path; MISSING if there is none. The empty path is the row."""
    for field in path:
        if type(row) is not dict:
            return MISSING
        row = row.get(field, MISSING)
    return row


def column_values(rows: Sequence[Any], path: ColumnPath) -> list[Any]:
    """Return what `column_value` returns for each row."""
    if len(path) != 1:
        return [column_value(row, path) for row in rows]
    (field,) = path
    return [row.get(field, MISSING) if type(row) is dict else MISSING for row in rows]
