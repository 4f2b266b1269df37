"""Which runs does a lane remember, and for how long?

Rows are kept as they stand in `farandole.runs`, which is both what everybody reads and the lane's
state; they become objects only while entries are folded into them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, NamedTuple, cast

import orjson

from farandole.events.ledger_entry import LedgerEntry, RunPart
from farandole.events.run_row import RUN_STATUSES, RunRow
from farandole.ledger.run_fold import RunTransition, completion_deadline, fold_part

RUN_RETENTION_MS = 7 * 86_400_000  # milliseconds: what the ledger itself keeps
MAX_CLOSED_RUNS = 100_000  # rows of runs that are over
NEW_ROW_BYTES = 600  # bytes that a row is taken to have before it was ever written

_TRANSITION_RANK: Mapping[RunTransition, int] = {
    "progressed": 0,
    "opened": 1,
    "amended": 2,
    "completed": 3,
}


class RunChange(NamedTuple):
    """What became of a run in one transaction; no row: it is forgotten."""

    run: bytes
    row: bytes | None
    what: RunTransition | None


class RunStore:
    """The rows of one lane. Changes are taken, written and committed, or the book is restored."""

    def __init__(
        self, *, retention: int = RUN_RETENTION_MS, most_closed: int = MAX_CLOSED_RUNS
    ) -> None:
        """`retention` in milliseconds, of rows that nothing is added to."""
        self._retention = retention
        self._most_closed = most_closed
        self._clear()

    def _clear(self) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._open: OrderedDict[bytes, int] = OrderedDict()
        """When something was last added to it, the longest ago first."""
        self._closed: deque[tuple[int, bytes]] = deque()
        """When it was over, the earliest first."""
        self._due: list[tuple[int, bytes]] = []
        """By when runs that were open after a transaction are expected to be complete: a heap."""
        self._changed: dict[bytes, tuple[RunRow, RunTransition]] = {}
        self._no_more_late: list[RunRow] = []
        self.size = 0
        """Bytes of the rows that have changed, nearly."""

    def restored(self, table: Mapping[bytes, bytes]) -> int:
        """Begin with these rows; how many of them are none."""
        self._clear()
        foreign = 0
        opened: list[tuple[int, bytes]] = []
        closed: list[tuple[int, bytes]] = []
        for run, value in table.items():
            row = _restorable_row(value)
            if row is None:
                foreign += 1
                continue
            self._rows[run] = value
            if row["closed"] is not None:
                closed.append((row["closed"], run))
                continue
            opened.append((row["last"], run))
            self._expect(run, row)
        self._open = OrderedDict((run, last) for last, run in sorted(opened))
        self._closed = deque(sorted(closed))
        return foreign

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def open(self) -> int:
        return len(self._open)

    def __getitem__(self, run: bytes) -> RunRow | None:
        """As of the last part that was added."""
        if run in self._changed:
            return self._changed[run][0]
        value = self._rows.get(run)
        return None if value is None else cast(RunRow, orjson.loads(value))

    def add(self, part: RunPart, entry: LedgerEntry, events: int) -> None:
        """Fold a part of a sound entry, of which `events` are all that it settled."""
        run = part["run"].encode()
        before: RunTransition = "progressed"
        found = self._changed.get(run)
        row: RunRow | None = None
        if found is not None:
            row, before = found
        else:
            value = self._rows.get(run)
            if value is not None:
                row = orjson.loads(value)
            self.size += NEW_ROW_BYTES if value is None else len(value)
        was_late = row is not None and row["late"]
        row, what = fold_part(row, part, entry, events)
        if what == "completed" and was_late:
            self._no_more_late.append(row)
        self._changed[run] = (
            row,
            what if _TRANSITION_RANK[what] > _TRANSITION_RANK[before] else before,
        )

    def late(self, now: int) -> Iterator[RunRow]:
        """Open runs that should be complete by now: each is marked so, and given once."""
        if len(self._due) > 2 * len(self._open) + 1000:
            self._due = [(at, run) for at, run in self._due if run in self._open]
            heapify(self._due)
        while self._due and self._due[0][0] < now:
            _, run = heappop(self._due)
            row = self[run] if run in self._open else None
            if row is not None and not row["late"]:
                what: RunTransition = (
                    self._changed[run][1] if run in self._changed else "progressed"
                )
                late: RunRow = {**row, "late": True}
                self._changed[run] = late, what
                yield late

    def no_more_late(self) -> list[RunRow]:
        """What `late` gave once, and is complete or forgotten since the last time."""
        rows, self._no_more_late = self._no_more_late, []
        return rows

    def taken(self, now: int) -> list[RunChange]:
        """What has changed since the last time, and what is forgotten, to be written together."""
        changes = []
        for run, (row, what) in self._changed.items():
            # A copy: what orjson gives keeps the room in which it was made.
            value = bytes(memoryview(orjson.dumps(row)))
            changes.append(RunChange(run, value, what))
            self._rows[run] = value
            if what == "completed":
                self._open.pop(run, None)
                self._closed.append((now, run))
            elif row["closed"] is None:
                if run not in self._open:
                    self._expect(run, row)
                self._open[run] = now
                self._open.move_to_end(run)
        self._changed = {}
        self.size = 0
        return changes + [RunChange(run, None, None) for run in self._forgotten(now)]

    def _expect(self, run: bytes, row: RunRow) -> None:
        expected = completion_deadline(row)
        if expected is not None and not row["late"]:
            heappush(self._due, (expected, run))

    def _forgotten(self, now: int) -> Iterator[bytes]:
        limit = now - self._retention
        while self._closed and (
            len(self._closed) > self._most_closed or self._closed[0][0] < limit
        ):
            _, run = self._closed.popleft()
            del self._rows[run]
            yield run
        # Seven days without a word: the events that it still waits for are in no topic any more.
        while self._open and next(iter(self._open.values())) < limit:
            run, _ = self._open.popitem(last=False)
            row: RunRow = orjson.loads(self._rows.pop(run))
            if row["late"]:
                self._no_more_late.append(row)
            yield run


def _restorable_row(value: bytes) -> RunRow | None:
    """The row in a record; None where the bookkeeper did not write it."""
    try:
        row: Any = orjson.loads(value)
        known = (
            row["status"] in RUN_STATUSES
            and type(row["last"]) is type(row["opened"]) is int
            and (row["closed"] is None or type(row["closed"]) is int)
            and type(row["edges"]) is dict
            and "root" in row
        )
        return row if known else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
