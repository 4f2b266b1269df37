"""What is the difference between two topologies: two versions, or a version and a file?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel

from farandole.events.check_spec import CheckSpec
from farandole.events.feature_flags import FlagSpec, default_text
from farandole.events.file_keys import file_keys
from farandole.events.throttle_spec import ThrottleSpec
from farandole.events.topology_version import (
    AlertPolicy,
    AlertRoute,
    BreakerPolicy,
    EscalationStep,
    EventSpec,
    QualityPolicy,
    RetryPolicy,
    RunExpectation,
    StageSpec,
)
from farandole.router.reason_text import describe_change
from farandole.router.schedule_diff import schedule_changes
from farandole.router.topology_change import (
    CHANGE_SUBJECTS,
    Change,
    ChangeSign,
    ChangeSubject,
    Reason,
    UnreadEvents,
    total_unread,
)
from farandole.router.topology_graph import TopologyView

RETENTION_CONFIG = "retention.ms"


def diff_topologies(
    before: TopologyView | None,
    after: TopologyView,
    unread: Sequence[UnreadEvents] = (),
    topics: Mapping[str, Any] | None = None,
) -> list[Change]:
    """Return what is different in `after`; `before` is None before the first version.

    `unread` and `topics` (the topic specs by name) are known only of a file that is about to be
    published.
    """
    changes = [
        *_stage_changes(before, after, unread),
        *_event_changes(before, after, unread, topics or {}),
        *schedule_changes(before.schedules if before else {}, after.schedules),
        *_flag_changes(before.flags if before else {}, after.flags),
        *_rate_changes("throttle", {"": before.throttle if before else None}, {"": after.throttle}),
        *_rate_changes("limit", before.limits if before else {}, after.limits),
        *_alert_changes(before.alerts if before else AlertPolicy(), after.alerts),
        *_policy_changes("expect", before.expect if before else RunExpectation(), after.expect),
        *_policy_changes("quality", before.quality if before else QualityPolicy(), after.quality),
    ]
    return sorted(changes, key=lambda c: (CHANGE_SUBJECTS.index(c.what), c.sign == "-"))


def has_key(topology: TopologyView, event_type: str, above: frozenset[str] = frozenset()) -> bool:
    """Return True if the events of a type have a key: their own, or that of an event that causes
    them. `above` contains the types that are being examined, since a topology may have a cycle."""
    if event_type in above or event_type not in topology.events:
        return False
    if topology.events[event_type].key is not None:
        return True
    causes = {
        cause
        for stage in topology.stages.values()
        if event_type in stage.emits
        for cause in stage.subscribes
    }
    return any(has_key(topology, cause, above | {event_type}) for cause in causes)


def _stage_changes(
    before: TopologyView | None, after: TopologyView, unread: Sequence[UnreadEvents]
) -> Iterator[Change]:
    old = before.stages if before else {}
    for name, stage in after.stages.items():
        if name not in old:
            wiring = {"subscribes": list(stage.subscribes), "emits": list(stage.emits)}
            yield describe_change("+", "stage", name, [Reason("stage_added", wiring)])
        elif reasons := list(_stage_reasons(old[name], stage)):
            left = set(old[name].subscribes) - set(stage.subscribes)
            waiting = [u for u in unread if u.stage == name and u.event_type in left]
            yield describe_change("~", "stage", name, reasons, drain=total_unread(waiting))
    for name, stage in old.items():
        if name not in after.stages:
            waiting = [u for u in unread if u.stage == name]
            reason = (
                Reason("function_still_needed", {})
                if waiting
                else Reason("stage_removed", {"subscribes": list(stage.subscribes)})
            )
            yield describe_change(
                "-", "stage", name, [reason], "unread" if waiting else None, total_unread(waiting)
            )


def _stage_reasons(old: StageSpec, new: StageSpec) -> Iterator[Reason]:
    reasons = [
        *_changed_setting("subscribes", "event_types", list(old.subscribes), list(new.subscribes)),
        *_changed_setting("emits", "event_types", list(old.emits), list(new.emits)),
        *_changed_setting("run", "plain", old.run, new.run),
        *_changed_setting("external", "plain", old.external, new.external),
        *_changed_keys(StageSpec, old, new),
        *_changed_keys(RetryPolicy, old.retry, new.retry),
        # The keys of a breaker are read together.
        *_changed_setting("breaker", "breaker", _breaker(old.breaker), _breaker(new.breaker)),
        *_changed_setting("throttle", "rate", _throttle(old.throttle), _throttle(new.throttle)),
        *_condition_reasons(old, new),
        *_parameter_reasons(old, new),
        *_accepted_schema_reasons(old, new),
    ]
    yield from reasons
    if old.code != new.code and not reasons:
        yield Reason("function_schemas_changed", {})


def _changed_setting(key: str, kind: str, was: Any, now: Any) -> Iterator[Reason]:
    if was != now:
        yield Reason("setting_changed", {"key": key, "kind": kind, "was": was, "now": now})


def _changed_keys(model: type[BaseModel], old: BaseModel, new: BaseModel) -> Iterator[Reason]:
    """Compare the keys of the file that `model` declares."""
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    for name, key in file_keys(model).items():
        kind = "plain" if key.plain else key.kind
        yield from _changed_setting(name, kind, before[name], after[name])


def _breaker(policy: BreakerPolicy) -> dict[str, Any]:
    return policy.model_dump(mode="json")


def _throttle(throttle: ThrottleSpec | None) -> str | None:
    return None if throttle is None else str(throttle)


def _condition_reasons(old: StageSpec, new: StageSpec) -> Iterator[Reason]:
    for event_type in dict.fromkeys([*old.when, *new.when]):
        was, now = old.when.get(event_type), new.when.get(event_type)
        if was != now:
            fields = {"event_type": event_type, "was": was, "now": now}
            yield Reason("condition_changed", fields)


def _parameter_reasons(old: StageSpec, new: StageSpec) -> Iterator[Reason]:
    for name in dict.fromkeys([*old.parameters, *new.parameters]):
        fields = {
            "name": name,
            "was_given": name in old.parameters,
            "was": old.parameters.get(name),
            "now_given": name in new.parameters,
            "now": new.parameters.get(name),
        }
        if fields["was"] != fields["now"] or fields["was_given"] != fields["now_given"]:
            yield Reason("parameter_changed", fields)


def _accepted_schema_reasons(old: StageSpec, new: StageSpec) -> Iterator[Reason]:
    if old.accepts == new.accepts:
        return
    if old.accepts is None or new.accepts is None:
        yield Reason("accepted_schema_changed", {"known": False})
    else:
        fields = _schema_difference(old.accepts, new.accepts)
        yield Reason("accepted_schema_changed", {"known": True, **fields})


def _schema_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    was, now = old.get("properties", {}), new.get("properties", {})
    return {
        "added": [name for name in now if name not in was],
        "removed": [name for name in was if name not in now],
        "changed": [name for name in now if name in was and was[name] != now[name]],
        "was": old.get("title"),
        "now": new.get("title"),
    }


def _event_changes(
    before: TopologyView | None,
    after: TopologyView,
    unread: Sequence[UnreadEvents],
    topics: Mapping[str, Any],
) -> Iterator[Change]:
    old = before.events if before else {}
    for name, event in after.events.items():
        if name not in old:
            yield describe_change("+", "topic", event.topic, [_topic_reason(event, topics)])
            continue
        was = old[name]
        if was.topic != event.topic or was.partitions != event.partitions:
            yield _partition_change(before or after, after, name, unread)
        if was.key != event.key:
            reason = Reason("key_changed", {"was": was.key, "now": event.key})
            yield describe_change("~", "event", name, [reason], "keys" if was.key else None)
        if was.data_schema != event.data_schema:
            fields = _schema_difference(was.data_schema or {}, event.data_schema or {})
            yield describe_change("~", "event", name, [Reason("data_schema_changed", fields)])
        if quality := list(_quality_reasons(was, event)):
            yield describe_change("~", "event", name, quality)
    for name in old:
        if name not in after.events:
            waiting = [u for u in unread if u.event_type == name]
            reason = Reason("event_removed", {"unread": bool(waiting)})
            yield describe_change(
                "-", "event", name, [reason], "unread" if waiting else None, total_unread(waiting)
            )


def _quality_reasons(was: EventSpec, now: EventSpec) -> Iterator[Reason]:
    """Compare what is asked of the data of an event type. It moves no event."""
    yield from _changed_setting("profile", "plain", _profile(was), _profile(now))
    for name in dict.fromkeys([*was.checks, *now.checks]):
        if was.checks.get(name) != now.checks.get(name):
            yield Reason(
                "check_changed",
                {
                    "name": name,
                    "was": _check(was.checks.get(name)),
                    "now": _check(now.checks.get(name)),
                },
            )


def _profile(event: EventSpec) -> str | None:
    if event.profile is None:
        return None
    return "run" if event.profile.per is None else f"{event.profile.per:g} s"


def _check(check: CheckSpec | None) -> dict[str, Any] | None:
    return None if check is None else check.model_dump(mode="json", exclude_defaults=True)


def _topic_reason(event: EventSpec, topics: Mapping[str, Any]) -> Reason:
    spec = topics.get(event.topic)
    retention = spec.configs.get(RETENTION_CONFIG) if spec else None
    fields = {
        "partitions": event.partitions,
        "key": event.key,
        "retention_ms": int(retention) if retention else None,
    }
    return Reason("topic_added", fields)


def _partition_change(
    before: TopologyView, after: TopologyView, name: str, unread: Sequence[UnreadEvents]
) -> Change:
    was, now = before.events[name], after.events[name]
    drain = total_unread([u for u in unread if u.topic == was.topic])
    moves_keys = has_key(before, name) or has_key(after, name)
    fields = {
        "was": was.partitions,
        "now": now.partitions,
        "topic": now.topic,
        "moves_keys": moves_keys,
    }
    reason = Reason("partitions_changed", fields)
    return describe_change("~", "topic", name, [reason], "keys" if moves_keys else None, drain)


def _flag_changes(old: Mapping[str, FlagSpec], new: Mapping[str, FlagSpec]) -> Iterator[Change]:
    """Compare the flags. Such a change is never dangerous: it moves no event."""
    for name, flag in new.items():
        if name not in old:
            added = Reason("flag_added", {"type": flag.type, "default": flag.default})
            yield describe_change("+", "flag", name, [added])
            continue
        was = old[name]
        reasons = [
            *_changed_setting("type", "plain", was.type, flag.type),
            *_changed_default(was.default, flag.default),
            *_changed_setting("description", "plain", was.description, flag.description),
        ]
        if reasons:
            yield describe_change("~", "flag", name, reasons)
    for name in old:
        if name not in new:
            yield describe_change("-", "flag", name, [Reason("flag_removed", {})])


def _rate_changes(
    what: Literal["throttle", "limit"],
    old: Mapping[str, str | None],
    new: Mapping[str, str | None],
) -> Iterator[Change]:
    """Compare rates by name. Such a change is never dangerous: it moves no event."""
    for name in dict.fromkeys([*new, *old]):
        was, now = old.get(name), new.get(name)
        if was != now:
            sign: ChangeSign = "+" if was is None else "-" if now is None else "~"
            reason = Reason("rate_changed", {"was": was, "now": now})
            yield describe_change(sign, what, name, [reason])


def _changed_default(was: Any, now: Any) -> Iterator[Reason]:
    if default_text(was) != default_text(now):  # to Python, 1 is true
        yield Reason("setting_changed", {"key": "default", "kind": "json", "was": was, "now": now})


def _alert_changes(old: AlertPolicy, new: AlertPolicy) -> Iterator[Change]:
    """Compare the recipients of notices. Such a change is never dangerous: it moves no event."""
    reasons = [
        *(Reason("route_added", _route(r)) for r in new.routes if r not in old.routes),
        *(Reason("route_removed", _route(r)) for r in old.routes if r not in new.routes),
    ]
    if old.routes != new.routes and not reasons:
        reasons.append(Reason("routes_reordered", {}))
    reasons += _changed_keys(AlertPolicy, old, new)
    reasons += _changed_setting("severity", "severities", dict(old.severity), dict(new.severity))
    if reasons:
        sign: ChangeSign = "~"
        if not (old.routes and new.routes):
            sign = "+" if new.routes else "-" if old.routes else "~"
        yield describe_change(sign, "alerts", "", reasons)


def _route(route: AlertRoute) -> dict[str, Any]:
    return {
        "stages": list(route.stages),
        "errors": list(route.errors),
        "kinds": list(route.kinds),
        "severity": list(route.severity),
        "quiet": route.quiet,
        "channels": _channels(route),
        "escalate": [{"after": step.after, "channels": _channels(step)} for step in route.escalate],
        "repeat": route.repeat,
    }


def _channels(target: AlertRoute | EscalationStep) -> list[dict[str, Any]]:
    host = urlsplit(target.webhook).hostname if target.webhook else None
    channels: dict[str, dict[str, Any]] = {
        "email": {"email": list(target.email)},
        "webhook": {"webhook": host},
    }
    return [channels[channel] for channel in target.channels]


def _policy_changes(what: ChangeSubject, old: BaseModel, new: BaseModel) -> Iterator[Change]:
    """Compare what is said once of the whole pipeline. A change applies to runs that begin under
    the new version."""
    reasons = list(_changed_keys(type(new), old, new))
    if reasons:
        sign: ChangeSign = "~"
        unsaid = type(new)()
        if unsaid in (old, new):
            sign = "+" if old == unsaid else "-"
        yield describe_change(sign, what, "", reasons)
