"""Which checks do the objects of a contract ask for, and which of its rules cannot be one?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from farandole.quality.contracts.found_checks import (
    FoundCheck,
    FoundChecks,
    LeftOutRule,
    NotExpressibleError,
    with_severity,
)
from farandole.quality.contracts.property_rules import property_rules
from farandole.quality.contracts.quality_rules import quality_rule, rule_label
from farandole.quality.contracts.service_levels import freshness_of

MAX_DEPTH = 20
"""Levels of properties that are looked at."""


class ContractObject(NamedTuple):
    """One object of a contract: a table, a topic, a kind of event."""

    name: str
    physical_name: str
    """Empty if the contract names none."""
    checks: Sequence[FoundCheck]
    left_out: Sequence[LeftOutRule]


def contract_objects(contract: Mapping[str, Any]) -> list[ContractObject]:
    """Return the objects of a contract, whose data may be anything that YAML has."""
    objects = [each for each in _items(contract.get("schema")) if isinstance(each, Mapping)]
    found = [(each, _checks_of(each)) for each in objects]
    for level in _items(contract.get("slaProperties")):
        _add_service_level(level, found)
    return [
        ContractObject(
            _text(each.get("name")), _text(each.get("physicalName")), own.checks, own.left_out
        )
        for each, own in found
    ]


def _checks_of(obj: Mapping[str, Any]) -> FoundChecks:
    found, name = FoundChecks(), _text(obj.get("name"))
    _add_quality(found, obj, name, None)
    properties = [each for each in _items(obj.get("properties")) if isinstance(each, Mapping)]
    keys = [each for each in properties if each.get("primaryKey") is True]
    if len(keys) > 1:
        found.leave_out(f"{name}: the primary key", "several columns together are unique")
    for each in properties:
        _add_property(found, each, name, "", 1, is_key=keys == [each])
    return found


def _add_property(
    found: FoundChecks,
    given: Mapping[str, Any],
    above: str,
    prefix: str,
    depth: int,
    *,
    is_key: bool = False,
) -> None:
    """Add the checks of a property, and of those inside it. `above`: what it is in; `prefix`: the
    path of that, with a dot behind it, empty for the object itself."""
    name = _text(given.get("physicalName")) or _text(given.get("name"))
    where = f"{above}.{name}"
    if not name or depth > MAX_DEPTH:
        found.leave_out(where, "it has no name" if not name else "it is too deep inside")
        return
    column = prefix + name.replace("\\", "\\\\").replace(".", "\\.")
    for rule in property_rules(given, column, is_key=is_key):
        if rule.settings is None:
            found.leave_out(f"{where}: {rule.key}", rule.why)
        else:
            found.add(f"{column} {rule.suffix}", rule.settings, f"{where}: {rule.key}", rule.why)
    _add_quality(found, given, where, column)
    for inside in _items(given.get("properties")):
        if isinstance(inside, Mapping):
            _add_property(found, inside, where, f"{column}.", depth + 1)
    if isinstance(items := given.get("items"), Mapping):
        in_list = FoundChecks()
        _add_property(in_list, {"name": "items", **items}, where, "", depth + 1)
        if number := len(in_list.checks) + len(in_list.left_out):
            rules = "a rule is" if number == 1 else f"{number} rules are"
            found.leave_out(f"{where}[]", f"{rules} about items of a list, which are no column")


def _add_quality(
    found: FoundChecks, given: Mapping[str, Any], where: str, column: str | None
) -> None:
    for number, rule in enumerate(_items(given.get("quality")), 1):
        if not isinstance(rule, Mapping):
            found.leave_out(f"{where}: quality {number}", "it is no object")
            continue
        label = rule_label(rule)
        source = f"{where}: quality {number}" + (f", {label}" if label else "")
        try:
            settings, remark = quality_rule(rule, column)
        except NotExpressibleError as error:
            found.leave_out(source, str(error))
            continue
        name = label or f"{settings.get('column', '')} {settings['rule']}"
        found.add(name, with_severity(settings, rule), source, remark)


def _add_service_level(
    level: object, found: Sequence[tuple[Mapping[str, Any], FoundChecks]]
) -> None:
    """Add the check of a service level that is about the age of data; all others are about how a
    service is run."""
    freshness = freshness_of(level)
    if freshness is None:
        return
    for obj, own in found:
        name = _text(obj.get("name"))
        of_object, _, column = freshness.element.rpartition(".")
        if of_object == name or (not of_object and len(found) == 1):
            source = f"{name}: slaProperties, {freshness.property}"
            if freshness.within is None:
                own.leave_out(source, f"{freshness.written} is no duration")
                return
            settings: dict[str, Any] = {"rule": "fresh", "within": freshness.within}
            own.add("fresh", settings | ({"column": column} if column else {}), source)


def _items(value: object) -> Iterator[Any]:
    return iter(value if isinstance(value, list) else ())


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
