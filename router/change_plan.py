"""What would publishing a file change, and which changes are dangerous?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import BaseModel, TypeAdapter

from farandole.events.feature_flags import default_text
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.topology_version import StageSpec, Version
from farandole.router.reason_text import describe_change
from farandole.router.topology_change import (
    DANGERS,
    Change,
    Danger,
    Reason,
    UnreadEvents,
    total_unread,
)
from farandole.router.topology_derivation import DerivedTopology
from farandole.router.topology_diff import RETENTION_CONFIG, diff_topologies
from farandole.router.version_compatibility import find_incompatibilities


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """The content of Kafka that concerns a pipeline."""

    versions: tuple[Version, ...] = ()
    """The pipeline's, oldest first."""
    topics: Mapping[str, int] = field(default_factory=dict)
    """The partition count of each topic of the cluster."""
    configs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """The configs of the topics that the file needs and that exist."""
    unread: tuple[UnreadEvents, ...] = ()
    recreated: frozenset[str] = frozenset()
    """The topics of the file that are not the ones of the versions (`router/topic_lives.py`)."""
    unseen: tuple[tuple[str, str], ...] = ()
    """Schedules of the file, and which runs each waits for though no version could begin one."""

    @property
    def newest(self) -> Version | None:
        """The version in force; None before the first."""
        return self.versions[-1] if self.versions else None


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """The changes to carry out, and the state of the cluster for which they were planned.

    The order and names of the fields are the format of `farandole plan --out`.
    """

    derived: DerivedTopology
    newest: int | None
    """The number of the version in force; None before the first."""
    topics: Mapping[str, int]
    """The partition counts of those of its topics that existed."""
    changes: tuple[Change, ...]
    publishes: bool
    """True if a version is to be published; False if only topics need repair."""
    rollback_of: int | None = None

    @property
    def pipeline(self) -> str:
        return self.derived.pipeline

    @property
    def dangers(self) -> tuple[Danger, ...]:
        """The kinds of danger that a person must permit, each once."""
        dangers = {change.danger for change in self.changes}
        return tuple(danger for danger in DANGERS if danger in dangers)

    def not_allowed(self, allowed: Iterable[str]) -> list[Change]:
        """Return the dangerous changes whose kind of danger is not in `allowed`."""
        return [c for c in self.changes if c.danger is not None and c.danger not in set(allowed)]


def make_plan(
    derived: DerivedTopology, snapshot: ClusterSnapshot, rollback_of: int | None = None
) -> ChangePlan:
    """Return the plan to publish a file. The topics of the file must have been resolved
    (`farandole.router.topic_resolution`)."""
    newest = snapshot.newest
    edges = {(n, each.stage, each.event_type) for each in snapshot.unread for n in each.versions}
    changes = [
        *diff_topologies(newest, derived, snapshot.unread, derived.topics),
        *_recreated_changes(derived, snapshot),
        *_schema_changes(derived, snapshot, edges),
        *_config_changes(derived, snapshot),
    ]
    return ChangePlan(
        derived=derived,
        newest=newest.version if newest else None,
        topics={name: snapshot.topics[name] for name in derived.topics if name in snapshot.topics},
        changes=tuple(changes),
        publishes=newest is None or bool(snapshot.recreated) or not same_content(newest, derived),
        rollback_of=rollback_of,
    )


def same_content(version: Version, derived: DerivedTopology) -> bool:
    """Return True if the version has the content of the file. Its boundaries do not count, and
    neither does what a newer release has added: otherwise two routers of different releases would
    publish in turns. Nor does it count what a version of an earlier release does not say of the
    same functions."""
    rates = (version.throttle, dict(version.limits))
    if rates != (derived.throttle, dict(derived.limits)):
        return False
    defaults, derived_defaults = (
        {name: default_text(flag.default) for name, flag in each.items()}
        for each in (version.flags, derived.flags)
    )
    if defaults != derived_defaults:
        return False
    if _schedule_texts(version.schedules) != _schedule_texts(derived.schedules):
        return False
    events = {name: event.as_described for name, event in version.events.items()}
    stages = {
        name: _as_said_by(version.stages[name], stage) if name in version.stages else stage
        for name, stage in derived.stages.items()
    }
    was = _known_fields(
        events, version.stages, version.alerts, version.expect, version.quality, version.flags
    )
    return was == _known_fields(
        derived.events, stages, derived.alerts, derived.expect, derived.quality, derived.flags
    )


def _schedule_texts(schedules: Mapping[str, ScheduleSpec]) -> dict[str, str]:
    """Return the schedules as JSON: to Python, 1 is true."""
    return {
        name: type(spec).model_validate(spec.model_dump(), extra="ignore").model_dump_json()
        for name, spec in schedules.items()
    }


def _as_said_by(published: StageSpec, stage: StageSpec) -> StageSpec:
    """Return a stage of a file without what an earlier release published of no stage."""
    unsaid = [name for name in ("state", "takes_batch") if getattr(published, name) is None]
    return stage.model_copy(update=dict.fromkeys(unsaid))


def _known_fields(*parts: BaseModel | Mapping[str, BaseModel]) -> list[Any]:
    """Return these parts of a version without the fields that this release does not know."""
    return [
        {name: each for name, model in part.items() for each in _known_fields(model)}
        if isinstance(part, Mapping)
        else type(part).model_validate(part.model_dump(), extra="ignore")
        for part in parts
    ]


def dump_plan(plan: ChangePlan) -> bytes:
    """Return the plan as the content of a file."""
    return TypeAdapter(ChangePlan).dump_json(plan, indent=2) + b"\n"


def load_plan(raw: bytes) -> ChangePlan:
    """Return the plan that `dump_plan` wrote. Changes that an older Farandole saved have their
    text as their one reason. Raises ValueError if it is no plan."""
    plan = TypeAdapter(ChangePlan).validate_json(raw)
    changes = tuple(
        change if change.reasons else replace(change, reasons=(_saved_reason(change),))
        for change in plan.changes
    )
    return replace(plan, changes=changes)


def _saved_reason(change: Change) -> Reason:
    return Reason("text", {"text": change.said})


def _recreated_changes(derived: DerivedTopology, snapshot: ClusterSnapshot) -> Iterator[Change]:
    for event in derived.events.values():
        if event.topic in snapshot.recreated:
            found = snapshot.topics.get(event.topic, 0)
            fields = {"exists": found > 0, "added": max(0, event.partitions - found)}
            yield describe_change("~", "topic", event.topic, [Reason("topic_recreated", fields)])


def _schema_changes(
    derived: DerivedTopology, snapshot: ClusterSnapshot, edges: set[tuple[int, str, str]]
) -> Iterator[Change]:
    for each in find_incompatibilities(snapshot.versions, derived, edges):
        fields = {
            "direction": each.direction,
            "version": each.version,
            "stage": each.stage,
            "event_type": each.event_type,
            "misfits": list(map(asdict, each.misfits)),
        }
        reason = Reason("schema_incompatible", fields)
        yield describe_change("~", "event", each.event_type, [reason], "schema")


def _config_changes(derived: DerivedTopology, snapshot: ClusterSnapshot) -> Iterator[Change]:
    """Compare the configs of existing topics with those that the file asks for."""
    for topic, wanted in drifted_configs(derived, snapshot.configs).items():
        reasons, shorter = [], False
        for name, now in wanted.items():
            was = snapshot.configs[topic].get(name)
            reasons.append(Reason("config_changed", {"name": name, "was": was, "now": now}))
            if name == RETENTION_CONFIG and was and was.lstrip("-").isdigit():
                shorter = int(was) < 0 or int(now) < int(was)
        waiting = total_unread([u for u in snapshot.unread if u.topic == topic] if shorter else [])
        if waiting:
            fields = {"events": waiting.events, "at_most": waiting.at_most}
            reasons.append(Reason("unread_may_be_deleted", fields))
        yield describe_change("~", "topic", topic, reasons, "unread" if waiting else None)


def drifted_configs(
    derived: DerivedTopology, configs: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Return, by existing topic, the configs that differ from what the file asks for."""
    return {
        topic: different
        for topic, spec in derived.topics.items()
        if topic in configs
        and (
            different := {
                name: value
                for name, value in spec.configs.items()
                if configs[topic].get(name) != value
            }
        )
    }
