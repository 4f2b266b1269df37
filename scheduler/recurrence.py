"""When is a schedule planned?

A planned time is an instant. Where a schedule's file says a local time, the zone's changes of
offset count as `local_time.py` says: the times of a cron expression of which neither minute nor
hour begins with `*` are read *once a day's time*, those of any other expression *by the wall
clock*; `at`, `start` and `end` always once.

Planned times lie in the years 1970 to 8999, as all times in rows do.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import xxhash

from farandole.events.firing_record import time_text
from farandole.events.record_time import EPOCH, MOMENT
from farandole.events.schedule_spec import ScheduleSpec
from farandole.scheduler.cron_expression import CronExpression, parse_cron
from farandole.scheduler.local_time import (
    next_by_clock,
    next_once,
    parse_instant,
    previous_by_clock,
    previous_once,
)
from farandole.scheduler.time_zones import load_zone

END_OF_TIME = datetime(9000, 1, 1, tzinfo=UTC)


def next_planned(spec: ScheduleSpec, after: datetime) -> datetime | None:
    """Return the first planned time after `after`, in UTC; None if there is none. Raises ValueError
    if the spec has a text that is no expression, zone or time: lint refuses such a file."""
    times = planned_times(spec)
    after = max(after, times.start - MOMENT)
    planned = None if after >= times.end else _next(times, after.astimezone(UTC))
    return planned if planned is not None and planned < times.end else None


def previous_planned(spec: ScheduleSpec, planned: datetime) -> datetime | None:
    """Return the last planned time before this one, in UTC; None if there is none. Raises as
    `next_planned`."""
    times = planned_times(spec)
    planned = min(planned, times.end)
    previous = None if planned <= times.start else _previous(times, planned.astimezone(UTC))
    return previous if previous is not None and previous >= times.start else None


def planned_between(
    spec: ScheduleSpec, after: datetime, until: datetime, limit: int | None = None
) -> Iterator[datetime]:
    """Yield the planned times after `after` and not after `until`, in order; no more than `limit`.
    Raises as `next_planned`."""
    count = 0
    planned = next_planned(spec, after)
    while planned is not None and planned <= until and (limit is None or count < limit):
        yield planned
        count += 1
        planned = next_planned(spec, planned)


def firing_time(pipeline: str, schedule: str, spec: ScheduleSpec, planned: datetime) -> datetime:
    """Return when a planned time is to fire: later by less than the schedule's jitter, and always
    by the same."""
    jitter = round(spec.jitter * 1_000_000)
    if not jitter:
        return planned
    share = xxhash.xxh3_64_intdigest(f"{pipeline}/{schedule}/{time_text(planned)}".encode())
    return planned + timedelta(microseconds=share * jitter >> 64)


@dataclass(frozen=True, slots=True)
class _CronTimes:
    expression: CronExpression
    zone: ZoneInfo

    def next(self, after: datetime) -> datetime | None:
        step = self.expression.next
        if self.expression.follows_wall_clock:
            return next_by_clock(step, self.zone, after)
        return next_once(step, self.zone, after)

    def previous(self, before: datetime) -> datetime | None:
        step = self.expression.previous
        if self.expression.follows_wall_clock:
            return previous_by_clock(step, self.zone, before)
        return previous_once(step, self.zone, before)


@dataclass(frozen=True, slots=True)
class _Interval:
    origin: datetime
    every: timedelta

    def next(self, after: datetime) -> datetime | None:
        return self.origin + ((after - self.origin) // self.every + 1) * self.every

    def previous(self, before: datetime) -> datetime | None:
        return self.origin + ((before - self.origin - MOMENT) // self.every) * self.every


@dataclass(frozen=True, slots=True)
class _SingleTimes:
    times: tuple[datetime, ...]

    def next(self, after: datetime) -> datetime | None:
        position = bisect_right(self.times, after)
        return self.times[position] if position < len(self.times) else None

    def previous(self, before: datetime) -> datetime | None:
        position = bisect_left(self.times, before)
        return self.times[position - 1] if position else None


@dataclass(frozen=True, slots=True, eq=False)
class PlannedTimes:
    """The planned times of a schedule, before they are cut at `start` and `end`."""

    times: _CronTimes | _Interval | _SingleTimes
    start: datetime
    end: datetime


@lru_cache(maxsize=10_000)  # many schedules have the same times, and those of soon are prepared
def _next(times: PlannedTimes, after: datetime) -> datetime | None:
    return times.times.next(after)


@lru_cache(maxsize=10_000)
def _previous(times: PlannedTimes, before: datetime) -> datetime | None:
    return times.times.previous(before)


def planned_times(spec: ScheduleSpec) -> PlannedTimes:
    """Return the planned times of a schedule; a schedule that only waits for something has none.
    Raises as `next_planned`."""
    return _planned_times(spec.cron, spec.every, spec.at, spec.zone, spec.start, spec.end)


@lru_cache(maxsize=50_000)  # the schedules of an installation: reading one takes longer than a step
def _planned_times(
    cron: str | None,
    every: float | None,
    at: tuple[str, ...],
    zone_name: str,
    start: str | None,
    end: str | None,
) -> PlannedTimes:
    zone = load_zone(zone_name)
    first = EPOCH if start is None else max(EPOCH, parse_instant(start, zone))
    last = END_OF_TIME if end is None else min(END_OF_TIME, parse_instant(end, zone))
    times: _CronTimes | _Interval | _SingleTimes
    if cron is not None:
        times = _CronTimes(parse_cron(cron), zone)
    elif every is not None:
        times = _Interval(first, timedelta(seconds=every))
    else:
        times = _SingleTimes(tuple(sorted({parse_instant(text, zone) for text in at})))
    return PlannedTimes(times, first, last)
