"""Can the times of the schedules of a file be read, and do they ever come?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from farandole.events.record_time import EPOCH
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.time_format import format_duration
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.router.schedule_sections import sound_schedules
from farandole.scheduler.cron_expression import CronError, parse_cron
from farandole.scheduler.local_time import parse_instant
from farandole.scheduler.recurrence import END_OF_TIME, next_planned, planned_between
from farandole.scheduler.time_zones import load_zone, zone_names, zone_remedy

_GAPS_COMPARED = 50


def _lint_zones(context: LintContext) -> Iterator[Finding]:
    for name, schedule in context.topology.schedules.items():
        if schedule.zone is not None and schedule.zone not in zone_names():
            yield context.finding(
                ("schedules", name, "zone"),
                f"there is no time zone {schedule.zone!r}",
                zone_remedy(schedule.zone),
            )


def _lint_expressions(context: LintContext) -> Iterator[Finding]:
    for name, schedule in context.topology.schedules.items():
        if schedule.cron is None:
            continue
        path = ("schedules", name, "cron")
        try:
            expression = parse_cron(schedule.cron)
        except CronError as error:
            yield context.text_finding(
                path,
                error.column,
                f"{schedule.cron!r:.80} is no cron expression: {error.message}",
                "write for example '30 2 * * mon-fri' for 02:30 from Monday to Friday",
            )
        else:
            if expression.never:
                yield context.finding(
                    path,
                    f"{schedule.cron!r:.80} never comes: no month has such a day",
                    "write a day that a month has; L is its last day",
                )


def _lint_ranges(context: LintContext) -> Iterator[Finding]:
    """Find times that cannot come because of `start`, `end` and today's date."""
    now = datetime.now(UTC)
    for name, spec in sound_schedules(context):
        path = ("schedules", name)
        zone = load_zone(spec.zone)
        start = None if spec.start is None else parse_instant(spec.start, zone)
        end = None if spec.end is None else parse_instant(spec.end, zone)
        if start is not None and end is not None and end <= start:
            yield context.finding(
                (*path, "end"),
                f"`end` ({spec.end}) is not after `start` ({spec.start}): no time is between them",
                "write a later end",
            )
        elif not spec.is_timed or (spec.cron is not None and parse_cron(spec.cron).never):
            continue
        elif next_planned(spec, EPOCH - timedelta(seconds=1)) is None:
            yield context.finding(
                (*path, "end" if end is not None else "start"),
                f"schedule {name!r} never fires: it has no planned time between `start` and `end`",
                "move the start or the end",
            )
        elif next_planned(spec, now) is None:
            over = "end" if end is not None and end <= now else "at"
            yield context.finding(
                (*path, over),
                f"schedule {name!r} has no planned time any more: its last one is in the past",
                "delete the schedule, or write a later time",
                severity="warning",
            )


def _lint_jitter(context: LintContext) -> Iterator[Finding]:
    """A planned time fires before the next one comes."""
    for name, spec in sound_schedules(context):
        shortest = _shortest_gap(spec) if spec.jitter else None
        if shortest is not None and spec.jitter > shortest:
            yield context.finding(
                ("schedules", name, "jitter"),
                f"a jitter of {format_duration(spec.jitter)} is longer than the"
                f" {format_duration(shortest)} between two planned times",
                f"write at most {format_duration(shortest)}",
            )
        elif spec.jitter and spec.jitter >= spec.catch_up.within:
            within = format_duration(spec.catch_up.within)
            yield context.finding(
                ("schedules", name, "jitter"),
                f"a jitter of {format_duration(spec.jitter)} is not shorter than `catch_up.within`"
                f" ({within}): what is planned longer ago never fires",
                f"write less than {within}, or a longer `within`",
            )


def _shortest_gap(spec: ScheduleSpec) -> float | None:
    """Return the seconds of the shortest time between two of the next planned times; None if there
    is at most one."""
    times = planned_between(spec, datetime.now(UTC), END_OF_TIME, _GAPS_COMPARED)
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    return min(gaps, default=None)


SCHEDULE_TIME_RULES: Mapping[str, LintRule] = {
    "schedule_zones": _lint_zones,
    "schedule_expressions": _lint_expressions,
    "schedule_ranges": _lint_ranges,
    "schedule_jitter": _lint_jitter,
}
