"""Which ledger entries does a transaction write about the events that it settles?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import cast

import orjson

from farandole.events.canary_counts import CanaryCounts
from farandole.events.envelope import REPEATED_RUN_HEADER
from farandole.events.flag_counts import FlagCounts
from farandole.events.ledger_entry import (
    UNPROVEN_ENTRY_FORMAT,
    ConsumedCounts,
    EmittedCounts,
    LedgerEntry,
    RunPart,
    RunRoot,
    hash_event_ids,
    ledger_partition,
)
from farandole.events.outcome import Outcome, OutcomeCounts
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.record_time import past_time_ms
from farandole.events.retry_record import ParkedEvent
from farandole.events.run_ids import RUN_ID_PATTERN
from farandole.events.schedule_origin import add_origin
from farandole.worker.input_edge import ID_HEADER, ID_INDEX, InputEdge
from farandole.worker.output_routing import Output

MAX_ENTRY_BYTES = 256 * 1024  # of one record; the part of a run is never split
_MAX_PARTS = 500  # of one record; fewer only where they are large
_PART_BYTES = 240  # bytes, about, that a run adds to an entry

_NO_LINES: Mapping[Output, int] = {}


class EdgeAccount:
    """What one transaction does with the events of one type in one run."""

    # Class attributes as defaults: where each event opens a run, an account is made for each event,
    # and what few accounts need must cost nothing.
    outcomes = OutcomeCounts()
    """How many of the events had an outcome other than HANDLED. Each event of the retry topic that
    is settled counts as -1 PARKED."""
    lines = 0
    """Data lines, if an event can have several."""
    emitted_values: Mapping[Output, list[bytes]] = MappingProxyType({})
    """The data of emitted events that are profiled where they are emitted."""
    consumed_values: list[bytes] | None = None
    """The data of the event of each of `ids`; None if the stage does not profile them."""
    consumed_at: list[int] | None = None
    """The timestamp of each of them; None if they are profiled for the run."""

    def __init__(self, edge: InputEdge, run: bytes, record: Record, is_root: bool) -> None:
        self.edge = edge
        self.run = run
        self.record = record
        """The first of them: the oldest, since a partition is in the order of time."""
        self.is_root = is_root
        self.ids: list[bytes] = []
        self.emitted_ids: dict[Output, list[bytes]] = {}
        """The ids of emitted events by output; a list is empty if its results were taken back."""
        self.emitted_lines: Mapping[Output, int] = _NO_LINES

    def keep_consumed(self) -> None:
        """Keep the data of what is consumed from now on."""
        self.consumed_values = []
        if not self.edge.version.events[self.edge.event_type].is_by_run:
            self.consumed_at = []

    @property
    def settles(self) -> bool:
        """True if an event was settled; False if the account only has what an event that is settled
        under another version has caused."""
        return bool(self.ids or self.outcomes)

    def add_emitted_lines(self, output: Output, lines: int) -> None:
        """Count the lines of an emitted event whose data are a list."""
        counted = self.emitted_lines.get(output, 0) + lines
        self.emitted_lines = {**self.emitted_lines, output: counted}

    def keep_value(self, output: Output, value: bytes) -> None:
        """Keep the data of an emitted event that is profiled here."""
        if output not in self.emitted_values:
            self.emitted_values = {**self.emitted_values, output: []}
        self.emitted_values[output].append(value)

    def count(self, outcome: Outcome, number: int = 1) -> None:
        """Add `number` to one outcome."""
        if self.outcomes is EdgeAccount.outcomes:
            self.outcomes = OutcomeCounts()
        self.outcomes.count(outcome, number)

    def settle(self, record: Record, value: bytes) -> None:
        """Count one event, whose data are `value`, as consumed. A parked event was counted when it
        was parked: it is counted as no longer parked."""
        if isinstance(record, ParkedEvent):
            self.count(Outcome.PARKED, -1)
            return
        self.ids.append(self.run if self.is_root else event_id_of(record))
        if self.consumed_values is not None:
            self.consumed_values.append(value)
        if self.consumed_at is not None:
            self.consumed_at.append(record.timestamp)


class TransactionAccounts:
    """The accounts of one transaction of a lane of the stage `stage`."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._accounts: dict[InputEdge, dict[bytes, EdgeAccount]] = {}
        self._unwritten: EdgeAccount | None = None

    def account_for(
        self, edge: InputEdge, run: bytes, record: Record, *, is_root: bool
    ) -> EdgeAccount:
        """Return the account of a run's events of one type. For a version that was published before
        the ledger existed it is an account that is never written."""
        if not edge.version.ledger:
            if self._unwritten is None:
                self._unwritten = EdgeAccount(edge, run, record, is_root)
            return self._unwritten
        runs = self._accounts.get(edge)
        if runs is None:
            runs = self._accounts[edge] = {}
        account = runs.get(run)
        if account is None:
            account = runs[run] = EdgeAccount(edge, run, record, is_root)
            if edge.profiled_by == self._stage:
                account.keep_consumed()
        return account

    def each(self) -> Iterator[EdgeAccount]:
        """Yield every account, also one that is never written."""
        for runs in self._accounts.values():
            yield from runs.values()
        if self._unwritten is not None:
            yield self._unwritten

    @property
    def estimated_bytes(self) -> int:
        """About how many bytes the ledger records will take."""
        return _PART_BYTES * sum(map(len, self._accounts.values()))

    def ledger_records(
        self,
        topic: str,
        pipeline: str,
        stage: str,
        lane: int,
        *,
        written_at: int,
        handling_seconds: float,
        flag_reads: Mapping[bytes, FlagCounts],
        controls: Sequence[str] = (),
        is_proven: bool = True,
    ) -> dict[Partition, list[OutgoingRecord]]:
        """Return the records for the ledger; `written_at`: milliseconds of the epoch; `flag_reads`:
        by run; `controls`: the documents that were in force. `is_proven` is False if nobody can
        know whether all results are there.

        The part of a run is never split; its record goes to the partition of the run.
        """
        by_partition: dict[int, list[list[EdgeAccount]]] = {}
        total = 0
        for run, accounts in self._by_run():
            total += sum(len(account.ids) for account in accounts)
            number = ledger_partition(run, accounts[0].edge.version.ledger)
            by_partition.setdefault(number, []).append(accounts)
        each = handling_seconds / (total or 1)
        return {
            Partition(topic, number): [
                OutgoingRecord(None, value)
                # No more parts at once than fit into one record: the garbage collector would walk
                # through all of them.
                for first in range(0, len(runs), _MAX_PARTS)
                for value in _entry_values(
                    pipeline,
                    stage,
                    lane,
                    written_at,
                    each,
                    is_proven,
                    controls,
                    [
                        _run_part(each, written_at, flag_reads)
                        for each in runs[first : first + _MAX_PARTS]
                    ],
                )
            ]
            for number, runs in by_partition.items()
        }

    def _by_run(self) -> Iterator[tuple[bytes, list[EdgeAccount]]]:
        """Yield each run with those of its accounts that have something to tell, of one version.

        A replay can emit events of a newer version than that of its run. Newer versions come first:
        if the event were settled before its results are counted, its run could seem complete."""
        found: dict[int, dict[bytes, list[EdgeAccount]]] = {}
        for edge, runs in self._accounts.items():
            of_version = found.setdefault(edge.version.version, {})
            for run, account in runs.items():
                if account.ids or account.outcomes or any(account.emitted_ids.values()):
                    of_version.setdefault(run, []).append(account)
        for version in sorted(found, reverse=True):
            yield from found[version].items()


def canary_entry(pipeline: str, stage: str, lane: int, canary: CanaryCounts, *, at: int) -> bytes:
    """Return the entry with what a lane has observed under a canary; `at`: milliseconds of the
    epoch."""
    entry: LedgerEntry = {
        "pipeline": pipeline,
        "stage": stage,
        "lane": lane,
        "at": at,
        "seconds": 0.0,
        "runs": [],
        "canary": canary,
    }
    return orjson.dumps(entry)


def event_id_of(record: Record) -> bytes:
    """Return the id of an event that a stage emitted; empty if it has none."""
    headers = record.headers
    if len(headers) > ID_INDEX and headers[ID_INDEX][0] == ID_HEADER:
        return headers[ID_INDEX][1]
    return next((value for name, value in headers if name == ID_HEADER), b"")


def _run_part(
    accounts: list[EdgeAccount], now: int, flag_reads: Mapping[bytes, FlagCounts]
) -> RunPart:
    """Return what the accounts of one run say; `now`: milliseconds of the epoch."""
    consumed: dict[str, ConsumedCounts] = {}
    emitted: dict[str, EmittedCounts] = {}
    part: RunPart = {
        "run": accounts[0].run.decode(),
        "version": accounts[0].edge.version.version,
        "in": consumed,
        "out": emitted,
    }
    for account in accounts:
        since = past_time_ms(account.record.timestamp, now)  # its producer may give it any
        if account.settles:
            settled = consumed[account.edge.event_type] = _consumed_counts(account, since)
            if account.lines:
                settled["lines"] = account.lines
        for output, ids in account.emitted_ids.items():
            if ids:
                lines = account.emitted_lines.get(output, 0)
                _add_emitted(emitted, output, ids, lines)
        if account.is_root and account.settles:
            part["root"] = _root_entry(account, since)
        # A run whose results belong to a newer version has a second part, which settles nothing.
        if flag_reads and account.settles and account.run in flag_reads:
            part["flags"] = flag_reads[account.run]
    return part


def _consumed_counts(account: EdgeAccount, oldest: int) -> ConsumedCounts:
    settled: ConsumedCounts = {
        "n": len(account.ids),
        "hash": hash_event_ids(account.ids),
        "oldest": oldest,
    }
    if account.outcomes:
        settled.update(cast(ConsumedCounts, account.outcomes.nonzero()))
    return settled


def _add_emitted(
    emitted: dict[str, EmittedCounts], output: Output, ids: list[bytes], lines: int
) -> None:
    known = emitted.get(output.event_type)
    number, total = len(ids), hash_event_ids(ids)
    if known is None:
        known = {"n": number, "hash": total, "to": output.subscribers}
        emitted[output.event_type] = known
    else:  # another input of the stage has emitted this type too
        known["n"] += number
        known["hash"] = (known["hash"] + total) % 2**64
    if lines:
        known["lines"] = known.get("lines", 0) + lines


def _root_entry(account: EdgeAccount, at: int) -> RunRoot:
    edge, record = account.edge, account.record
    root: RunRoot = {
        "type": edge.event_type,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "at": at,
        "to": edge.subscribers,
    }
    expect = edge.version.expect
    if expect.complete_within is not None:
        root["within"] = expect.complete_within
    if expect.fail_above is not None:
        root["fail_above"] = expect.fail_above
    repeated = next((value for name, value in record.headers if name == REPEATED_RUN_HEADER), None)
    if repeated is not None and RUN_ID_PATTERN.fullmatch(repeated):  # anybody may have written it
        root["again"] = repeated.decode()
    add_origin(root, record.headers)
    return root


def _entry_values(
    pipeline: str,
    stage: str,
    lane: int,
    at: int,
    each: float,
    is_proven: bool,
    controls: Sequence[str],
    parts: list[RunPart],
) -> Iterator[bytes]:
    """Yield the values of as few records as possible for all parts. `each`: seconds that handling
    one event took."""
    events = sum(settled["n"] for part in parts for settled in part["in"].values())
    entry: LedgerEntry = {
        "pipeline": pipeline,
        "stage": stage,
        "lane": lane,
        "at": at,
        "seconds": round(each * events, 6),
        "runs": parts,
    }
    if not is_proven:
        entry |= {"format": UNPROVEN_ENTRY_FORMAT, "proven": False}
    if controls:
        entry["controls"] = [*controls]
    value = orjson.dumps(entry)
    if len(value) <= MAX_ENTRY_BYTES or len(parts) == 1:
        yield value
        return
    half = len(parts) // 2
    for some in (parts[:half], parts[half:]):
        yield from _entry_values(pipeline, stage, lane, at, each, is_proven, controls, some)
