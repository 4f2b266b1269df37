"""Which rows does the scheduler's lane have, and which of them are to be written?

Rows are found by their keys, and by the runs that they watch, so that nothing is searched: an
installation may have 10,000 schedules. All changes are made in memory at once; `take_changes`
returns what is to be written. If that cannot be committed, everything is restored anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import structlog
from pydantic import BaseModel, ValidationError

from farandole.events.firing_record import FiringRecord
from farandole.events.record import OutgoingRecord
from farandole.events.row_format import check_json_format
from farandole.events.row_model import RowModel
from farandole.events.schedule_row import (
    BACKFILL_PREFIX,
    ORDER_PREFIX,
    SCHEDULE_PREFIX,
    BackfillRow,
    FiredRun,
    OrderRow,
    ScheduleRow,
    parse_backfill_row,
    parse_order_row,
    parse_schedule_row,
)
from farandole.scheduler.facts import RunChange, RunCursor

log = structlog.get_logger()

BOOKS_KEY = b"books"

WatchingRow = ScheduleRow | BackfillRow
"""A row with runs."""


class BooksRow(RowModel):
    """How far `farandole.runs` is read; the row of the key `books`."""

    cursor: Mapping[int, int] = {}


class UnplacedRun(NamedTuple):
    """A run whose id is not known, because its trigger was published by an earlier owner of the
    lane."""

    key: bytes
    """Of the row that watches it."""
    run: FiredRun


class SchedulerState:
    """The rows of the lane."""

    def __init__(self) -> None:
        self._watching: dict[bytes, WatchingRow] = {}
        self._by_run: dict[str, set[bytes]] = {}
        self.orders: dict[bytes, OrderRow] = {}
        self._books = BooksRow()
        self._has_moved = False
        self._changed: dict[bytes, BaseModel | bytes | None] = {}
        """What is to be written; None deletes a row."""

    def restore(self, rows: Mapping[bytes, bytes]) -> None:
        """Replace everything by the rows that are committed. Raises NewerFormatError."""
        self.__init__()  # type: ignore[misc]
        for key, value in rows.items():
            try:
                self._restore_row(key, value)
            except ValidationError:
                log.warning("state.foreign", key=key.decode(errors="backslashreplace"))

    def _restore_row(self, key: bytes, value: bytes) -> None:
        if key.startswith(SCHEDULE_PREFIX):
            self._watch(key, parse_schedule_row(value))
        elif key.startswith(BACKFILL_PREFIX):
            self._watch(key, parse_backfill_row(value))
        elif key.startswith(ORDER_PREFIX):
            self.orders[key] = parse_order_row(value)
        elif key == BOOKS_KEY:
            check_json_format("schedule row", value)
            self._books = BooksRow.model_validate_json(value)

    # -- schedules and backfills

    def schedule(self, key: bytes) -> ScheduleRow | None:
        """Return the row of a schedule; None if there is none."""
        row = self._watching.get(key)
        return row if isinstance(row, ScheduleRow) else None

    def backfill(self, key: bytes) -> BackfillRow | None:
        """Return the row of a backfill; None if there is none."""
        row = self._watching.get(key)
        return row if isinstance(row, BackfillRow) else None

    def rows(self) -> Collection[WatchingRow]:
        """Return the rows of all schedules and backfills."""
        return self._watching.values()

    def put(self, row: WatchingRow) -> None:
        """Replace the row of a schedule or a backfill, which is to be written."""
        self._watch(row.key, row)
        self._changed[row.key] = row

    def delete(self, key: bytes) -> None:
        """Delete a row of any kind."""
        row = self._watching.pop(key, None)
        if row is not None:
            self._forget_runs(key, row.runs)
        self.orders.pop(key, None)
        self._changed[key] = None

    def _watch(self, key: bytes, row: WatchingRow) -> None:
        known = self._watching.get(key)
        self._watching[key] = row
        if known is not None:
            if known.runs is row.runs:
                return
            self._forget_runs(key, known.runs)
        for run in row.runs:
            if run.run is not None:
                self._by_run.setdefault(run.run, set()).add(key)

    def _forget_runs(self, key: bytes, runs: Iterable[FiredRun]) -> None:
        for run in runs:
            keys = self._by_run.get(run.run or "")
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._by_run[run.run or ""]

    # -- runs

    def unplaced_runs(self) -> list[UnplacedRun]:
        """Return the runs whose ids are not known."""
        return [
            UnplacedRun(key, run)
            for key, row in self._watching.items()
            for run in row.runs
            if run.run is None
        ]

    def place(self, key: bytes, event: str, run_id: str | None) -> FiringRecord | None:
        """Note the id of the run that the trigger with this `ce_id` has opened; None if the trigger
        is gone, so that nobody can know it. Return the firing's record with the run; None if there
        is nothing to write."""
        row = self._watching.get(key)
        found = None if row is None else _find_event(row.runs, event)
        if row is None or found is None:
            return None
        record = found.record
        state = "ended" if run_id is None else found.state
        self._replace(
            row, found, found.model_copy(update={"run": run_id, "state": state, "record": None})
        )
        if record is None or run_id is None:
            return None
        return record.model_copy(update={"run": run_id})

    def apply(self, change: RunChange) -> Collection[bytes]:
        """Note how a run stands. Return the keys of the rows that watch it."""
        keys = tuple(self._by_run.get(change.run, ()))
        for key in keys:
            row = self._watching[key]
            for run in row.runs:
                if run.run == change.run:
                    row = self._replace(row, run, _advanced(run, change))
        return keys

    def _replace(self, row: WatchingRow, run: FiredRun, now: FiredRun) -> WatchingRow:
        """Replace a run of a row; return the row. A run that has ended is watched no longer."""
        if now == run:
            return row
        kept = [now if each is run else each for each in row.runs]
        runs = tuple(each for each in kept if each.state != "ended")
        update: dict[str, object] = {"runs": runs}
        if isinstance(row, ScheduleRow) and row.last is not None and row.last.event == run.event:
            update["last"] = now
        changed = row.model_copy(update=update)
        self.put(changed)
        return changed

    # -- everything else

    @property
    def cursor(self) -> RunCursor:
        """How far `farandole.runs` is read."""
        return self._books.cursor

    def move_cursor(self, cursor: RunCursor) -> None:
        """Note how far `farandole.runs` is read. It is written with anything else that is."""
        if dict(cursor) != dict(self._books.cursor):
            self._books = self._books.model_copy(update={"cursor": dict(cursor)})
            self._has_moved = True

    def put_order(self, key: bytes, order: OrderRow) -> None:
        """Replace the row of an order, which is to be written."""
        self.orders[key] = order
        self._changed[key] = order

    def put_bytes(self, rows: Mapping[bytes, bytes | None]) -> None:
        """Write rows that others keep; None deletes one."""
        self._changed |= rows

    def take_changes(self, *, also_cursor: bool) -> list[OutgoingRecord]:
        """Return what is to be written. `also_cursor`: even if it is the cursor alone."""
        changed, self._changed = self._changed, {}
        if self._has_moved and (changed or also_cursor):
            changed[BOOKS_KEY] = self._books
            self._has_moved = False
        return [OutgoingRecord(key, _row_value(row)) for key, row in changed.items()]


def _find_event(runs: Iterable[FiredRun], event: str) -> FiredRun | None:
    return next((run for run in runs if run.event == event and run.run is None), None)


def _advanced(run: FiredRun, change: RunChange) -> FiredRun:
    """Return how a run stands after a record of `farandole.runs`."""
    has_ended = change.is_deleted or change.closed is not None
    state = "ended" if has_ended else "running"
    status = run.status if change.is_deleted else change.status
    if (run.state, run.status) == (state, status):
        return run
    return run.model_copy(update={"state": state, "status": status})


def _row_value(row: BaseModel | bytes | None) -> bytes | None:
    """Return the value of a row's record; None, a tombstone, if the row is deleted."""
    if row is None or isinstance(row, bytes):
        return row
    return row.model_dump_json(exclude_defaults=True).encode()
