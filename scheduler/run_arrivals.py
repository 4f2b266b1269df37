"""Which schedules wait for a run that has ended, and did it count for them already?

A run counts once for each dependency: when it ends with a status that the dependency names. One
that has ended otherwise counts when a replay of its dead letters has given it such a status.

`farandole.runs` is compacted. So the record of a run's end may be gone when the scheduler comes to
read it, because a replay has written the row again since. Whether such a row tells of an end that
was counted before, the scheduler's memory says: it has the runs that have counted, back to
`MEMORY` before the time at which the topic was last read to its end. An end of before that was
counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic import ValidationError

from farandole.events.record_time import EPOCH, MOMENT, RowTime
from farandole.events.row_format import check_json_format
from farandole.events.row_model import RowModel
from farandole.events.schedule_row import Arrival
from farandole.events.schedule_spec import RUN_STATUS_WORDS, ScheduleSpec
from farandole.scheduler.facts import RunChange

RUN_PREFIX = b"run/"
MEMORY_KEY = b"runs"
MEMORY = timedelta(minutes=10)
"""More than the time from a run's end, by the clock of its worker, until its row can be read."""
_ROW_INTERVAL = timedelta(minutes=1)  # so that not every transaction writes the row
MAX_RECENT = 50_000
"""How many runs are remembered, at most, before the topic has been read to its end."""
MAX_UNFINISHED = 1_000
"""How many runs are remembered, at most, to which a replay may give another status."""

ScheduleName = tuple[str, str]
"""A pipeline, and its schedule."""

_END_TRANSITIONS = ("completed", "settled")
_BEST_STATUSES = frozenset(RUN_STATUS_WORDS["completed"])


class EndedRun(RowModel):
    """A run that has ended; the row of the key `run/RUN`."""

    closed: RowTime
    statuses: tuple[str, ...]
    """Those with which it has counted, or would have, the first first."""


class MemoryStart(RowModel):
    """From when on the memory is complete; the row of the key `runs`."""

    since: RowTime


class AwaitedRun(NamedTuple):
    """A dependency on runs."""

    schedule: ScheduleName
    place: int
    """Of `ScheduleSpec.after`."""
    event: str | None
    statuses: frozenset[str]
    begins: datetime
    """Runs that have ended before do not count: the schedule did not wait for them yet."""


AwaitedRuns = Mapping[str, Sequence[AwaitedRun]]
"""By the pipeline of the runs."""


class EndedRuns(NamedTuple):
    """What the scheduler remembers of the runs that have ended."""

    runs: Mapping[str, EndedRun]
    since: datetime = EPOCH


class RunArrivals(NamedTuple):
    """What some records of `farandole.runs` mean for the schedules."""

    arrivals: Mapping[ScheduleName, Mapping[str, Sequence[Arrival]]]
    """By schedule and index of the dependency, as text."""
    memory: EndedRuns
    rows: Mapping[bytes, bytes | None]
    """What is to be written of the memory; None deletes a row."""


def awaited_runs(
    schedules: Iterable[tuple[ScheduleName, ScheduleSpec, Sequence[datetime]]],
) -> dict[str, list[AwaitedRun]]:
    """Return which schedules wait for the runs of which pipeline. With each schedule comes since
    when it waits for each of its dependencies."""
    awaited: dict[str, list[AwaitedRun]] = {}
    for name, spec, begins in schedules:
        for index, each in enumerate(spec.after):
            if each.pipeline:
                awaited.setdefault(each.pipeline, []).append(
                    AwaitedRun(name, index, each.event, frozenset(each.status), begins[index])
                )
    return awaited


def restore_ended_runs(rows: Mapping[bytes, bytes]) -> EndedRuns:
    """Return the memory that these rows of `farandole.schedules` contain. Rows that no scheduler
    wrote are left out. Raises NewerFormatError."""
    runs: dict[str, EndedRun] = {}
    since = EPOCH
    for key, value in rows.items():
        is_run = key.startswith(RUN_PREFIX)
        if not is_run and key != MEMORY_KEY:
            continue
        check_json_format("schedule row", value)
        try:
            if is_run:
                runs[key.removeprefix(RUN_PREFIX).decode()] = EndedRun.model_validate_json(value)
            else:
                since = MemoryStart.model_validate_json(value).since
        except (ValidationError, UnicodeDecodeError):
            continue
    return EndedRuns(runs, since)


def fold_runs(
    memory: EndedRuns,
    changes: Iterable[RunChange],
    awaited: AwaitedRuns,
    now: datetime,
    *,
    is_at_end: bool,
) -> RunArrivals:
    """Return the arrivals of these changes, which are read once. `is_at_end`: with them, everything
    was read that could be read at `now`. The rows are to be written in the transaction that moves
    the cursor."""
    runs = dict(memory.runs)
    arrivals: dict[ScheduleName, dict[str, list[Arrival]]] = {}
    touched: set[str] = set()
    for change in changes:
        if change.is_deleted:
            if runs.pop(change.run, None) is not None:
                touched.add(change.run)
            continue
        if change.closed is None:
            continue
        waiting = [
            each
            for each in awaited.get(change.pipeline, ())
            if each.event in (None, change.root) and change.closed >= each.begins
        ]
        known = runs.get(change.run)
        is_end = change.transition in _END_TRANSITIONS
        if not waiting or (known is None and not is_end and change.closed < memory.since):
            continue
        before = known.statuses if known is not None else ()
        if change.status in before:
            continue
        arrival = Arrival(
            at=now if known is not None else min(change.closed, now),
            cause=change.run,
            detail={"status": change.status},
        )
        for each in waiting:
            if change.status in each.statuses and not each.statuses.intersection(before):
                of_schedule = arrivals.setdefault(each.schedule, {})
                of_schedule.setdefault(str(each.place), []).append(arrival)
        runs[change.run] = EndedRun(closed=change.closed, statuses=(*before, change.status))
        touched.add(change.run)
    since = memory.since
    if is_at_end and now - MEMORY >= since + _ROW_INTERVAL:
        since = now - MEMORY
    kept, since = _forget(runs, since)
    touched.update(runs.keys() - kept.keys())
    rows: dict[bytes, bytes | None] = {
        run_key(run): run_row(kept[run]) if run in kept else None
        for run in sorted(touched)
        if run in kept or run in memory.runs
    }
    if since != memory.since:
        rows[MEMORY_KEY] = MemoryStart(since=since).model_dump_json().encode()
    return RunArrivals(arrivals, EndedRuns(kept, since), rows)


def run_key(run: str) -> bytes:
    """Return the key of the row of a run that has ended."""
    return RUN_PREFIX + run.encode()


def run_row(ended: EndedRun) -> bytes:
    """Return the value of the row of a run that has ended."""
    return ended.model_dump_json().encode()


def _forget(
    runs: Mapping[str, EndedRun], since: datetime
) -> tuple[Mapping[str, EndedRun], datetime]:
    """Return the runs that are to be remembered, and from when on these are all that have counted:
    `since`, or later if there are too many."""
    recent = {run: ended for run, ended in runs.items() if ended.closed >= since}
    unfinished = {
        run: ended
        for run, ended in runs.items()
        if ended.closed < since and ended.statuses[-1] not in _BEST_STATUSES
    }
    if len(unfinished) > MAX_UNFINISHED:
        unfinished = dict(_newest_last(unfinished)[-MAX_UNFINISHED:])
    if len(recent) > MAX_RECENT:
        in_order = _newest_last(recent)
        since = in_order[-MAX_RECENT - 1][1].closed + MOMENT
        recent = dict(in_order[-MAX_RECENT:])
    return {**unfinished, **recent}, since


def _newest_last(runs: Mapping[str, EndedRun]) -> list[tuple[str, EndedRun]]:
    return sorted(runs.items(), key=lambda each: each[1].closed)
