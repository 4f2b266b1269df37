"""How are changes, schema misfits and other reasons of the router written as text?

Every text about a `Reason` or a `Misfit` is written here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from farandole.events.feature_flags import shown_value
from farandole.events.number_format import grouped
from farandole.events.time_format import format_duration
from farandole.router import schedule_text
from farandole.router.topology_change import (
    Change,
    ChangeSign,
    ChangeSubject,
    Danger,
    Drain,
    Reason,
)
from farandole.stages.json_schema_compatibility import Misfit
from farandole.stages.misfit_text import misfit_summary

_KEYS_MOVE = ": events of a key change their place"

Fields = Mapping[str, Any]


class PlanView(Protocol):
    """The parts of a plan that its lines show."""

    @property
    def pipeline(self) -> str: ...
    @property
    def newest(self) -> int | None: ...
    @property
    def changes(self) -> Sequence[Change]: ...
    @property
    def publishes(self) -> bool: ...
    @property
    def rollback_of(self) -> int | None: ...


def describe_change(
    sign: ChangeSign,
    what: ChangeSubject,
    name: str,
    reasons: Sequence[Reason],
    danger: Danger | None = None,
    drain: Drain | None = None,
) -> Change:
    """Return the text of a change, with the reasons and the drain."""
    text = "; ".join(map(render_reason, reasons))
    return Change(sign, what, name, text, danger, render_drain(drain), tuple(reasons), drain)


def render_reason(reason: Reason) -> str:
    """Return the text of one reason, without a full stop."""
    return _TEXTS[reason.code](reason.fields)


def render_drain(drain: Drain | None) -> str:
    """Return text such as `3 unread drain under @7`; empty if nothing drains."""
    if drain is None:
        return ""
    versions = ", ".join(f"@{number}" for number in drain.versions)
    return f"{_format_count(drain.events, drain.at_most)} unread drain under {versions}"


def plan_lines(plan: PlanView) -> list[str]:
    """Return the lines of a plan: a head line, the changes, the totals."""
    pipeline, newest = plan.pipeline, plan.newest
    if not plan.changes and not plan.publishes:
        return [f"nothing would change: {pipeline}@{newest} is in force"]
    next_version = f"{pipeline}@{(newest or 0) + 1}"
    if not plan.publishes:
        head = f"{pipeline}@{newest} stays in force"
    elif newest is None:
        head = f"{next_version}, the first version"
    else:
        head = f"{pipeline}@{newest} → {next_version}"
        head += f", a rollback to @{plan.rollback_of}" if plan.rollback_of else ""
    return [head, *change_lines(plan.changes), change_totals(plan.changes)]


def change_lines(changes: Sequence[Change]) -> list[str]:
    """Return one line for each change, in columns. A dangerous change has a `!` and the option that
    permits it."""
    width = max((len(change.name) for change in changes), default=0)
    kinds = max((5, *(len(change.what) for change in changes)))
    lines = []
    for change in changes:
        allow = f" (--allow {change.danger})" if change.danger else ""
        drains = f"      ({change.drains})" if change.drains else ""
        sign = "!" if change.danger else change.sign
        lines.append(
            f"  {sign} {change.what:<{kinds}}  {change.name:<{width}}  {change.said}{allow}{drains}"
        )
    return lines


def change_totals(changes: Sequence[Change]) -> str:
    """Return totals such as `2 to add, 1 to change, 0 to remove, 1 dangerous`."""
    count = {sign: sum(change.sign == sign for change in changes) for sign in "+~-"}
    dangerous = sum(change.danger is not None for change in changes)
    return (
        f"{count['+']} to add, {count['~']} to change, {count['-']} to remove"
        f"{f', {dangerous} dangerous' if dangerous else ''}"
    )


def change_summary(changes: Sequence[Change], most: int = 4) -> str:
    """Return the changes in short: `+ screen, ~ enrich`."""
    parts = [f"{change.sign} {change.name or change.what}" for change in changes[:most]]
    if len(changes) > most:
        parts.append(f"{len(changes) - most} more")
    return ", ".join(parts) or "nothing"


def incompatibility_texts(fields: Fields) -> tuple[str, str]:
    """Return the meaning of a `schema_incompatible`, and what helps."""
    stage, event_type, version = fields["stage"], fields["event_type"], fields["version"]
    misfits = misfit_summary([Misfit(**each) for each in fields["misfits"]])
    if fields["direction"] == "backward":
        return (
            f"{stage!r} has unread {event_type!r} of version {version}, and its function no"
            f" longer reads them: {misfits}",
            "let the function read both schemas (a default, a union), or wait until"
            f" {stage!r} has read them",
        )
    return (
        f"workers that still run the code of version {version} cannot read"
        f" {event_type!r} in {stage!r}: {misfits}",
        f"deploy the new {stage!r} everywhere first, or go in two steps: widen what"
        " it reads, then change what is written",
    )


def _format_optional_duration(seconds: float | None) -> str:
    return "none" if seconds is None else format_duration(seconds)


def _format_share(part: float | None) -> str:
    return "none" if part is None else f"{part * 100:.9g}%"


def _format_breaker(policy: Fields) -> str:
    window, probe, longest = (format_duration(policy[k]) for k in ("window", "probe", "longest"))
    return (
        f"{policy['share']:.0%} and {policy['failures']} in {window}, probes {probe} to {longest}"
    )


_VALUE_TEXTS: Mapping[str, Callable[[Any], str]] = {
    "duration": _format_optional_duration,
    "positive_duration": _format_optional_duration,
    "positive_durations": lambda values: ", ".join(map(format_duration, values)),
    "share": _format_share,
    "integer": str,
    "flag": lambda flag: "by its `emits`" if flag is None else str(flag).lower(),
    "error_names": ", ".join,
    "sensitivity": str,
    "daily_times": ", ".join,
    "severities": lambda given: ", ".join(f"{k}: {v}" for k, v in given.items()) or "by default",
    "event_types": lambda names: ", ".join(names) or "nothing",
    "plain": str,
    "breaker": _format_breaker,
    "json": shown_value,
    "rate": lambda rate: rate or "none",
    "text": lambda text: text or "none",
    "texts": lambda texts: ", ".join(texts) or "none",
    "switch": lambda on: str(on).lower(),
    "overlap": schedule_text.overlap_text,
    "catch_up": schedule_text.catch_up_text,
    "calendars": schedule_text.calendars_text,
    "dependencies": schedule_text.dependencies_text,
}


def _format_count(events: int, at_most: bool) -> str:
    return f"{'up to ' if at_most else ''}{grouped(events)}"


def _stage_added(fields: Fields) -> str:
    emits = f", emits {', '.join(fields['emits'])}" if fields["emits"] else ""
    return f"subscribes {', '.join(fields['subscribes'])}{emits}"


def _setting_changed(fields: Fields) -> str:
    render = _VALUE_TEXTS[fields["kind"]]
    return f"{fields['key']} {render(fields['was'])} → {render(fields['now'])}"


def _check_changed(fields: Fields) -> str:
    was, now = fields["was"], fields["now"]
    if now is None:
        return f"check {fields['name']} removed"
    if was is None:
        shown = [f"{key} {_check_value(key, now)}" for key in now if key != "description"]
        return f"check {fields['name']} added: {', '.join(shown)}"
    changed = [
        key
        if key == "description"
        else f"{key} {_check_value(key, was)} → {_check_value(key, now)}"
        for key in dict.fromkeys([*was, *now])
        if was.get(key) != now.get(key)
    ]
    return f"check {fields['name']} changed: {', '.join(changed)}"


def _check_value(key: str, check: Fields) -> str:
    value = check.get(key, "warn" if key == "severity" else None)
    if value is None:
        return "none"
    if key == "share":
        return _format_share(value)
    return format_duration(value) if key == "within" else shown_value(value)


def _parameter_changed(fields: Fields) -> str:
    was, now = (
        f"{fields[side]!r:.40}" if fields[f"{side}_given"] else "not given"
        for side in ("was", "now")
    )
    return f"with {fields['name']}: {was} → {now}"


def _accepted_schema_changed(fields: Fields) -> str:
    difference = f": {_schema_difference(fields)}" if fields["known"] else ""
    return f"reads another schema{difference}"


def _schema_difference(fields: Fields) -> str:
    names = [
        *(f"+{name}" for name in fields["added"]),
        *(f"-{name}" for name in fields["removed"]),
        *(f"~{name}" for name in fields["changed"]),
    ]
    return ", ".join(names) or f"{fields['was'] or 'none'} → {fields['now'] or 'none'}"


def _topic_added(fields: Fields) -> str:
    partitions, retention = fields["partitions"], fields["retention_ms"]
    text = f"{partitions} partition{'' if partitions == 1 else 's'}"
    if fields["key"]:
        text += f", key {fields['key']}"
    return text if retention is None else f"{text}, kept {format_duration(retention / 1000)}"


def _partitions_changed(fields: Fields) -> str:
    text = f"{fields['was']} → {fields['now']} partitions, in {fields['topic']}"
    return f"{text}{_KEYS_MOVE}" if fields["moves_keys"] else text


def _topic_recreated(fields: Fields) -> str:
    if not fields["exists"]:
        return "is gone: it is created again, and what it held is lost"
    added = f"; {fields['added']} missing partitions are added" if fields["added"] else ""
    return f"was created again: it is read from its beginning, and its events get new ids{added}"


def _key_changed(fields: Fields) -> str:
    text = f"key {fields['was'] or 'none'} → {fields['now'] or 'none'}"
    return f"{text}{_KEYS_MOVE}" if fields["was"] else text


def _event_removed(fields: Fields) -> str:
    kept = "" if fields["unread"] else ", and what it holds is kept as long as ever"
    return f"its topic stays{kept}"


def _route(fields: Fields) -> str:
    """Return text such as `load, TimeoutError to dba@example.com`."""
    named = ("stages", "errors", "kinds", "severity")
    failures = ", ".join(word for key in named for word in fields.get(key, ())) or "all"
    quiet = f", quiet {fields['quiet']}" if fields.get("quiet") else ""
    steps = "".join(
        f", then after {format_duration(step['after'])} {_channels(step)}"
        for step in fields.get("escalate", ())
    )
    repeat = f", again every {format_duration(fields['repeat'])}" if fields.get("repeat") else ""
    return f"{failures} to {_channels(fields)}{steps}{repeat}{quiet}"


def _channels(fields: Fields) -> str:
    return ", else ".join(
        f"webhook at {channel['webhook']}" if "webhook" in channel else ", ".join(channel["email"])
        for channel in fields["channels"]
    )


def _schedule_added(fields: Fields) -> str:
    schedule = fields["schedule"]
    paused = ", paused" if schedule["paused"] else ""
    return f"{schedule_text.when_text(schedule)}: triggers {schedule['triggers']}{paused}"


def _config_changed(fields: Fields) -> str:
    name, was, now = fields["name"], fields["was"], fields["now"]
    if name == "retention.ms" and was and was.lstrip("-").isdigit():
        return f"kept {_format_retention(was)} → {_format_retention(now)}"
    return f"{name} {was or 'default'} → {now}"


def _format_retention(milliseconds: str) -> str:
    return "for ever" if int(milliseconds) < 0 else format_duration(int(milliseconds) / 1000)


_TEXTS: Mapping[str, Callable[[Fields], str]] = {
    "stage_added": _stage_added,
    "stage_removed": lambda f: f"subscribed {', '.join(f['subscribes'])}",
    "function_still_needed": lambda _: (
        "what is unread drains only while its function can be imported"
    ),
    "setting_changed": _setting_changed,
    "condition_changed": lambda f: (
        f"when {f['event_type']}: {f['was'] or 'always'} → {f['now'] or 'always'}"
    ),
    "parameter_changed": _parameter_changed,
    "accepted_schema_changed": _accepted_schema_changed,
    "function_schemas_changed": lambda _: "its function has other schemas",
    "topic_added": _topic_added,
    "partitions_changed": _partitions_changed,
    "topic_recreated": _topic_recreated,
    "key_changed": _key_changed,
    "data_schema_changed": lambda f: f"schema: {_schema_difference(f)}",
    "check_changed": _check_changed,
    "event_removed": _event_removed,
    "flag_added": lambda f: f"{f['type']}, by default {shown_value(f['default'])}",
    "rate_changed": lambda f: (
        f"{f['was']} → {f['now']}" if f["was"] and f["now"] else f["now"] or f"was {f['was']}"
    ),
    "flag_removed": lambda _: "functions that read it get the default in their code",
    "schedule_added": _schedule_added,
    "schedule_removed": lambda _: "planned times that wait become missed",
    "schedule_times_changed": lambda _: (
        "planned times before this version stay as they were planned"
    ),
    "route_added": lambda f: f"+{_route(f)}",
    "route_removed": lambda f: f"-{_route(f)}",
    "routes_reordered": lambda _: "routes in another order",
    "config_changed": _config_changed,
    "unread_may_be_deleted": lambda f: (
        f"{_format_count(f['events'], f['at_most'])} unread, of which the older ones may be deleted"
    ),
    "schema_incompatible": lambda f: "; ".join(incompatibility_texts(f)),
    "rollback_in_force": lambda f: (
        f"{f['version']} is a rollback to @{f['rollback_of']}, and the file says something else;"
        " save the file to apply it"
    ),
    "text": lambda f: str(f["text"]),
}
