"""What would a file change against what is in force, and what of that is dangerous?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import TypeAdapter

from farandole.events.topology_version import (
    AlertPolicy,
    AlertRoute,
    EventSpec,
    RunExpectation,
    StageSpec,
    Version,
)
from farandole.router.topology_derivation import DerivedTopology
from farandole.router.topology_graph import TopologyView
from farandole.router.version_compatibility import find_incompatibilities

Danger = Literal["unread", "keys", "schema"]
DANGERS: tuple[Danger, ...] = ("unread", "keys", "schema")
ChangeSubject = Literal["stage", "event", "topic", "alerts", "expect"]
CHANGE_SUBJECTS: tuple[ChangeSubject, ...] = ("stage", "event", "topic", "alerts", "expect")

_RETENTION_CONFIG = "retention.ms"
_DURATION_UNITS = (("d", 86400.0), ("h", 3600.0), ("m", 60.0), ("s", 1.0))


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is new (`+`), changed (`~`) or removed (`-`)."""

    sign: Literal["+", "~", "-"]
    what: ChangeSubject
    name: str
    """Empty for the alerts and for what is expected, of which a pipeline has one set."""
    said: str
    danger: Danger | None = None
    """What a person must allow; None where it is safe."""
    drains: str = ""
    """How many events go on under an older version, and under which."""

    def __str__(self) -> str:
        """`~ stage enrich: subscribes line.validated → line.screened (3 unread drain under @7)`."""
        drains = f" ({self.drains})" if self.drains else ""
        return f"{self.sign} {f'{self.what} {self.name}'.strip()}: {self.said}{drains}"


class UnreadEvents(NamedTuple):
    """So many events wait before a stage, which carry one of these versions."""

    stage: str
    event_type: str
    topic: str
    versions: tuple[int, ...]
    events: int
    at_most: bool = False
    """They are offsets, too many to be read: some of them may be no events."""


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """What Kafka knows that concerns a pipeline."""

    versions: tuple[Version, ...] = ()
    """Of the pipeline, oldest first."""
    topics: Mapping[str, int] = field(default_factory=dict)
    """How many partitions each topic of the cluster has."""
    configs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What is set on those topics that the file needs and that exist."""
    unread: tuple[UnreadEvents, ...] = ()

    @property
    def newest(self) -> Version | None:
        return self.versions[-1] if self.versions else None


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """What is to be done, and the state of things for which that was decided."""

    derived: DerivedTopology
    newest: int | None
    """The number of the version in force; None before the first."""
    topics: Mapping[str, int]
    """The partitions of those of its topics that existed."""
    changes: tuple[Change, ...]
    publishes: bool
    """Whether there is to be a version: topics alone may need repair."""
    rollback_of: int | None = None

    @property
    def dangers(self) -> tuple[Danger, ...]:
        """What a person must allow, each once."""
        found = {change.danger for change in self.changes}
        return tuple(danger for danger in DANGERS if danger in found)

    def refused(self, allowed: Iterable[str]) -> list[Change]:
        """The dangerous changes that nobody has allowed."""
        return [c for c in self.changes if c.danger is not None and c.danger not in set(allowed)]


def make_plan(
    derived: DerivedTopology, facts: ClusterSnapshot, rollback_of: int | None = None
) -> ChangePlan:
    """What publishing a file, whose topics are `placed`, would change."""
    newest = facts.newest
    edges = {(n, each.stage, each.event_type) for each in facts.unread for n in each.versions}
    found = [
        *diff_topologies(newest, derived, facts.unread, derived.topics),
        *_schema_changes(derived, facts, edges),
        *_config_changes(derived, facts),
    ]
    return ChangePlan(
        derived=derived,
        newest=newest.version if newest else None,
        topics={name: facts.topics[name] for name in derived.topics if name in facts.topics},
        changes=tuple(found),
        publishes=newest is None or not same_content(newest, derived),
        rollback_of=rollback_of,
    )


def same_content(version: Version, derived: DerivedTopology) -> bool:
    """The version already says what the file says; where it begins does not count."""
    events = {n: e.model_copy(update={"boundaries": ()}) for n, e in version.events.items()}
    wired = events == dict(derived.events) and dict(version.stages) == dict(derived.stages)
    return wired and version.alerts == derived.alerts and version.expect == derived.expect


def diff_topologies(
    before: TopologyView | None,
    after: TopologyView,
    unread: Sequence[UnreadEvents] = (),
    topics: Mapping[str, Any] | None = None,
) -> list[Change]:
    """What is different in `after`: two versions, or a version and a file. `unread` and `topics`
    (specs by name) are known of what is to be published alone."""
    found = [
        *_stage_changes(before, after, unread),
        *_event_changes(before, after, unread, topics or {}),
        *_alert_changes(before.alerts if before else AlertPolicy(), after.alerts),
        *_expectation_changes(before.expect if before else RunExpectation(), after.expect),
    ]
    return sorted(found, key=lambda c: (CHANGE_SUBJECTS.index(c.what), c.sign == "-"))


def plan_lines(plan: ChangePlan) -> list[str]:
    """The plan as a person reads it."""
    pipeline, newest = plan.derived.pipeline, plan.newest
    if not plan.changes and not plan.publishes:
        return [f"nothing would change: {pipeline}@{newest} is in force"]
    next_ = f"{pipeline}@{(newest or 0) + 1}"
    if not plan.publishes:
        head = f"{pipeline}@{newest} stays in force"
    elif newest is None:
        head = f"{next_}, the first version"
    else:
        head = f"{pipeline}@{newest} → {next_}"
        head += f", a rollback to @{plan.rollback_of}" if plan.rollback_of else ""
    return [head, *change_lines(plan.changes), change_totals(plan.changes)]


def change_lines(found: Sequence[Change]) -> list[str]:
    """A line a change, in columns; what is dangerous has a `!` and the option that allows it."""
    width = max((len(change.name) for change in found), default=0)
    kinds = max((5, *(len(change.what) for change in found)))
    told = []
    for change in found:
        allow = f" (--allow {change.danger})" if change.danger else ""
        drains = f"      ({change.drains})" if change.drains else ""
        sign = "!" if change.danger else change.sign
        told.append(
            f"  {sign} {change.what:<{kinds}}  {change.name:<{width}}  {change.said}{allow}{drains}"
        )
    return told


def change_totals(found: Sequence[Change]) -> str:
    """`2 to add, 1 to change, 0 to remove, 1 dangerous`."""
    count = {sign: sum(change.sign == sign for change in found) for sign in "+~-"}
    dangerous = sum(change.danger is not None for change in found)
    return (
        f"{count['+']} to add, {count['~']} to change, {count['-']} to remove"
        f"{f', {dangerous} dangerous' if dangerous else ''}"
    )


def change_summary(found: Sequence[Change], most: int = 4) -> str:
    """The changes in a few words: `+ screen, ~ enrich`."""
    told = [f"{change.sign} {change.name or change.what}" for change in found[:most]]
    if len(found) > most:
        told.append(f"{len(found) - most} more")
    return ", ".join(told) or "nothing"


def dump_plan(plan: ChangePlan) -> bytes:
    """As a file."""
    return TypeAdapter(ChangePlan).dump_json(plan, indent=2) + b"\n"


def load_plan(raw: bytes) -> ChangePlan:
    """What `dump` wrote. Raises ValueError."""
    return TypeAdapter(ChangePlan).validate_json(raw)


def _stage_changes(
    before: TopologyView | None, after: TopologyView, unread: Sequence[UnreadEvents]
) -> Iterator[Change]:
    old = before.stages if before else {}
    for name, stage in after.stages.items():
        if name not in old:
            emits = f", emits {', '.join(stage.emits)}" if stage.emits else ""
            yield Change("+", "stage", name, f"subscribes {', '.join(stage.subscribes)}{emits}")
        elif said := _stage_difference(old[name], stage):
            left = set(old[name].subscribes) - set(stage.subscribes)
            drains = _drain_note([u for u in unread if u.stage == name and u.event_type in left])
            yield Change("~", "stage", name, said, drains=drains)
    for name, stage in old.items():
        if name not in after.stages:
            waiting = [u for u in unread if u.stage == name]
            yield Change(
                "-",
                "stage",
                name,
                "what is unread drains only while its function can be imported"
                if waiting
                else f"subscribed {', '.join(stage.subscribes)}",
                "unread" if waiting else None,
                _drain_note(waiting),
            )


def _format_breaker(stage: StageSpec) -> str:
    said = stage.breaker
    window, probe, longest = map(format_duration, (said.window, said.probe, said.longest))
    return f"{said.share:.0%} and {said.failures} in {window}, probes {probe} to {longest}"


def _stage_difference(old: StageSpec, new: StageSpec) -> str:
    said = [
        f"{name} {', '.join(was) or 'nothing'} → {', '.join(now) or 'nothing'}"
        for name, was, now in (
            ("subscribes", old.subscribes, new.subscribes),
            ("emits", old.emits, new.emits),
        )
        if was != now
    ]
    said += [
        f"{name} {was} → {now}"
        for name, was, now in (
            ("run", old.run, new.run),
            ("timeout", format_duration(old.timeout), format_duration(new.timeout)),
            ("age", _format_optional_duration(old.age), _format_optional_duration(new.age)),
            ("threads", old.threads, new.threads),
            ("processes", old.processes, new.processes),
            ("attempts", old.retry.attempts, new.retry.attempts),
            ("backoff", format_duration(old.retry.backoff), format_duration(new.retry.backoff)),
            (
                "max_backoff",
                format_duration(old.retry.max_backoff),
                format_duration(new.retry.max_backoff),
            ),
            ("jitter", old.retry.jitter, new.retry.jitter),
            (
                "within",
                _format_optional_duration(old.retry.within),
                _format_optional_duration(new.retry.within),
            ),
            ("in_place", format_duration(old.retry.in_place), format_duration(new.retry.in_place)),
            ("only", ", ".join(old.retry.only), ", ".join(new.retry.only)),
            ("never", ", ".join(old.retry.never), ", ".join(new.retry.never)),
            ("parked", old.retry.parked, new.retry.parked),
            ("breaker", _format_breaker(old), _format_breaker(new)),
        )
        if was != now
    ]
    for event_type in dict.fromkeys([*old.when, *new.when]):
        was, now = old.when.get(event_type), new.when.get(event_type)
        if was != now:
            said.append(f"when {event_type}: {was or 'always'} → {now or 'always'}")
    for name in dict.fromkeys([*old.parameters, *new.parameters]):
        was, now = old.parameters.get(name), new.parameters.get(name)
        if was != now or (name in old.parameters) != (name in new.parameters):
            said.append(
                f"with {name}: {_format_parameter(old, name)} → {_format_parameter(new, name)}"
            )
    if old.accepts != new.accepts and old.accepts is not None and new.accepts is not None:
        said.append(f"reads another schema: {_schema_difference(old.accepts, new.accepts)}")
    elif old.accepts != new.accepts:
        said.append("reads another schema")
    if old.code != new.code and not said:
        said.append("its function has other schemas")
    return "; ".join(said)


def _format_parameter(stage: StageSpec, name: str) -> str:
    return f"{stage.parameters[name]!r:.40}" if name in stage.parameters else "not given"


def _event_changes(
    before: TopologyView | None,
    after: TopologyView,
    unread: Sequence[UnreadEvents],
    topics: Mapping[str, Any],
) -> Iterator[Change]:
    old = before.events if before else {}
    for name, event in after.events.items():
        if name not in old:
            yield Change("+", "topic", event.topic, _new_topic_text(event, topics))
            continue
        was = old[name]
        if was.topic != event.topic or was.partitions != event.partitions:
            yield _partition_change(before or after, after, name, unread)
        if was.key != event.key:
            said = f"key {was.key or 'none'} → {event.key or 'none'}"
            if was.key:
                said += ": events of a key change their place"
            yield Change("~", "event", name, said, "keys" if was.key else None)
        if was.data_schema != event.data_schema:
            said = f"schema: {_schema_difference(was.data_schema or {}, event.data_schema or {})}"
            yield Change("~", "event", name, said)
    for name in old:
        if name not in after.events:
            waiting = [u for u in unread if u.event_type == name]
            yield Change(
                "-",
                "event",
                name,
                "its topic stays"
                if waiting
                else "its topic stays, and what it holds is kept as long as ever",
                "unread" if waiting else None,
                _drain_note(waiting),
            )


def _new_topic_text(event: EventSpec, topics: Mapping[str, Any]) -> str:
    said = f"{event.partitions} partition{'' if event.partitions == 1 else 's'}"
    if event.key:
        said += f", key {event.key}"
    spec = topics.get(event.topic)
    kept = spec.configs.get(_RETENTION_CONFIG) if spec else None
    return f"{said}, kept {format_duration(int(kept) / 1000)}" if kept else said


def _partition_change(
    before: TopologyView, after: TopologyView, name: str, unread: Sequence[UnreadEvents]
) -> Change:
    was, now = before.events[name], after.events[name]
    said = f"{was.partitions} → {now.partitions} partitions, in {now.topic}"
    drains = _drain_note([u for u in unread if u.topic == was.topic])
    if has_key(before, name) or has_key(after, name):
        said = f"{said}: events of a key change their place"
        return Change("~", "topic", name, said, "keys", drains)
    return Change("~", "topic", name, said, drains=drains)


def has_key(wired: TopologyView, event_type: str, above: frozenset[str] = frozenset()) -> bool:
    """Does it have a key, be it that of an event that causes it?"""
    if event_type in above or event_type not in wired.events:
        return False
    if wired.events[event_type].key is not None:
        return True
    causes = {
        cause
        for stage in wired.stages.values()
        if event_type in stage.emits
        for cause in stage.subscribes
    }
    return any(has_key(wired, cause, above | {event_type}) for cause in causes)


def _alert_changes(old: AlertPolicy, new: AlertPolicy) -> Iterator[Change]:
    """Whom to tell is never dangerous: it moves no event."""
    said = [f"+{_format_route(route)}" for route in new.routes if route not in old.routes]
    said += [f"-{_format_route(route)}" for route in old.routes if route not in new.routes]
    if old.routes != new.routes and not said:
        said.append("routes in another order")
    said += [
        f"{name} {was} → {now}"
        for name, was, now in (
            ("digests", _format_durations(old.digests), _format_durations(new.digests)),
            ("quiet", format_duration(old.quiet), format_duration(new.quiet)),
            ("fingerprints", old.fingerprints, new.fingerprints),
            ("per_hour", old.per_hour, new.per_hour),
        )
        if was != now
    ]
    if said:
        sign: Literal["+", "~", "-"] = "~"
        if not (old.routes and new.routes):
            sign = "+" if new.routes else "-" if old.routes else "~"
        yield Change(sign, "alerts", "", "; ".join(said))


def _expectation_changes(old: RunExpectation, new: RunExpectation) -> Iterator[Change]:
    """Nor is what is told of runs: it holds for those that begin under the new version."""
    said = [
        f"{name} {was} → {now}"
        for name, was, now in (
            (
                "complete_within",
                _format_optional_duration(old.complete_within),
                _format_optional_duration(new.complete_within),
            ),
            ("fail_above", _format_share(old.fail_above), _format_share(new.fail_above)),
        )
        if was != now
    ]
    if said:
        sign: Literal["+", "~", "-"] = "~"
        if RunExpectation() in (old, new):
            sign = "+" if old == RunExpectation() else "-"
        yield Change(sign, "expect", "", "; ".join(said))


def _format_optional_duration(seconds: float | None) -> str:
    return "none" if seconds is None else format_duration(seconds)


def _format_share(part: float | None) -> str:
    return "none" if part is None else f"{part * 100:.9g}%"


def _format_route(route: AlertRoute) -> str:
    """`load, TimeoutError to dba@example.com`. The path of a webhook is often a secret."""
    webhook = f"webhook at {urlsplit(route.webhook).hostname}" if route.webhook else ""
    told = {"email": ", ".join(route.email), "webhook": webhook}
    fits = ", ".join([*route.stages, *route.errors]) or "all"
    return f"{fits} to {', else '.join(told[channel] for channel in route.channels)}"


def _format_durations(of: Iterable[float]) -> str:
    return ", ".join(map(format_duration, of))


def _schema_changes(
    derived: DerivedTopology, facts: ClusterSnapshot, edges: set[tuple[int, str, str]]
) -> Iterator[Change]:
    for each in find_incompatibilities(facts.versions, derived, edges):
        yield Change("~", "event", each.event_type, f"{each.reason}; {each.remedy}", "schema")


def _config_changes(derived: DerivedTopology, facts: ClusterSnapshot) -> Iterator[Change]:
    """Topics that exist and are configured otherwise."""
    for topic, wanted in drifted_configs(derived, facts.configs).items():
        said, shorter = [], False
        for name, value in wanted.items():
            was = facts.configs[topic].get(name)
            if name == _RETENTION_CONFIG and was and was.lstrip("-").isdigit():
                said.append(f"kept {_format_retention(was)} → {_format_retention(value)}")
                shorter = int(was) < 0 or int(value) < int(was)
            else:
                said.append(f"{name} {was or 'default'} → {value}")
        waiting = [u for u in facts.unread if u.topic == topic] if shorter else []
        if waiting:
            said.append(f"{_format_count(waiting)} unread, of which the older ones may be deleted")
        yield Change("~", "topic", topic, "; ".join(said), "unread" if waiting else None)


def drifted_configs(
    derived: DerivedTopology, configs: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """By existing topic, the configs that it should have and has not."""
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


def _schema_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    was, now = old.get("properties", {}), new.get("properties", {})
    said = [f"+{name}" for name in now if name not in was]
    said += [f"-{name}" for name in was if name not in now]
    said += [f"~{name}" for name in now if name in was and was[name] != now[name]]
    return ", ".join(said) or f"{old.get('title', 'none')} → {new.get('title', 'none')}"


def _drain_note(unread: Sequence[UnreadEvents]) -> str:
    if not unread:
        return ""
    numbers = sorted({number for each in unread for number in each.versions})
    return f"{_format_count(unread)} unread drain under {', '.join(f'@{n}' for n in numbers)}"


def _format_count(unread: Sequence[UnreadEvents]) -> str:
    most = "up to " if any(each.at_most for each in unread) else ""
    return f"{most}{sum(each.events for each in unread):,}"


def _format_retention(milliseconds: str) -> str:
    return "for ever" if int(milliseconds) < 0 else format_duration(int(milliseconds) / 1000)


def format_duration(seconds: float) -> str:
    """As the file has it: `200ms`, `30s`, `7d`."""
    for unit, length in _DURATION_UNITS:
        if seconds and seconds % length == 0:
            return f"{int(seconds / length)}{unit}"
    return f"{seconds:g}s" if seconds >= 1 or not seconds else f"{seconds * 1000:g}ms"
