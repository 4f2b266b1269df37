"""What do the books say of the events that a transaction settles?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from farandole.events.envelope import AGAIN
from farandole.events.ids import RUN
from farandole.events.ledger import Consumed, Emitted, Entry, Part, Root, hashed, partition_of
from farandole.events.record import Outgoing, Record
from farandole.events.retry import Waiting
from farandole.lanes.port import Partition
from farandole.worker.binding import Output
from farandole.worker.wiring import Edge

ENTRY_BYTES = 256 * 1024  # of one record; a run's part is never torn
_PARTS = 500  # of one record; fewer only where they are large
_PART = 240  # bytes, about, that a run adds to an entry

_ID = "ce_id"
_ID_AT = 6
"""Where our own records have their id, among their headers."""


_NONE: Mapping[Output, int] = {}


class Account:
    """What one transaction does with the events of one type in one run."""

    # Of the class: where each event is a run of its own, what is rare must cost nothing.
    dropped = filtered = dead = cancelled = parked = 0
    lines = 0
    """Data lines, where an event may hold several."""

    def __init__(self, edge: Edge, run: bytes, record: Record, root: bool) -> None:
        self.edge = edge
        self.run = run
        self.record = record
        """The first of them: the oldest, since a partition is in the order of time."""
        self.root = root
        self.ids: list[bytes] = []
        self.outs: dict[Output, list[bytes]] = {}
        """The ids of what is emitted."""
        self.out_lines: Mapping[Output, int] = _NONE

    def emit(self, output: Output, position: bytes, lines: int = 0) -> None:
        """One more event is emitted; `position`: its id."""
        ids = self.outs.get(output)
        if ids is None:
            self.outs[output] = [position]
        else:
            ids.append(position)
        if lines:
            self.out_lines = {**self.out_lines, output: self.out_lines.get(output, 0) + lines}

    def settle(self, record: Record) -> None:
        """One event of it is settled; one that has waited was counted when it began to wait."""
        if isinstance(record, Waiting):
            self.parked -= 1
        else:
            self.ids.append(self.run if self.root else id_of(record))

    def park(self, record: Record) -> None:
        """One event of it begins to wait."""
        self.ids.append(self.run if self.root else id_of(record))
        self.parked += 1


class Accounts:
    """The accounts of one transaction of a lane."""

    def __init__(self) -> None:
        self._accounts: dict[Edge, dict[bytes, Account]] = {}
        self._unbooked: Account | None = None

    def of(self, edge: Edge, run: bytes, record: Record, *, root: bool) -> Account:
        """The account of a run's events of one type; of a version from before there were books, one
        that nobody reads."""
        if not edge.version.ledger:
            if self._unbooked is None:
                self._unbooked = Account(edge, run, record, root)
            return self._unbooked
        runs = self._accounts.get(edge)
        if runs is None:
            runs = self._accounts[edge] = {}
        account = runs.get(run)
        if account is None:
            account = runs[run] = Account(edge, run, record, root)
        return account

    @property
    def size(self) -> int:
        """Bytes that the entries will take, about."""
        return _PART * sum(map(len, self._accounts.values()))

    def entries(
        self, topic: str, pipeline: str, stage: str, lane: int, *, at: int, seconds: float
    ) -> dict[Partition, list[Outgoing]]:
        """The records for the ledger; `at`: milliseconds of the epoch, `seconds`: of handling.

        Every run's part is whole within one record, in the partition of the run.
        """
        by_partition: dict[int, list[list[Account]]] = {}
        total = 0
        for run, accounts in self._by_run().items():
            total += sum(len(account.ids) for account in accounts)
            number = partition_of(run, accounts[0].edge.version.ledger)
            by_partition.setdefault(number, []).append(accounts)
        each = seconds / (total or 1)
        return {
            Partition(topic, number): [
                Outgoing(None, value)
                # No more parts at once than one record holds: the garbage collector goes through
                # all that there are.
                for first in range(0, len(runs), _PARTS)
                for value in _entries(
                    pipeline, stage, lane, at, each, [*map(_part, runs[first : first + _PARTS])]
                )
            ]
            for number, runs in by_partition.items()
        }

    def _by_run(self) -> Mapping[bytes, list[Account]]:
        found: dict[bytes, list[Account]] = {}
        for runs in self._accounts.values():
            for run, account in runs.items():
                if account.ids or account.outs or account.parked:
                    found.setdefault(run, []).append(account)
        return found


def id_of(record: Record) -> bytes:
    """The id that an event of ours carries."""
    headers = record.headers
    if len(headers) > _ID_AT and headers[_ID_AT][0] == _ID:
        return headers[_ID_AT][1]
    return next((value for name, value in headers if name == _ID), b"")


def lines_of(data: Any) -> int:
    """How many lines a list-like event holds."""
    return len(getattr(data, "root", data))


def _part(accounts: list[Account]) -> Part:
    consumed: dict[str, Consumed] = {}
    emitted: dict[str, Emitted] = {}
    part: Part = {
        "run": accounts[0].run.decode(),
        "version": accounts[0].edge.version.version,
        "in": consumed,
        "out": emitted,
    }
    for account in accounts:
        edge = account.edge
        settled = consumed[edge.event_type] = _consumed(account)
        if account.lines:
            settled["lines"] = account.lines
        for output, ids in account.outs.items():
            _emitted(emitted, output, ids, account.out_lines.get(output, 0))
        if account.root:
            part["root"] = _root(account)
    return part


def _consumed(account: Account) -> Consumed:
    settled: Consumed = {
        "n": len(account.ids),
        "hash": hashed(account.ids),
        "oldest": account.record.timestamp,
    }
    if account.dropped:
        settled["dropped"] = account.dropped
    if account.filtered:
        settled["filtered"] = account.filtered
    if account.dead:
        settled["dead"] = account.dead
    if account.cancelled:
        settled["cancelled"] = account.cancelled
    if account.parked:
        settled["parked"] = account.parked
    return settled


def _emitted(emitted: dict[str, Emitted], output: Output, ids: list[bytes], lines: int) -> None:
    known = emitted.get(output.event_type)
    number, total = len(ids), hashed(ids)
    if known is None:
        known = {"n": number, "hash": total, "to": output.to}
        emitted[output.event_type] = known
    else:  # of another of the stage's inputs
        known["n"] += number
        known["hash"] = (known["hash"] + total) % 2**64
    if lines:
        known["lines"] = known.get("lines", 0) + lines


def _root(account: Account) -> Root:
    edge, record = account.edge, account.record
    root: Root = {
        "type": edge.event_type,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "at": record.timestamp,
        "to": edge.to,
    }
    expect = edge.version.expect
    if expect.complete_within is not None:
        root["within"] = expect.complete_within
    if expect.fail_above is not None:
        root["fail_above"] = expect.fail_above
    repeated = next((value for name, value in record.headers if name == AGAIN), None)
    if repeated is not None and RUN.fullmatch(repeated):  # anybody may have written it
        root["again"] = repeated.decode()
    return root


def _entries(
    pipeline: str, stage: str, lane: int, at: int, each: float, parts: list[Part]
) -> Iterator[bytes]:
    """As few records as hold all parts; `each`: seconds of handling an event."""
    events = sum(settled["n"] for part in parts for settled in part["in"].values())
    entry: Entry = {
        "pipeline": pipeline,
        "stage": stage,
        "lane": lane,
        "at": at,
        "seconds": round(each * events, 6),
        "runs": parts,
    }
    value = orjson.dumps(entry)
    if len(value) <= ENTRY_BYTES or len(parts) == 1:
        yield value
        return
    half = len(parts) // 2
    for some in (parts[:half], parts[half:]):
        yield from _entries(pipeline, stage, lane, at, each, some)
