"""Which instants are meant by times on the wall clock of a zone?

A clock that is put forward leaves a gap: local times that no instant has. One that is put back
makes an overlap: local times that two instants have. There are two readings:

- *once a day's time*: a local time in a gap means the instant at which the gap ends, one in an
  overlap the first of its two instants (`first_instant`, `next_once`, `previous_once`);
- *by the wall clock*: a local time in a gap means nothing, one in an overlap both of its instants
  (`next_by_clock`, `previous_by_clock`).

It makes no difference how long a gap is: Lord Howe's last half an hour, and in Apia the whole of 30
December 2011 is one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from farandole.events.record_time import MOMENT

Step = Callable[[datetime], datetime | None]
"""From a local time, without a zone, to the next one, or to the one before it; None if there is
none."""

_PROBE = timedelta(hours=12)
"""No zone has changed its offset and changed it back within this time (a test asks them all)."""


def first_instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, of a local time: of two the first; in a gap, its end."""
    before = _offset(local, zone, fold=0)
    after = _offset(local, zone, fold=1)
    instant = (local - before).replace(tzinfo=UTC)
    if before >= after:
        return instant
    gap_end = last_change(zone, instant, since=instant - (after - before))
    return instant if gap_end is None else gap_end


def parse_instant(text: str, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, of a date or time in ISO 8601. Without an offset it is a local
    time of `zone`. Raises ValueError."""
    time = datetime.fromisoformat(text)
    try:
        return first_instant(time, zone) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is too far away") from None


def next_once(step: Step, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first instant after `after` of the local times to which `step` leads, each of
    which has one."""
    local = step(after.astimezone(zone).replace(tzinfo=None))
    while local is not None:
        instant = first_instant(local, zone)
        if instant > after:
            return instant
        local = step(local)
    return None


def previous_once(step: Step, zone: ZoneInfo, before: datetime) -> datetime | None:
    """Return the last instant before `before` of the local times to which `step` leads back, each
    of which has one."""
    wall = before.astimezone(zone)
    start = wall.replace(tzinfo=None)
    if wall.fold:  # the rest of the overlap is later on the wall, but its first pass was earlier
        start += _offset(start, zone, fold=0) - _offset(start, zone, fold=1)
    local = step(start)
    while local is not None:
        instant = first_instant(local, zone)
        if instant < before:
            return instant
        local = step(local)
    return None


def next_by_clock(step: Step, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first instant after `after` at which the wall clock shows a local time to which
    `step` leads."""
    known, shown = after, after.astimezone(zone).replace(tzinfo=None)
    start = shown
    while (local := step(start)) is not None:
        instant = known + (local - shown)
        change = next_change(zone, known, until=instant)
        if change is None:
            return instant
        # The clock is changed before it shows that time: go on from what it shows then.
        known, shown = change, change.astimezone(zone).replace(tzinfo=None)
        start = shown - MOMENT
    return None


def previous_by_clock(step: Step, zone: ZoneInfo, before: datetime) -> datetime | None:
    """Return the last instant before `before` at which the wall clock showed a local time to which
    `step` leads back."""
    local = (before - MOMENT).astimezone(zone).replace(tzinfo=None) + MOMENT
    while (preceding := step(local)) is not None:
        instant = before - (local - preceding)
        change = last_change(zone, before - MOMENT, since=instant)
        if change is None:
            return instant
        before = change
        local = (change - MOMENT).astimezone(zone).replace(tzinfo=None) + MOMENT
    return None


def next_change(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """Return the first instant after `after`, and not after `until`, from which on the zone has
    another offset from UTC; None if there is none."""
    for year in range(after.year, until.year + 1):
        changes = changes_in_year(zone, year)
        position = bisect_right(changes, after)
        if position < len(changes):
            return changes[position] if changes[position] <= until else None
    return None


def last_change(zone: ZoneInfo, at: datetime, since: datetime) -> datetime | None:
    """Return the last instant not after `at`, and after `since`, from which on the zone has another
    offset from UTC; None if there is none."""
    for year in range(at.year, since.year - 1, -1):
        changes = changes_in_year(zone, year)
        position = bisect_right(changes, at)
        if position:
            return changes[position - 1] if changes[position - 1] > since else None
    return None


@lru_cache(maxsize=20_000)
def changes_in_year(zone: ZoneInfo, year: int) -> tuple[datetime, ...]:
    """Return the instants of a year, in UTC, from which on the zone has another offset."""
    changes = []
    low, end = datetime(year, 1, 1, tzinfo=UTC) - MOMENT, datetime(year + 1, 1, 1, tzinfo=UTC)
    while low < end - MOMENT:
        high = min(low + _PROBE, end - MOMENT)
        if _offset_at(low, zone) != _offset_at(high, zone):
            changes.append(_change_between(zone, low, high))
        low = high
    return tuple(changes)


def _change_between(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    offset = _offset_at(low, zone)
    while high - low > MOMENT:
        middle = low + (high - low) // 2
        if _offset_at(middle, zone) == offset:
            low = middle
        else:
            high = middle
    return high


def _offset_at(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _offset(local: datetime, zone: ZoneInfo, *, fold: int) -> timedelta:
    return local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta()
