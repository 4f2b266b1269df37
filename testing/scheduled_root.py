"""Which event does a schedule trigger, where no scheduler runs?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from farandole.events.firing_record import FiringKey
from farandole.events.root_record import RootRecord
from farandole.events.schedule_row import Arrival
from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.events.topology_version import Version
from farandole.scheduler.local_time import parse_instant
from farandole.scheduler.recurrence import next_planned
from farandole.scheduler.schedule_history import PipelineHistory, ScheduleHistory
from farandole.scheduler.time_zones import load_zone
from farandole.scheduler.trigger import Firing, Refusal, TriggerMaker

Came = Mapping[str, str]
"""What has come, by the names that templates have: `run` and `status`, or `file`, `etag` …"""


def scheduled_root(
    version: Version,
    schedule: str,
    planned: datetime | str | None,
    after: Sequence[Came],
    now: datetime,
) -> RootRecord:
    """Return what a schedule of the version publishes for a planned time.

    `planned`: a text without an offset is a local time of the schedule; by default the first
    planned time after `now`, or `now` for a schedule without planned times. `after`: what has come,
    one for each dependency in the order of the file; by default something made up. Raises
    ValueError for what is no time, and if nothing can be published: why."""
    spec = version.schedules[schedule]
    time = _planned_time(spec, planned, now)
    key = FiringKey(version.pipeline, schedule, time)
    firing = Firing(key, version.version, spec, _arrivals(spec, after, time))
    history = ScheduleHistory(PipelineHistory([version]), schedule)
    partitions = {event.topic: event.partitions for event in version.events.values()}
    made = TriggerMaker().make(firing, history, partitions, now)
    if isinstance(made, Refusal):
        raise ValueError(f"the schedule {schedule!r} triggers nothing: {made.reason}")
    return made


def _planned_time(spec: ScheduleSpec, planned: datetime | str | None, now: datetime) -> datetime:
    if isinstance(planned, str):
        return parse_instant(planned, load_zone(spec.zone))
    if planned is not None:
        if planned.tzinfo is None:
            raise ValueError(f"{planned} has no time zone: write a text for a local time")
        return planned.astimezone(UTC)
    if not spec.is_timed:
        return now
    found = next_planned(spec, now)
    if found is None:
        raise ValueError(f"it has no planned time after {now}: say for which one it fires")
    return found


def _arrivals(spec: ScheduleSpec, after: Sequence[Came], at: datetime) -> dict[str, Arrival]:
    if after and len(after) != len(spec.after):
        raise ValueError(f"it has {len(spec.after)} dependencies, and {len(after)} are given")
    given = after or [_made_up(dependency) for dependency in spec.after]
    return {
        str(index): Arrival(
            at=at,
            cause=came.get("run") or came.get("file") or "",
            detail={name: value for name, value in came.items() if name not in ("run", "file")},
        )
        for index, came in enumerate(given)
    }


def _made_up(dependency: DependencySpec) -> Came:
    if dependency.pipeline:
        return {"run": "a" * 13, "status": next(iter(dependency.status), "completed")}
    time = "2026-01-01T00:00:00Z"
    return {"file": dependency.file, "etag": "0", "size": "0", "modified": time}
