"""Which check says what an SQL query of a contract counts?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from farandole.quality.contracts.found_checks import NotExpressibleError
from farandole.quality.contracts.library_rules import RuleSettings
from farandole.quality.contracts.thresholds import row_bounds, tolerance_of

_COLUMN = r"(?P<column>\$?\{(?:property|column)\}|[\w.]+)"
_NUMBER = r"-?[0-9]+(?:\.[0-9]+)?"
_COUNT = r"SELECT COUNT ?\( ?\* ?\) FROM (?:\$?\{(?:object|table)\}|[\w.]+)"
_FORMS = (
    (re.compile(_COUNT, re.I), "rows"),
    (re.compile(rf"{_COUNT} WHERE {_COLUMN} IS NULL", re.I), "not-null"),
    (re.compile(rf"{_COUNT} WHERE {_COLUMN} < (?P<low>{_NUMBER})", re.I), "range"),
    (re.compile(rf"{_COUNT} WHERE {_COLUMN} > (?P<high>{_NUMBER})", re.I), "range"),
    (
        re.compile(
            rf"{_COUNT} WHERE {_COLUMN} NOT BETWEEN (?P<low>{_NUMBER}) AND (?P<high>{_NUMBER})",
            re.I,
        ),
        "range",
    ),
)
"""Queries that count all rows, or those that break a rule."""


def sql_rule(rule: Mapping[str, Any], column: str | None) -> RuleSettings:
    """Return the check of an SQL rule. `column`: the property at which it stands; None for an
    object. Raises NotExpressibleError for all queries but the simplest."""
    query = " ".join(str(rule.get("query") or "").split()).rstrip("; ")
    for form, name in _FORMS:
        found = form.fullmatch(query)
        if found is None:
            continue
        if name == "rows":
            return RuleSettings({"rule": "rows", **row_bounds(rule)})
        settings: dict[str, Any] = {"rule": name, "column": _column(found["column"], column)}
        bounds = found.groupdict()
        settings |= {
            key: _number(bounds[group])
            for key, group in (("min", "low"), ("max", "high"))
            if bounds.get(group) is not None
        }
        tolerance = tolerance_of(rule)
        return RuleSettings({**settings, **tolerance.settings()}, tolerance.remark)
    raise NotExpressibleError(
        "of SQL only `SELECT COUNT(*) FROM {object}` is understood, alone or with a WHERE that says"
        " IS NULL, < or > a number, or NOT BETWEEN"
    )


def _column(written: str, column: str | None) -> str:
    if "{" not in written:
        return written
    if column is None:
        raise NotExpressibleError(f"{written} stands for a property, and the rule is at an object")
    return column


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
