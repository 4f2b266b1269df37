"""Which check says what a rule of the standard's own library asks for?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from farandole.quality.contracts.expressions import if_present, literal, unless_null
from farandole.quality.contracts.found_checks import NotExpressibleError
from farandole.quality.contracts.patterns import whole_pattern
from farandole.quality.contracts.thresholds import row_bounds, tolerance_of

_OLD_NAMES = {
    "nullCheck": "nullValues", "nullCount": "nullValues", "duplicateCount": "duplicateValues",
    "unique": "duplicateValues", "validValues": "invalidValues", "rows": "rowCount",
}  # fmt: skip
"""Names of version 3.0, by what they are called now."""


class RuleSettings(NamedTuple):
    """The keys of a check, and how it differs from the rule."""

    settings: dict[str, Any]
    remark: str = ""


def library_rule(rule: Mapping[str, Any], column: str | None) -> RuleSettings:
    """Return the check of a library rule. `column`: None for a rule of the whole object. Raises
    NotExpressibleError."""
    written = str(rule.get("metric") or rule.get("rule") or "")
    metric = _OLD_NAMES.get(written, written)
    arguments = rule.get("arguments")
    if not isinstance(arguments, Mapping):
        arguments = rule  # version 3.0, and examples of later ones
    match metric:
        case "rowCount":
            return RuleSettings({"rule": "rows", **row_bounds(rule)})
        case "duplicateValues":
            return _unique(rule, arguments, column)
        case "nullValues":
            return _counted(rule, {"rule": "not-null", "column": _needed(column, metric)})
        case "missingValues":
            return _missing(rule, arguments, _needed(column, metric))
        case "invalidValues":
            return _invalid(rule, arguments, _needed(column, metric))
    raise NotExpressibleError(f"there is no metric {written!r}")


def _needed(column: str | None, metric: str) -> str:
    if column is None:
        raise NotExpressibleError(f"{metric} is about a property, and stands at an object")
    return column


def _counted(rule: Mapping[str, Any], settings: dict[str, Any]) -> RuleSettings:
    tolerance = tolerance_of(rule)
    return RuleSettings({**settings, **tolerance.settings()}, tolerance.remark)


def _unique(
    rule: Mapping[str, Any], arguments: Mapping[str, Any], column: str | None
) -> RuleSettings:
    named = arguments.get("properties")
    if column is None and isinstance(named, list):
        if len(named) != 1:
            raise NotExpressibleError("several columns together are unique: a check has one")
        column = str(named[0])
    is_flag = rule.get("rule") == "unique" and "mustBe" not in rule
    if not is_flag and tolerance_of(rule).share is not None:
        raise NotExpressibleError("a check allows no value that comes again")
    return RuleSettings({"rule": "unique", "column": _needed(column, "duplicateValues")})


def _missing(rule: Mapping[str, Any], arguments: Mapping[str, Any], column: str) -> RuleSettings:
    values = arguments.get("missingValues")
    values = values if isinstance(values, list) else [None]
    others = [value for value in values if value is not None]
    if not others:
        return _counted(rule, {"rule": "not-null", "column": column})
    listed = f"!({{}} in [{', '.join(map(literal, others))}])"
    holds = if_present(column, listed) if None in values else unless_null(column, listed)
    return _counted(rule, {"rule": "expression", "holds": holds})


def _invalid(rule: Mapping[str, Any], arguments: Mapping[str, Any], column: str) -> RuleSettings:
    values, pattern = arguments.get("validValues"), arguments.get("pattern")
    if isinstance(values, list) and pattern is None:
        return _counted(rule, {"rule": "one-of", "column": column, "values": scalars(values)})
    if isinstance(pattern, str) and values is None:
        return _counted(
            rule, {"rule": "pattern", "column": column, "matches": whole_pattern(pattern)}
        )
    raise NotExpressibleError("invalidValues needs either `validValues` or `pattern`")


def scalars(values: list[Any]) -> list[Any]:
    """Return values as `one-of` takes them. Raises NotExpressibleError."""
    if not values or not all(type(each) in (str, int, float, bool) for each in values):
        raise NotExpressibleError("the values are texts, numbers, true and false")
    return values
