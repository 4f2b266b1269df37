"""Which value of each flag does a stage read, for the events of one batch?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from farandole.events.feature_flags import FlagSpec, read_flag_value, shown_value
from farandole.events.flag_counts import MAX_VALUE_LENGTH
from farandole.events.flag_document import FlagRule, flag_misfit
from farandole.events.flags_in_force import FlagInForce
from farandole.events.key_share import key_point, key_seed, share_threshold

Condition = Callable[[Mapping[str, str]], bool]
"""Tells from the attributes of an event whether a rule fits it."""


class FlagValue:
    """A value, as functions get it."""

    __slots__ = ("_json", "plain", "text")

    def __init__(self, value: Any) -> None:
        self.plain = value
        """The value itself, if no function can change it; else None."""
        self.text = shown_value(value, MAX_VALUE_LENGTH)
        self._json: bytes | None = None
        if isinstance(value, dict | list):
            self._json, self.plain = orjson.dumps(value), None

    @property
    def is_plain(self) -> bool:
        return self._json is None

    def get(self) -> Any:
        """Return the value; an object or a list each time anew: a function may change it."""
        return self.plain if self._json is None else orjson.loads(self._json)


class TargetedRule(NamedTuple):
    """A rule that depends on the event."""

    value: FlagValue
    threshold: int | None
    """The hash of a key must be below it; None if every key fits."""
    condition: Condition | None
    when: str = ""
    """The text of the condition."""


class StageFlag(NamedTuple):
    """One flag, as a stage reads it."""

    rest: FlagValue
    """The value of an event that none of the rules fits."""
    generation: int | None = None
    """That of the document that is in force; None if there is none."""
    rules: tuple[TargetedRule, ...] = ()
    seed: int = 0
    """Of the hash of keys: each flag has its own, so that the shares of two flags are
    independent."""

    def value_for(self, key: bytes, attributes: Callable[[], Mapping[str, str]]) -> FlagValue:
        """Return the value for an event. `key`: its key or, if it has none, its id."""
        point = None
        for rule in self.rules:
            if rule.threshold is not None:
                if point is None:
                    point = key_point(key, self.seed)
                if point >= rule.threshold:
                    continue
            if rule.condition is None or rule.condition(attributes()):
                return rule.value
        return self.rest


FlagSnapshot = Mapping[str, StageFlag]
"""By name, all flags that the newest version has."""

NO_FLAGS: FlagSnapshot = {}


def make_snapshot(
    pipeline: str,
    stage: str,
    specs: Mapping[str, FlagSpec],
    in_force: Mapping[str, FlagInForce],
    compile_condition: Callable[[str], Condition],
) -> FlagSnapshot:
    """Return the flags of a stage. A document that does not fit its flag is as if it were not
    there."""
    snapshot = {name: StageFlag(FlagValue(spec.default)) for name, spec in specs.items()}
    for name, found in in_force.items():
        spec = specs.get(name)
        misfit = flag_misfit(found.document, spec, None, compile_condition)
        if spec is not None and misfit is None:
            snapshot[name] = _stage_flag(pipeline, stage, spec, found, compile_condition)
    return snapshot


def _stage_flag(
    pipeline: str,
    stage: str,
    spec: FlagSpec,
    found: FlagInForce,
    compile_condition: Callable[[str], Condition],
) -> StageFlag:
    rules: list[TargetedRule] = []
    rest = FlagValue(spec.default)
    for rule in found.document.all_rules:
        if rule.stage not in ("", stage):
            continue
        if rule.share is None and not rule.when:
            rest = FlagValue(read_flag_value(spec.type, rule.value))
            break
        rules.append(_targeted(spec, rule, compile_condition))
    seed = key_seed(f"{pipeline}/{found.document.flag}")
    return StageFlag(rest, found.generation, tuple(rules), seed)


def _targeted(
    spec: FlagSpec, rule: FlagRule, compile_condition: Callable[[str], Condition]
) -> TargetedRule:
    return TargetedRule(
        FlagValue(read_flag_value(spec.type, rule.value)),
        None if rule.share is None else share_threshold(rule.share),
        compile_condition(rule.when) if rule.when else None,
        rule.when or "",
    )


def encode_snapshot(snapshot: FlagSnapshot) -> bytes:
    """Return a snapshot as JSON, for another process."""
    flags = {
        name: {
            "rest": flag.rest.get(),
            "generation": flag.generation,
            "seed": flag.seed,
            "rules": [
                {"value": rule.value.get(), "threshold": rule.threshold, "when": rule.when}
                for rule in flag.rules
            ],
        }
        for name, flag in snapshot.items()
    }
    return json.dumps(flags).encode()  # orjson writes no integer of more than 64 bits


def decode_snapshot(encoded: bytes, compile_condition: Callable[[str], Condition]) -> FlagSnapshot:
    """Return the snapshot that `encode_snapshot` was given."""
    return {
        name: StageFlag(
            FlagValue(flag["rest"]),
            flag["generation"],
            tuple(
                TargetedRule(
                    FlagValue(rule["value"]),
                    rule["threshold"],
                    compile_condition(rule["when"]) if rule["when"] else None,
                    rule["when"],
                )
                for rule in flag["rules"]
            ),
            flag["seed"],
        )
        for name, flag in json.loads(encoded).items()
    }
