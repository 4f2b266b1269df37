"""How does a schedule stand: when does it fire next, and what became of it last?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from farandole.events.controls_in_force import TimedDocument, oldest_of_each
from farandole.events.run_row import OPEN_STATUSES
from farandole.events.schedule_document import BackfillDocument, FireDocument
from farandole.events.schedule_row import (
    Arrival,
    BackfillRow,
    Decision,
    FiredRun,
    ScheduleRow,
    WaitingTime,
)
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.schedules_in_force import (
    SchedulePause,
    schedule_documents,
    schedule_pause,
)
from farandole.events.topology_version import Version
from farandole.ledger.overdue_schedules import Overdue
from farandole.operations.results import Result
from farandole.operations.schedules.planned_view import PlannedTime, next_firings, planned_in
from farandole.operations.schedules.schedule_table import ScheduleTable
from farandole.router.schedule_text import catch_up_text, overlap_text, when_text
from farandole.router.unseen_dependencies import (
    PublishedRoots,
    unseen_folders,
    unseen_runs,
)

NEXT_FIRINGS = 5
_NOTED = timedelta(seconds=5)
"""Within this time a scheduler notes that a planned time has come, and other clocks may differ."""
_MAX_COUNTED = 10_000
"""How many planned times of a backfill are counted, at most."""


class SchedulePauseState(Result):
    """A pause of a schedule that is in force."""

    by_file: bool
    """True if the file says so, and no document another thing."""
    pipeline: bool
    """True if every schedule of the pipeline is paused."""
    since: datetime | None
    """None if the file says so."""
    until: datetime | None
    """None if it lasts until somebody resumes the schedule."""
    by: str
    comment: str
    generation: int | None
    """The offset of the document; None if the file says so."""


class OverdueState(Result):
    """What should have happened by now, and has not."""

    since: datetime
    what: str


class OrderState(Result):
    """An order to fire by hand that was not executed."""

    id: str
    planned: datetime
    by: str
    at: datetime
    """When it was ordered."""
    refused: str
    """Why it will not be executed; empty if it waits for a scheduler."""


class BackfillState(Result):
    """How far a backfill is."""

    id: str
    by: str
    start: datetime | None
    """None if its document is gone."""
    end: datetime
    max_parallel: int
    missing: bool
    """True if planned times that have fired are left out."""
    next: datetime | None
    """The next planned time to look at; None if all were, or the scheduler has not begun."""
    fired: int
    passed: int
    """Planned times that were left out: excluded ones and, with `missing`, those that had fired."""
    left: int | None
    """Planned times to look at; None if these are more than 10,000, or cannot be counted here."""
    runs: list[FiredRun]
    """Those that have not ended."""
    ended: datetime | None
    cancelled: bool
    """True if its document was deleted before it had ended."""
    why: str
    """Why it waits or has ended early; empty if neither."""


class ScheduleState(Result):
    """One schedule, as its newest version, the control documents and the scheduler say."""

    pipeline: str
    schedule: str
    version: str
    """The version in force, `pipeline@number`."""
    spec: ScheduleSpec
    when: str = ""
    """When it fires, in words as far as the file has them: `30 2 * * * in Europe/Paris`."""
    overlap: str = ""
    """What happens while a run has not ended."""
    catch_up: str = ""
    """What is caught up on; empty for a schedule without planned times."""
    paused: SchedulePauseState | None
    next: list[PlannedTime]
    """The next firings, without excluded ones. While it is paused: those after the end of the pause
    or, if that has none, those that would come if it were resumed now."""
    problem: str | None
    """Why this machine cannot tell the next firings; None if it can."""
    overdue: OverdueState | None
    """None if all has happened that should have by now."""
    late: datetime | None
    """The planned time that has come and of which no scheduler has noted anything yet; None if
    there is none, or while it is paused."""
    decided: Decision | None
    """What became of the planned time that was decided last; None if none was yet."""
    last: FiredRun | None
    """The newest firing, and the status of its run in the books; None if it has not fired yet."""
    running: list[FiredRun]
    """The runs that have not ended, the oldest first."""
    waiting: list[WaitingTime]
    """Planned times that have come and have not fired, the oldest first, and why."""
    arrivals: dict[str, list[Arrival]]
    """What has come of what it depends on and was not used yet, by the index in `spec.after`."""
    orders: list[OrderState]
    backfills: list[BackfillState]
    unseen: list[str]
    """What it waits for and was never there: runs that no version could begin, and local folders
    that this machine does not have."""


class ScheduleScope:
    """What is known of all schedules at one moment."""

    def __init__(
        self,
        table: ScheduleTable,
        documents: Iterable[TimedDocument],
        overdue: Mapping[tuple[str, str], Overdue],
        statuses: Mapping[str, str],
        now: datetime,
        roots: PublishedRoots,
        folder: Path,
    ) -> None:
        """`documents`: in the order of the log; `overdue`: by pipeline and
        schedule; `statuses`: of runs, as the books have them; `folder`: that
        of local paths."""
        self.now = now
        self._roots = roots
        self._folder = folder
        self._table = table
        known = [*documents]
        self._newest = schedule_documents(known)
        self._orders: dict[tuple[str, str], list[TimedDocument]] = {}
        for each in oldest_of_each(known, FireDocument, BackfillDocument):
            control = each.control
            assert isinstance(control, FireDocument | BackfillDocument)
            self._orders.setdefault((control.pipeline, control.schedule), []).append(each)
        self._overdue = overdue
        self._statuses = statuses

    def state(self, version: Version, schedule: str) -> ScheduleState:
        """Return how a schedule stands. `version`: the one in force."""
        spec = version.schedules[schedule]
        fields = spec.model_dump(mode="json")
        pipeline = version.pipeline
        row = self._table.schedules.get((pipeline, schedule))
        pause = schedule_pause(
            self._newest, pipeline, schedule, self.now, paused_by_file=spec.paused
        )
        overdue = self._overdue.get((pipeline, schedule))
        after = max(self.now, pause.until) if pause and pause.until else self.now
        problem = None
        try:
            firings = next_firings(version, schedule, after, NEXT_FIRINGS)
        except ValueError as error:
            firings, problem = [], str(error)
        return ScheduleState(
            pipeline=pipeline,
            schedule=schedule,
            version=version.name,
            spec=spec,
            when=when_text(fields),
            overlap=overlap_text((spec.overlap, spec.buffer)),
            catch_up=catch_up_text(fields["catch_up"]) if spec.is_timed else "",
            paused=pause_result(pause) if pause else None,
            next=firings,
            problem=problem,
            overdue=OverdueState(since=overdue.since, what=overdue.what) if overdue else None,
            late=row.next if row and not pause and _is_late(row, self.now) else None,
            decided=row.decided if row else None,
            last=self._with_status(row.last) if row and row.last else None,
            running=self._running(row.runs) if row else [],
            waiting=[*row.waiting] if row else [],
            arrivals={index: [*came] for index, came in row.arrivals.items()} if row else {},
            orders=[*self._open_orders(pipeline, schedule)],
            backfills=self.backfills(version, schedule),
            unseen=[*unseen_runs(spec, pipeline, self._roots), *unseen_folders(spec, self._folder)],
        )

    def backfills(self, version: Version, schedule: str) -> list[BackfillState]:
        """Return the backfills of a schedule, also those that have ended and are still known."""
        pipeline = version.pipeline
        ordered = {
            each.control.id: each
            for each in self._orders.get((pipeline, schedule), ())
            if isinstance(each.control, BackfillDocument)
        }
        rows = {row.id: row for row in self._table.backfills_of(pipeline, schedule)}
        return [
            self._backfill(version.schedules[schedule], ordered.get(id_), rows.get(id_))
            for id_ in dict.fromkeys([*rows, *ordered])
        ]

    def _backfill(
        self, spec: ScheduleSpec, ordered: TimedDocument | None, row: BackfillRow | None
    ) -> BackfillState:
        document = ordered.control if ordered is not None else None
        assert document is None or isinstance(document, BackfillDocument)
        said = row or document
        assert said is not None
        begin = row.next if row is not None else document.start if document is not None else None
        return BackfillState(
            id=said.id,
            by=said.by,
            start=document.start if document else None,
            end=said.end,
            max_parallel=said.max_parallel,
            missing=said.missing,
            next=row.next if row else None,
            fired=row.fired if row else 0,
            passed=row.passed if row else 0,
            left=_count_planned(spec, begin, said.end),
            runs=self._running(row.runs) if row else [],
            ended=row.ended if row else None,
            cancelled=document is None and row is not None and row.ended is None,
            why=row.why if row else "",
        )

    def _open_orders(self, pipeline: str, schedule: str) -> Iterable[OrderState]:
        for each in self._orders.get((pipeline, schedule), ()):
            control = each.control
            if not isinstance(control, FireDocument):
                continue
            row = self._table.orders.get(control.key)
            if row is None or row.id != control.id or row.refused:
                yield OrderState(
                    id=control.id,
                    planned=control.planned,
                    by=control.by,
                    at=each.at,
                    refused=row.refused if row and row.id == control.id else "",
                )

    def _running(self, watched: Iterable[FiredRun]) -> list[FiredRun]:
        """Return those of a row's runs that have not ended in the books, which the scheduler may
        not have read so far."""
        return [
            self._with_status(each)
            for each in watched
            if self._statuses.get(each.run or "", "running") in OPEN_STATUSES
        ]

    def _with_status(self, run: FiredRun) -> FiredRun:
        status = self._statuses.get(run.run or "")
        return run if status is None else run.model_copy(update={"status": status})


def _is_late(row: ScheduleRow, now: datetime) -> bool:
    """Return True if the next planned time has come for so long that a scheduler that works would
    have noted it."""
    return row.due is not None and row.next is not None and max(row.due, row.next) < now - _NOTED


def pause_result(pause: SchedulePause) -> SchedulePauseState:
    """Return a pause as a result."""
    return SchedulePauseState(
        by_file=pause.generation is None,
        pipeline=pause.of_pipeline,
        since=pause.since,
        until=pause.until,
        by=pause.by,
        comment=pause.comment,
        generation=pause.generation,
    )


def watched_runs(rows: Iterable[ScheduleRow | BackfillRow]) -> set[str]:
    """Return the ids of the runs that rows name, whose status is asked of the books."""
    found = set()
    for row in rows:
        last = row.last if isinstance(row, ScheduleRow) else None
        found |= {each.run for each in (*row.runs, last) if each is not None and each.run}
    return found


def _count_planned(spec: ScheduleSpec, begin: datetime | None, end: datetime) -> int | None:
    if begin is None:
        return 0
    try:
        count = sum(1 for _ in planned_in(spec, begin, end, _MAX_COUNTED + 1))
    except ValueError:
        return None
    return count if count <= _MAX_COUNTED else None
