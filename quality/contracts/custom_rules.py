"""Which check says what a rule for another engine asks for?

Our own engine, `farandole`, has the keys of a check. Of Great Expectations those expectations are
understood that say what a rule of ours says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from farandole.events.check_spec import CheckSpec, Rule
from farandole.quality.contracts.found_checks import NotExpressibleError
from farandole.quality.contracts.library_rules import RuleSettings, scalars
from farandole.quality.contracts.patterns import whole_pattern

OWN_ENGINE = "farandole"
_KEYS = CheckSpec.model_fields.keys()


def custom_rule(rule: Mapping[str, Any], column: str | None) -> RuleSettings:
    """Return the check of a rule of another engine, or of ours. Raises NotExpressibleError."""
    engine, implementation = str(rule.get("engine") or ""), rule.get("implementation")
    if engine == OWN_ENGINE:
        return RuleSettings(_own(implementation))
    if re.sub(r"[^a-z]", "", engine.lower()) == "greatexpectations":
        if not isinstance(implementation, Mapping):
            raise NotExpressibleError("the expectation is a text; write it as an object")
        return RuleSettings(_expectation(implementation, column))
    raise NotExpressibleError(f"it is for the engine {engine!r}")


def _own(implementation: object) -> dict[str, Any]:
    if not isinstance(implementation, Mapping) or implementation.get("rule") not in get_args(Rule):
        raise NotExpressibleError("`implementation` has no rule of farandole")
    if unknown := implementation.keys() - _KEYS:
        raise NotExpressibleError(f"a check has no {', '.join(sorted(map(str, unknown)))}")
    return dict(implementation)


def _expectation(implementation: Mapping[str, Any], column: str | None) -> dict[str, Any]:
    name = str(implementation.get("type") or implementation.get("expectation_type") or "")
    make = _EXPECTATIONS.get(name)
    if make is None:
        raise NotExpressibleError(f"the expectation {name!r} is none that a check expresses")
    given = implementation.get("kwargs")
    arguments = {
        re.sub(r"_", "", str(key)).lower(): value
        for key, value in (given.items() if isinstance(given, Mapping) else ())
        if value is not None
    }
    if arguments.get("strictmin") or arguments.get("strictmax"):
        raise NotExpressibleError("a bound that is not allowed itself")
    settings = make(arguments)
    if settings["rule"] != "rows":
        named = arguments.get("column", column)
        if not isinstance(named, str):
            raise NotExpressibleError("the expectation names no column")
        settings |= {"column": named}
    mostly = arguments.get("mostly", 1)
    if mostly != 1:
        if type(mostly) is not float or not 0 < mostly < 1:
            raise NotExpressibleError("`mostly` is a share from 0 to 1")
        if settings["rule"] in ("rows", "unique"):
            raise NotExpressibleError(f"{settings['rule']} has no share of rows")
        settings |= {"share": f"{round(100 * mostly, 9):g}%"}
    return settings


def _bounds(rule: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    def make(arguments: Mapping[str, Any]) -> dict[str, Any]:
        bounds = {
            key: arguments[f"{key}value"] for key in ("min", "max") if f"{key}value" in arguments
        }
        if not bounds or not all(type(each) in (int, float) for each in bounds.values()):
            raise NotExpressibleError("the bounds are numbers")
        return {"rule": rule, **bounds}

    return make


def _in_set(arguments: Mapping[str, Any]) -> dict[str, Any]:
    values = arguments.get("valueset")
    return {"rule": "one-of", "values": scalars(values if isinstance(values, list) else [])}


def _regex(arguments: Mapping[str, Any]) -> dict[str, Any]:
    # An expectation's expression begins at the beginning of the text.
    return {"rule": "pattern", "matches": whole_pattern(f"^(?:{arguments.get('regex', '')})")}


_EXPECTATIONS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "expect_column_values_to_not_be_null": lambda _: {"rule": "not-null"},
    "expect_column_values_to_be_unique": lambda _: {"rule": "unique"},
    "expect_column_values_to_be_between": _bounds("range"),
    "expect_column_value_lengths_to_be_between": _bounds("length"),
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_match_regex": _regex,
    "expect_table_row_count_to_be_between": _bounds("rows"),
}
