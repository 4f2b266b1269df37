"""Does a row keep the rules of its event type?

A row is what a JSON text is read as. A value that is null or missing keeps every rule but
`not-null`, as with the CHECK of SQL; a value of another type than the rule is about breaks it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from pydantic_core import SchemaError, SchemaValidator, core_schema

from farandole.events.check_spec import ROW_RULES, CheckSpec
from farandole.events.number_format import grouped
from farandole.quality.checks.row_column import MISSING, ColumnPath, column_value, parse_column
from farandole.quality.checks.value_text import value_text

Condition = Callable[[Any], str]
"""Takes a row. Returns an empty text if the expression is true of it, else why it is not."""

MAX_NUMBER_TEXT = 100
"""Characters of the longest text that can count as a number."""
_MARK = re.compile(r" {4}( *)\^+")
"""The line below the pattern in an error of Rust's."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?")


class RuleError(ValueError):
    """A check cannot be compiled. `key` is the key of it that is wrong; `position` is the character
    of its text, counted from 1, or 0 if that is not known."""

    def __init__(self, key: str, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.key = key
        self.position = position


class RowRule(NamedTuple):
    """The rule of one check."""

    name: str
    check: CheckSpec
    path: ColumnPath
    """Where the value is that it looks at; empty for the whole row."""
    breaks: Callable[[Any], bool]
    """Returns True if the value breaks the rule."""
    reason: Callable[[Any], str]
    """Returns what is wrong with a value that breaks it, without the value."""

    def is_broken_by(self, row: Any) -> bool:
        """Return True if a row breaks the rule."""
        return self.breaks(column_value(row, self.path))

    @property
    def judges_rows(self) -> bool:
        """False if it is asked what share of the rows keep the rule: then any of them may break
        it."""
        return self.check.judges_rows


def compile_row_rules(
    checks: Mapping[str, CheckSpec], compile_condition: Callable[[str], Condition]
) -> tuple[RowRule, ...]:
    """Return the rules about rows among the checks of an event type, in their order.
    `compile_condition` compiles an expression over `data`, and raises ValueError. Raise RuleError
    for a check that cannot be compiled."""
    return tuple(
        _compile(name, check, compile_condition)
        for name, check in checks.items()
        if check.rule in ROW_RULES
    )


def compile_pattern(pattern: str) -> Callable[[Any], bool]:
    """Return what says whether a value is a text that matches a regular expression as a whole.
    Raise RuleError.

    The engine is that of Rust, as for `pattern` in a JSON Schema. It takes linear time, so it has
    neither back-references nor look-around (https://docs.rs/regex/latest/regex/#syntax)."""
    _compile_regex(pattern)  # alone: `a)|(b` would be one only inside the other brackets
    matches: Callable[[Any], bool] = _compile_regex(rf"\A(?:{pattern})\z").isinstance_python
    return matches


def _compile_regex(pattern: str) -> SchemaValidator:
    try:
        return SchemaValidator(
            core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True)
        )
    except SchemaError as error:
        lines = str(error).splitlines()
        reason = next((line[7:] for line in lines if line.startswith("error: ")), "")
        if not reason:
            is_large = "size limit" in lines[-1]
            reason = "it is too large when compiled" if is_large else lines[-1].strip()
        place = next(filter(None, map(_MARK.fullmatch, lines)), None)
        raise RuleError("matches", reason, len(place[1]) + 1 if place else 0) from None


def _compile(name: str, check: CheckSpec, compile_condition: Callable[[str], Condition]) -> RowRule:
    if check.rule == "expression":
        try:
            condition = compile_condition(check.holds)
        except ValueError as error:
            raise RuleError("holds", str(error)) from None
        return RowRule(name, check, (), lambda row: bool(condition(row)), condition)
    try:
        path = parse_column(check.column)
    except ValueError as error:
        raise RuleError("column", str(error)) from None
    breaks, reason = _BUILDERS[check.rule](check)
    return RowRule(name, check, path, breaks, reason)


_Built = tuple[Callable[[Any], bool], Callable[[Any], str]]


def _not_null(_: CheckSpec) -> _Built:
    def breaks(value: Any) -> bool:
        return value is None or value is MISSING

    return breaks, lambda _: "it has no value"


def _range(check: CheckSpec) -> _Built:
    low = float("-inf") if check.min is None else check.min
    high = float("inf") if check.max is None else check.max

    def breaks(value: Any) -> bool:
        if type(value) is int or type(value) is float:
            return not low <= value <= high
        if value is None or value is MISSING:
            return False
        number = _number_in(value)
        return number is None or not low <= number <= high

    def reason(value: Any) -> str:
        number = value if type(value) in (int, float) else _number_in(value)
        return "it is no number" if number is None else _outside(check, number)

    return breaks, reason


def _number_in(value: Any) -> Decimal | None:
    """Return the number that a text is; None if it is none."""
    if type(value) is not str or len(value) > MAX_NUMBER_TEXT or not _NUMBER.fullmatch(value):
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def _outside(check: CheckSpec, number: Any) -> str:
    if check.min is not None and not number >= check.min:
        return f"the least is {value_text(check.min)}"
    return f"the greatest is {value_text(check.max)}"


def _one_of(check: CheckSpec) -> _Built:
    # True equals 1 to Python, and is another value in JSON.
    others = frozenset(v for v in check.values if type(v) is not bool and v is not None)
    booleans = frozenset(v for v in check.values if type(v) is bool)

    def breaks(value: Any) -> bool:
        kind = type(value)
        if kind is str or kind is int or kind is float:
            return value not in others
        if value is None or value is MISSING:
            return False
        return kind is not bool or value not in booleans

    return breaks, lambda _: "it is none of the values"


def _pattern(check: CheckSpec) -> _Built:
    matches = compile_pattern(check.matches)

    def breaks(value: Any) -> bool:
        return value is not None and value is not MISSING and not matches(value)

    def reason(value: Any) -> str:
        return "it does not match" if type(value) is str else "it is no text"

    return breaks, reason


def _length(check: CheckSpec) -> _Built:
    low = 0 if check.min is None else check.min
    high = float("inf") if check.max is None else check.max

    def breaks(value: Any) -> bool:
        if type(value) is str:
            return not low <= len(value) <= high
        return value is not None and value is not MISSING

    def reason(value: Any) -> str:
        if type(value) is not str:
            return "it is no text"
        return f"it has {grouped(len(value))} characters, and {_outside(check, len(value))}"

    return breaks, reason


_BUILDERS: Mapping[str, Callable[[CheckSpec], _Built]] = {
    "not-null": _not_null,
    "range": _range,
    "one-of": _one_of,
    "pattern": _pattern,
    "length": _length,
}
