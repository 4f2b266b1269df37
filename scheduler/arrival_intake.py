"""Which of the things that have come is for which schedule, and up to when is that all?"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime, timedelta
from typing import NamedTuple

from farandole.events.schedule_row import Arrival
from farandole.events.schedule_spec import ScheduleSpec
from farandole.scheduler.facts import FolderLook, RunChange
from farandole.scheduler.file_intake import FileIntake, Room
from farandole.scheduler.run_arrivals import (
    AwaitedRun,
    AwaitedRuns,
    EndedRuns,
    ScheduleName,
    awaited_runs,
    fold_runs,
    restore_ended_runs,
    run_key,
    run_row,
)

BOOKS_DELAY = timedelta(seconds=60)
"""How long ago a run may have ended whose row cannot be read yet, while the books are not
behind."""
MAX_RECENT = 1_000
"""How many runs that have ended are looked at again when a schedule is published: their rows may be
read before the version that waits for them."""


class WaitingSchedule(NamedTuple):
    """A schedule that waits for something beside its planned times."""

    name: ScheduleName
    spec: ScheduleSpec
    begins: Sequence[datetime]
    """Since when it waits for each of its dependencies: what has come before does not count."""


class Intake(NamedTuple):
    """What has come, and what is to be written with it."""

    arrivals: Mapping[ScheduleName, Mapping[str, Sequence[Arrival]]]
    """By the index of the dependency, as text."""
    rows: Mapping[bytes, bytes | None]


class ArrivalIntake:
    """What is remembered of everything that schedules wait for."""

    def __init__(self) -> None:
        self._awaited: AwaitedRuns = {}
        self._memory = EndedRuns({})
        self._recent: deque[RunChange] = deque(maxlen=MAX_RECENT)
        self._files = FileIntake()

    def restore(self, rows: Mapping[bytes, bytes]) -> None:
        """Remember what the rows of the lane's state say. Raises NewerFormatError."""
        self._awaited = {}
        self._memory = restore_ended_runs(rows)
        self._recent.clear()
        self._files.restore(rows)

    def expect(
        self, schedules: Iterable[WaitingSchedule], resting: Set[str], now: datetime
    ) -> Intake:
        """Take what comes from now on for these schedules, and return what has come for the new
        ones since they were published. What the pipelines in `resting` wait for is not known."""
        waiting = [*schedules]
        before, self._awaited = self._awaited, awaited_runs(waiting)
        rows = self._files.expect(waiting, resting)
        new = _new_ones(before, self._awaited)
        found = fold_runs(EndedRuns({}), self._recent, new, now, is_at_end=False)
        known = self._memory.runs
        unknown = {run: ended for run, ended in found.memory.runs.items() if run not in known}
        self._memory = self._memory._replace(runs={**known, **unknown})
        rows |= {run_key(run): run_row(ended) for run, ended in unknown.items()}
        return Intake(found.arrivals, rows)

    def take_runs(self, changes: Sequence[RunChange], now: datetime, *, is_at_end: bool) -> Intake:
        """Return what records of `farandole.runs` mean. `is_at_end`: with them, everything was read
        that could be read at `now`."""
        found = fold_runs(self._memory, changes, self._awaited, now, is_at_end=is_at_end)
        self._memory = found.memory
        self._recent.extend(change for change in changes if change.closed is not None)
        return Intake(found.arrivals, found.rows)

    @property
    def urls(self) -> Mapping[str, float]:
        """At which URLs somebody is to look for files, each after so many seconds."""
        return self._files.urls

    def take_looks(self, looks: Mapping[str, FolderLook]) -> Collection[ScheduleName]:
        """Take the newest looks at URLs. Return the schedules whose `problem` has changed."""
        return self._files.take_looks(looks)

    @property
    def has_files(self) -> bool:
        """True if `take_files` would return some."""
        return self._files.has_some

    def take_files(self, room: Room, now: datetime) -> Iterator[Intake]:
        """Yield what is new in the looks, as much as fits into a transaction. The caller gives each
        to its schedule before it asks for the next."""
        for taken in self._files.fold(room, now):
            yield Intake({taken.schedule: taken.arrivals} if taken.arrivals else {}, taken.rows)

    def note_room(self, schedule: ScheduleName) -> None:
        """A schedule may have room for files that it had no room for."""
        self._files.note_room(schedule)

    def problem(self, schedule: ScheduleName) -> str:
        """Return why the files cannot be seen that a schedule waits for; empty if they can."""
        return self._files.problem(schedule)

    def known_until(
        self, spec: ScheduleSpec, now: datetime, *, books_are_behind: bool
    ) -> datetime | None:
        """Return up to when everything has been taken that a schedule waits for; None if nobody
        knows."""
        if not self._files.has_looked(spec):
            return None
        if any(each.pipeline for each in spec.after):
            return None if books_are_behind else now - BOOKS_DELAY
        return now


def _new_ones(before: AwaitedRuns, now: AwaitedRuns) -> dict[str, list[AwaitedRun]]:
    """Return the dependencies that were not there before, wherever they stood in their lists."""
    known = {
        (pipeline, each._replace(place=0)) for pipeline, all_ in before.items() for each in all_
    }
    return {
        pipeline: [each for each in all_ if (pipeline, each._replace(place=0)) not in known]
        for pipeline, all_ in now.items()
    }
