"""How is a rule about one column written as an expression over a row?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from farandole.quality.checks.row_column import parse_column
from farandole.quality.contracts.found_checks import NotExpressibleError


def unless_null(column: str, condition: str) -> str:
    """Return an expression that is true where a column has no value, or where the condition holds;
    `{}` stands for the value in it. Raises NotExpressibleError."""
    *above, path = _paths(column)
    guards = [f"!has({each}) || {each} == null" for each in (*above, path)]
    return " || ".join([*guards, condition.format(path)])


def if_present(column: str, condition: str) -> str:
    """Return an expression that is true where a column has a value and the condition holds."""
    *above, path = _paths(column)
    guards = [f"has({each}) && {each} != null" for each in (*above, path)]
    return " && ".join([*guards, condition.format(path)])


def literal(value: Any) -> str:
    """Return a scalar as an expression has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    text = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _paths(column: str) -> Iterator[str]:
    """Yield the path of each object that a column is in, and its own."""
    path = "data"
    for field in parse_column(column):
        if not field.isidentifier() or not field.isascii():
            raise NotExpressibleError(f"an expression cannot name the column {column}")
        path += f".{field}"
        yield path
