"""In which order are a lane's events handled, and what goes into one transaction?"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from operator import length_hint
from typing import Any, NamedTuple

from farandole.events.outcome import Outcome
from farandole.events.record import Partition, Record
from farandole.events.retry_record import ParkedEvent
from farandole.lanes.lane_port import StateTables
from farandole.lanes.lane_work import BatchResult, DeferredEvents
from farandole.worker.admission import Admission
from farandole.worker.counters import Counters
from farandole.worker.dead_letter_writer import DeadLetterWriter
from farandole.worker.event_facts import describe_events
from farandole.worker.event_path import EventPaths
from farandole.worker.execution import Execution
from farandole.worker.invoker import Invoker
from farandole.worker.ledger_entries import EdgeAccount, event_id_of
from farandole.worker.limits import MAX_TRANSACTION_AGE, MAX_TRANSACTION_BYTES, TIME_SLICE
from farandole.worker.lineage import LOOKUP_ERRORS, LineageResolver, root_run_id
from farandole.worker.log_origin import logged_as
from farandole.worker.parked_events import queue_key_of
from farandole.worker.parked_memory import ParkedMemory
from farandole.worker.retry_executor import RetryExecutor
from farandole.worker.retry_queue import RetryQueue, Turn
from farandole.worker.transaction_buffer import TransactionBuffer


class LaneTopics(NamedTuple):
    """The topics that a lane writes to, besides those of its results."""

    dead: str
    ledger: str
    retry: str | None = None
    """None if no event can be parked, and every try is made in place."""
    alerts: str = ""
    """Where the alerts of the circuit breaker are written; unused without `retry`."""


class LaneProcessor:
    """The work of one lane of a stage: `farandole.lanes.lane_work.LaneWork`."""

    def __init__(
        self,
        invoker: Invoker,
        lineages: LineageResolver,
        topics: LaneTopics,
        lane: int,
        *,
        on_committed: Callable[[Counters], None],
        cancelled_runs: Callable[[], Set[bytes]] = frozenset,
        parked_memory: ParkedMemory | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`on_committed` gets the counts of each committed transaction; `cancelled_runs` returns
        the runs of which no event is handled; `parked_memory` is shared by the lanes of a process.
        `clock` returns seconds of the epoch. `monotonic`
        returns seconds that never go back; it ends slices of time and transactions, so a simulation
        passes a fixed one."""
        self._stage = invoker.stage
        self._invoker = invoker
        self._lineages = lineages
        self._ledger_topic = topics.ledger
        self._lane = lane
        self._on_committed = on_committed
        self._cancelled_runs = cancelled_runs
        self._clock = clock
        self._monotonic = monotonic
        self._has_just_opened = False
        retry_partition = None if topics.retry is None else Partition(topics.retry, lane)
        memory = parked_memory or ParkedMemory()
        self._retry_queue = RetryQueue(
            invoker, lineages, retry_partition, topics.alerts, clock, memory
        )
        self.dead_letters = DeadLetterWriter(invoker.stage, topics.dead, lineages)
        self._paths = EventPaths(invoker)
        self._admission = Admission(
            invoker.stage, lineages, self._paths, self.dead_letters, cancelled_runs
        )
        self._execution = Execution(invoker, monotonic)
        self._executor = RetryExecutor(
            invoker.settings.retry,
            self._admission,
            self._execution,
            self._retry_queue,
            self.dead_letters,
            clock,
        )

    # -- lanes.lane_work.LaneWork

    @property
    def deferred(self) -> DeferredEvents | None:
        return self._retry_queue.deferred

    def open(self, tables: StateTables) -> None:
        self._has_just_opened = True
        if self.deferred is not None:
            self._retry_queue.restore(tables[self.deferred.state_input.topic])

    def on_idle(self) -> BatchResult | None:
        self._retry_queue.input_idle()
        return None

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        try:
            with logged_as(self._describe_call):
                return await self._handle(records)
        finally:
            self._execution.handled = ()

    async def _handle(self, records: Sequence[Record]) -> BatchResult:
        buffer, queue = self.new_buffer(), self._retry_queue
        self._lineages.start_batch()
        if self._has_just_opened:
            # The lane may have opened because a topic was created again: which life this is decides
            # the ids, and only the newest version says it.
            await self._lineages.refresh()
            self._has_just_opened = False
        began = self._monotonic()
        ends = began + MAX_TRANSACTION_AGE
        are_parked = isinstance(records[0], ParkedEvent)  # all of the batch or none
        done = rows = group_end = 0
        while done < len(records) and not queue.is_blocking:
            if done == group_end:
                group_end = self._end_of_group(records, done)
            turn = queue.admit(buffer, records[done])
            if turn is Turn.ROW:
                done, rows = done + 1, rows + 1
            elif turn is Turn.SKIP:
                done += 1
            elif self._invoker.signature.takes_batch:
                end = min(group_end, done + queue.limit(records[done]))
                done += await self._executor.settle_batch(buffer, records[done:end])
            elif turn is Turn.BLOCKED:
                await self._executor.defer(buffer, records[done])
                done += 1
            elif self._execution.is_straight and not are_parked:
                waiting = iter(records[done:group_end])
                at_work = partial(self._describe_last_of, waiting, records, group_end)
                with logged_as(at_work):
                    done, error = self._run_straight(buffer, waiting, done)
                if error is not None:
                    first_failure = None if isinstance(error, LOOKUP_ERRORS) else error
                    await self._executor.settle_one(buffer, records[done], first_failure)
                    # The traceback refers to this frame: a variable with it would be a cycle.
                    error = first_failure = None
                    done += 1
            else:
                await self._executor.settle_one(buffer, records[done])
                done += 1
            if not are_parked and queue.input_done(done - rows):
                break
            full = buffer.bytes + buffer.accounts.estimated_bytes >= MAX_TRANSACTION_BYTES
            if full or self._monotonic() >= ends:
                break
            await self._execution.yield_to_loop()
        if not are_parked:  # parked events were counted as consumed when they came
            buffer.counters.consumed += done - rows
        queue.flush(buffer, records[0])
        return self._close_transaction(done, buffer, self._monotonic() - began)

    def new_buffer(self) -> TransactionBuffer:
        """Return the buffer of a transaction that begins now."""
        return TransactionBuffer(self._stage, self._clock())

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        buffer = self.new_buffer()
        buffer.counters.consumed += not isinstance(record, ParkedEvent)
        await self._lineages.refresh()
        lineage = self._lineages.lineage_or_stray(record)
        if not self._admission.settle_if_cancelled(buffer, record, lineage):
            self.dead_letters.write_crashed(buffer, record, lineage, deaths)
        self._retry_queue.complete(buffer, record)
        return self._close_transaction(1, buffer, 0.0)

    def on_commit(self, done: BatchResult) -> None:
        self._on_committed(done.receipt)

    async def close(self) -> BatchResult | None:
        return None

    # -- inside

    def _close_transaction(
        self, done: int, buffer: TransactionBuffer, seconds: float
    ) -> BatchResult:
        entries = buffer.accounts.ledger_records(
            self._ledger_topic,
            self._invoker.pipeline,
            self._stage,
            self._lane,
            written_at=int(self._clock() * 1000),
            handling_seconds=seconds,
            is_proven=not self._invoker.settings.is_relayed,
        )
        return BatchResult(done, {**buffer.close(), **entries}, buffer.counters)

    def _end_of_group(self, records: Sequence[Record], start: int) -> int:
        """Return the end of the group of records from `start` on that are all input, or all rows of
        the retry topic."""
        if records[start].topic == records[-1].topic:
            return len(records)
        are_rows = self._retry_queue.contains_row(records[start])
        for index in range(start, len(records)):
            if self._retry_queue.contains_row(records[index]) != are_rows:
                return index
        return len(records)

    def _run_straight(
        self, buffer: TransactionBuffer, waiting: Iterator[Record], first: int
    ) -> tuple[int, BaseException | None]:
        """Handle events of the input without an await, until the slice of time ends, an event fails
        or one has to wait. `first` is the index of the first of them. Returns the index of the
        first that is not settled, and the error if that one failed, else None."""
        lineage_of, root_edge = self._lineages.lineage, self._lineages.root_edge
        account_for, path_of = buffer.accounts.account_for, self._paths.path_of
        needs_lineage = self._invoker.signature.context_parameter is not None
        blocked_keys, cancelled_runs = self._retry_queue.blocked_keys, self._cancelled_runs()
        monotonic = self._monotonic
        # Kept for the next event, which mostly has the same edge and run.
        last_edge = last_inherited = straight = edge_straight = None
        account: EdgeAccount = None  # type: ignore[assignment]  # set with `straight`
        book: Callable[[bytes], None] = None  # type: ignore[assignment]
        root_run: bytes | None = None
        outcomes: dict[Outcome, int] = {}  # of `account`, but for HANDLED
        at, untried = first, 0
        slice_ends = monotonic() + TIME_SLICE
        for record in waiting:
            if blocked_keys and queue_key_of(record) in blocked_keys:
                break
            try:
                raw = record.value
                if record.headers or needs_lineage:
                    lineage = lineage_of(record)
                    edge, inherited = lineage.edge, lineage.inherited
                    if lineage.data is not None:
                        raw = lineage.data
                else:
                    lineage = None
                    edge, inherited = root_edge(record)
                if edge is not last_edge:
                    path = path_of(edge)
                    edge_straight = None if path is None else path.open(buffer).straight
                if inherited is not last_inherited or edge is not last_edge:
                    last_inherited, last_edge, straight = inherited, edge, edge_straight
                    if outcomes:
                        untried += buffer.count_all(account, outcomes)
                    if straight is not None:
                        run = root_run_id(inherited) if lineage is None else lineage.run
                        is_root = lineage is None or lineage.is_root
                        account = account_for(edge, run, record, is_root=is_root)
                        book, root_run = account.ids.append, run if is_root else None
                        if cancelled_runs and run in cancelled_runs:
                            straight = _settle_cancelled
                if straight is None:  # the version does not send the event here: it is not counted
                    untried += 1
                    at += 1
                    continue
                outcome = straight(record, raw or b"", lineage, inherited, account)
            except BaseException as raised:  # noqa: BLE001 -- without an await there is no cancellation
                # No variable of this frame may keep the error: with its traceback that is a cycle,
                # and the buffer would be left to the garbage collector.
                self._count_tries(buffer, account, outcomes, at - first - untried)
                return at, raised
            if outcome is not None:
                outcomes[outcome] = outcomes.get(outcome, 0) + 1
            book(event_id_of(record) if root_run is None else root_run)
            at += 1
            if monotonic() >= slice_ends or buffer.bytes >= MAX_TRANSACTION_BYTES:
                break
        self._count_tries(buffer, account, outcomes, at - first - untried)
        return at, None

    def _describe_call(self) -> Mapping[str, Any]:
        """Return what describes the call under way, which is none of `_run_straight`."""
        return describe_events(self._stage, self._execution.handled)

    def _describe_last_of(
        self, waiting: Iterator[Record], records: Sequence[Record], end: int
    ) -> Mapping[str, Any]:
        """Return what describes the record that `waiting` gave last: an iterator over the records
        before `end`, which counts, so the loop over it need not."""
        record = records[end - length_hint(waiting) - 1]
        lineage = self._lineages.lineage_or_stray(record)
        return describe_events(self._stage, ((record, lineage),))

    def _count_tries(
        self,
        buffer: TransactionBuffer,
        account: EdgeAccount,
        outcomes: dict[Outcome, int],
        tries: int,
    ) -> None:
        """Count the outcomes of `account` that are not counted yet, and the tries that succeeded:
        `tries`, less those of these outcomes for which the function was not called."""
        if outcomes:
            tries -= buffer.count_all(account, outcomes)
        if tries > 0:
            self._retry_queue.count_successes(tries)


def _settle_cancelled(*_: object) -> Outcome:
    return Outcome.CANCELLED
