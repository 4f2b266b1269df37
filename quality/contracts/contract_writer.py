"""Which contract says what the data of an event type are, and what its checks ask for?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farandole.events.check_spec import CheckSpec, Rule
from farandole.quality.checks.row_column import parse_column
from farandole.quality.contracts.custom_rules import OWN_ENGINE
from farandole.quality.contracts.found_checks import SEVERITY_PROPERTY
from farandole.quality.contracts.patterns import searched_pattern
from farandole.quality.contracts.schema_properties import ANY_TYPE, JsonSchema, schema_properties

API_VERSION = "v3.1.0"
"""The version of the standard that has all that is written here."""

_DIMENSIONS: Mapping[Rule, str] = {
    "not-null": "completeness",
    "range": "conformity",
    "one-of": "conformity",
    "pattern": "conformity",
    "length": "conformity",
    "schema": "conformity",
    "expression": "accuracy",
    "unique": "uniqueness",
    "fresh": "timeliness",
    "rows": "coverage",
    "known": "consistency",
    "sum": "consistency",
}


def event_contract(
    pipeline: str,
    event_type: str,
    topic: str,
    *,
    key: str | None,
    schema: JsonSchema | None,
    checks: Mapping[str, CheckSpec],
    version: str,
) -> dict[str, Any]:
    """Return the contract of an event type as plain data. `topic` is that of Kafka, `key` the field
    that is the key of an event, `version` that of the contract."""
    described: dict[str, Any] = {
        "name": event_type,
        "physicalName": topic,
        "logicalType": "object",
        "physicalType": "topic",
        "properties": schema_properties(schema),
        "quality": [],
    }
    for name, check in checks.items():
        column = check.column or (key or "" if check.rule == "unique" else "")
        place = _property(described, column) if column else described
        place.setdefault("quality", []).append(_rule(name, check))
    return {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": f"{pipeline}.{event_type}",
        "name": event_type,
        "version": version,
        "status": "active",
        "schema": [{name: value for name, value in described.items() if value}],
    }


def _property(described: dict[str, Any], column: str) -> dict[str, Any]:
    """Return the property of a column, which is added if the schema does not have it."""
    place = described
    for field in parse_column(column):
        inside = place.setdefault("properties", [])
        found = next((each for each in inside if each["name"] == field), None)
        if found is None:
            found = {"name": field, **ANY_TYPE}
            inside.append(found)
        if place is not described:
            place["logicalType"] = "object"
        place = found
    return place


def _rule(name: str, check: CheckSpec) -> dict[str, Any]:
    rule: dict[str, Any] = {"name": name}
    if check.description:
        rule["description"] = check.description
    rule |= _library(check) or {
        "type": "custom", "engine": OWN_ENGINE, "implementation": _settings(check)
    }  # fmt: skip
    if check.rule in _DIMENSIONS:
        rule["dimension"] = _DIMENSIONS[check.rule]
    rule["severity"] = "warning" if check.severity == "warn" else "error"
    rule["customProperties"] = [{"property": SEVERITY_PROPERTY, "value": check.severity}]
    return rule


def _library(check: CheckSpec) -> dict[str, Any] | None:
    """Return the rule of the standard's library that says the same; None if there is none."""
    match check.rule:
        case "not-null":
            return {"metric": "nullValues", **_tolerance(check)}
        case "one-of" if None not in check.values:
            values = {"validValues": [*check.values]}
            return {"metric": "invalidValues", "arguments": values, **_tolerance(check)}
        case "pattern":
            pattern = {"pattern": searched_pattern(check.matches)}
            return {"metric": "invalidValues", "arguments": pattern, **_tolerance(check)}
        case "unique":
            return {"metric": "duplicateValues", "mustBe": 0}
        case "rows" if check.min is not None or check.max is not None:
            return {"metric": "rowCount", **_rows(check)}
    return None


def _tolerance(check: CheckSpec) -> dict[str, Any]:
    if check.share is None:
        return {"mustBe": 0}
    percent = round(100 - 100 * check.share, 7)
    return {"mustBeLessOrEqualTo": _whole(percent), "unit": "percent"}


def _rows(check: CheckSpec) -> dict[str, Any]:
    if check.max is None:
        return {"mustBeGreaterOrEqualTo": check.min}
    if check.min is None:
        return {"mustBeLessOrEqualTo": check.max}
    if check.min == check.max:
        return {"mustBe": check.min}
    return {"mustBeBetween": [check.min, check.max]}


def _settings(check: CheckSpec) -> dict[str, Any]:
    """Return the keys of a check as `topology.yaml` has them."""
    found = check.model_dump(exclude_defaults=True, exclude={"description"})
    if check.share is not None:
        found["share"] = f"{_whole(round(100 * check.share, 7)):g}%"
    if check.within is not None:
        found["within"] = f"{_whole(check.within):g}s"
    return found


def _whole(number: float) -> int | float:
    return int(number) if number == int(number) else number
