"""Which runs does a lane of the bookkeeper keep, and for how long?

Rows are kept as the bytes of their records in `farandole.runs`. That topic is the lane's state, and
it is what all readers read. A row is decoded only while entries are folded into it. So the row of a
run that is complete is validated only if another entry comes for it: a lane has up to 100,000 of
them, and whoever takes it over must not need seconds to look at each.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Set
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import orjson
import structlog

from farandole.events.ledger_entry import LedgerEntry, RunPart
from farandole.events.record_time import MAX_TIME_MS
from farandole.events.run_row import RunRow, parse_run_row
from farandole.ledger.run_completion import (
    CLOSING,
    RunTransition,
    completion_deadline,
    waits_in,
)
from farandole.ledger.run_fold import fold_part

RUN_RETENTION_MS = 7 * 86_400_000  # the retention of the ledger itself
LETTER_RETENTION_MS = 30 * 86_400_000  # the retention of dead letters
MAX_CLOSED_RUNS = 100_000  # complete runs of one lane
NEW_ROW_BYTES = 600  # assumed for a row that was never written

log = structlog.get_logger()

_CLOSED = re.compile(rb'"closed":(\d{1,15}),')  # not inside a text: its quotes would be escaped
_FORMAT = b'"format":'

_TRANSITION_RANK: Mapping[RunTransition, int] = {
    "progressed": 0,
    "opened": 1,
    "amended": 2,
    "completed": 3,
    "settled": 3,
}


class RunChange(NamedTuple):
    """The change of a run in one transaction; a row of None deletes it."""

    run: bytes
    row: bytes | None
    transition: RunTransition | None
    """None if the row is deleted."""


class RunStore:
    """The run rows of one lane.

    The caller takes changes, writes and commits them; if that fails, it calls `restore` with the
    rows that are committed."""

    def __init__(
        self,
        *,
        retention_ms: int = RUN_RETENTION_MS,
        letter_retention_ms: int = LETTER_RETENTION_MS,
        max_closed: int = MAX_CLOSED_RUNS,
    ) -> None:
        """A row to which nothing is added for `retention_ms` milliseconds is deleted; that of a run
        with dead letters after `letter_retention_ms`, because a replay of one amends it. Of the
        complete runs, only the newest `max_closed` are kept, and as many more with dead
        letters."""
        self._retention_ms = retention_ms
        self._letter_retention_ms = letter_retention_ms
        self._max_closed = max_closed
        self._reset()

    def _reset(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._open: OrderedDict[bytes, int] = OrderedDict()
        """By run: when a part was last added to it. The run with the earliest time comes first."""
        self._closed: deque[tuple[int, bytes]] = deque()
        """Pairs (time of completion, run), the earliest first."""
        self._with_letters: list[tuple[int, bytes]] = []
        """A heap of pairs (time of deletion, run) for rows that are kept only for the dead letters
        of their run."""
        self._deadlines: list[tuple[int, bytes]] = []
        """A heap of pairs (deadline, run) for open runs. The pair of a run that completes stays
        until its deadline."""
        self._changed: dict[bytes, tuple[RunRow, RunTransition]] = {}
        self._late_resolved: list[RunRow] = []
        self.changed_bytes = 0
        """The approximate size of the rows that have changed."""

    def restore(self, table: Mapping[bytes, bytes]) -> int:
        """Replace everything by the rows in a table, and return how many of them are seen to be no
        run rows. Raises NewerFormatError."""
        self._reset()
        foreign = 0
        opened: list[tuple[int, bytes]] = []
        closed: list[tuple[int, bytes]] = []
        for run, value in table.items():
            completed = _completion_time(value)
            if completed is not None:
                self._rows[run] = value
                closed.append((completed, run))
                continue
            row = parse_run_row(value)
            # A row whose status only a newer bookkeeper knows is kept.
            if row is None or row["run"].encode() != run:
                foreign += 1
                continue
            self._rows[run] = value
            if row["closed"] is not None:
                closed.append((row["closed"], run))
                continue
            opened.append((row["last"], run))
            self._schedule_deadline(run, row)
        self._open = OrderedDict((run, last) for last, run in sorted(opened))
        self._closed = deque(sorted(closed))
        return foreign

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def open_count(self) -> int:
        """The number of runs that are not complete."""
        return len(self._open)

    def __getitem__(self, run: bytes) -> RunRow | None:
        """Return the row of a run after the last part that was added; None if there is none."""
        if run in self._changed:
            return self._changed[run][0]
        return self._decode_row(run)

    def _decode_row(self, run: bytes) -> RunRow | None:
        """Return the row of a run as it was last written; None if there is none. What turns out to
        be no run row is logged and forgotten."""
        value = self._rows.get(run)
        if value is None:
            return None
        row = parse_run_row(value)
        if row is None or row["run"].encode() != run:
            log.warning("books.foreign", run=run.decode(errors="backslashreplace"))
            del self._rows[run]
            self._closed = deque(each for each in self._closed if each[1] != run)
            return None
        return row

    def apply_part(self, part: RunPart, entry: LedgerEntry, events: int) -> None:
        """Fold a part of a valid entry into its run. `events` is how many events the whole entry
        settled."""
        run = part["run"].encode()
        before: RunTransition = "progressed"
        found = self._changed.get(run)
        row: RunRow | None = None
        if found is not None:
            row, before = found
        else:
            row = self._decode_row(run)
            self.changed_bytes += len(self._rows.get(run, b"")) or NEW_ROW_BYTES
        was_late = row is not None and row["late"]
        row, transition = fold_part(row, part, entry, events)
        if transition in CLOSING and was_late:
            self._late_resolved.append(row)
        self._changed[run] = (
            row,
            transition if _TRANSITION_RANK[transition] > _TRANSITION_RANK[before] else before,
        )

    def is_closed(self, run: str) -> bool:
        """Return True if a run is known, and has ended."""
        row = self[run.encode()]
        return row is not None and row["closed"] is not None

    def changed_runs(self) -> list[RunRow]:
        """Return the runs that have changed since changes were taken last; what is set in their
        rows is written with them."""
        return [row for row, _ in self._changed.values()]

    def closing_runs(self) -> list[RunRow]:
        """Return the runs that have ended since changes were taken last."""
        return [row for row, transition in self._changed.values() if transition in CLOSING]

    def mark_late(
        self, now: int, throttled: Set[tuple[str, str]] = frozenset()
    ) -> Iterator[RunRow]:
        """Mark the open runs that should be complete by now as late, and yield each of them once.
        `throttled`: pairs of a pipeline and a stage whose throttle holds events back now. A run
        with an event there is not late, and gets its time anew."""
        if len(self._deadlines) > 2 * len(self._open) + 1000:
            self._deadlines = [(at, run) for at, run in self._deadlines if run in self._open]
            heapify(self._deadlines)
        while self._deadlines and self._deadlines[0][0] < now:
            _, run = heappop(self._deadlines)
            row = self[run] if run in self._open else None
            # A run is among the open ones until the changes are taken, also if it has completed.
            if row is not None and not row["late"] and row["closed"] is None:
                transition: RunTransition = (
                    self._changed[run][1] if run in self._changed else "progressed"
                )
                if throttled and waits_in(row, throttled):
                    excused: RunRow = {**row, "throttled": now}
                    self._changed[run] = excused, transition
                    self._schedule_deadline(run, excused)
                    continue
                late: RunRow = {**row, "late": True}
                self._changed[run] = late, transition
                yield late

    def take_no_longer_late(self) -> list[RunRow]:
        """Return the runs that were late, and are complete or deleted since the last call."""
        rows, self._late_resolved = self._late_resolved, []
        return rows

    def take_changes(self, now: int) -> list[RunChange]:
        """Return the runs that have changed since the last call, and those that are deleted because
        they are too old or too many. They are to be written in one transaction."""
        changes = []
        for run, (row, transition) in self._changed.items():
            # Copied, because the bytes that orjson returns occupy its whole buffer.
            value = bytes(memoryview(orjson.dumps(row)))
            changes.append(RunChange(run, value, transition))
            self._rows[run] = value
            if transition in CLOSING:
                self._open.pop(run, None)
                self._closed.append((now, run))
            elif row["closed"] is None:
                if run not in self._open:
                    self._schedule_deadline(run, row)
                self._open[run] = now
                self._open.move_to_end(run)
        self._changed = {}
        self.changed_bytes = 0
        return changes + [RunChange(run, None, None) for run in self._expire(now)]

    def _schedule_deadline(self, run: bytes, row: RunRow) -> None:
        deadline = completion_deadline(row)
        if deadline is not None and not row["late"]:
            heappush(self._deadlines, (deadline, run))

    def _expire(self, now: int) -> Iterator[bytes]:
        """Delete the rows that are too old or too many, and yield their runs."""
        limit = now - self._retention_ms
        while self._closed and (len(self._closed) > self._max_closed or self._closed[0][0] < limit):
            yield from self._delete(self._closed.popleft()[1], now)
        # Nothing was added for the whole retention, so the events it waits for are deleted.
        while self._open and next(iter(self._open.values())) < limit:
            yield from self._delete(self._open.popitem(last=False)[0], now)
        kept = self._with_letters
        while kept and (len(kept) > self._max_closed or kept[0][0] < now):
            _, run = heappop(kept)
            if run not in self._open:  # something was added since
                yield from self._delete(run, now, keep=len(kept) < self._max_closed)

    def _delete(self, run: bytes, now: int, *, keep: bool = True) -> Iterator[bytes]:
        """Delete a row and yield its run; with `keep`, only if no dead letter of the run is
        kept."""
        row = self._decode_row(run)
        if row is None:
            return
        ends = row["last"] + self._letter_retention_ms
        if keep and ends >= now and any(edge["dead"] > 0 for edge in row["edges"].values()):
            heappush(self._with_letters, (ends, run))
            return
        del self._rows[run]
        if row["late"] and row["closed"] is None:
            self._late_resolved.append(row)
        yield run


def _completion_time(value: bytes) -> int | None:
    """Return when the run of a row was completed, in milliseconds of the epoch, without decoding
    the row. None if that cannot be seen: the run is open, the row is none of ours or has a format,
    which must be judged."""
    found = _CLOSED.search(value)
    if found is None or _FORMAT in value:
        return None
    completed = int(found[1])
    return completed if completed <= MAX_TIME_MS else None
