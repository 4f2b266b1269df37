"""What is different in the schedules of two topologies?

Such a change is never dangerous: it moves no event. When it does away with planned times that have
not fired, or does not, its reasons say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from farandole.events.feature_flags import default_text
from farandole.events.schedule_spec import ScheduleSpec
from farandole.router.reason_text import describe_change
from farandole.router.topology_change import Change, Reason

_KINDS: Mapping[str, str] = {
    "triggers": "plain",
    "data": "json",
    "cron": "text",
    "every": "duration",
    "at": "texts",
    "zone": "plain",
    "jitter": "duration",
    "start": "text",
    "end": "text",
    "exclude": "calendars",
    "include": "calendars",
    "overlap": "overlap",
    "unknown": "plain",
    "catch_up": "catch_up",
    "after": "dependencies",
    "within": "duration",
    "otherwise": "plain",
    "paused": "switch",
    "description": "text",
}
"""How the value of each key is written (`farandole.router.reason_text`)."""
_TIME_KEYS = frozenset(("cron", "every", "at", "zone", "jitter", "start", "end"))


def schedule_changes(
    old: Mapping[str, ScheduleSpec], new: Mapping[str, ScheduleSpec]
) -> Iterator[Change]:
    """Yield the schedules that are new, changed or removed."""
    for name, schedule in new.items():
        if name not in old:
            added = Reason("schedule_added", {"schedule": schedule.model_dump(mode="json")})
            yield describe_change("+", "schedule", name, [added])
        elif reasons := list(_changed_keys(old[name], schedule)):
            yield describe_change("~", "schedule", name, reasons)
    for name in old:
        if name not in new:
            yield describe_change("-", "schedule", name, [Reason("schedule_removed", {})])


def _changed_keys(old: ScheduleSpec, new: ScheduleSpec) -> Iterator[Reason]:
    before, after = _values(old), _values(new)
    changed = [key for key in _KINDS if default_text(before[key]) != default_text(after[key])]
    for key in changed:
        fields = {"key": key, "kind": _KINDS[key], "was": before[key], "now": after[key]}
        yield Reason("setting_changed", fields)
    if old.is_timed and not _TIME_KEYS.isdisjoint(changed):
        yield Reason("schedule_times_changed", {})


def _values(schedule: ScheduleSpec) -> dict[str, Any]:
    values = schedule.model_dump(mode="json")
    return {**values, "overlap": [schedule.overlap, schedule.buffer]}
