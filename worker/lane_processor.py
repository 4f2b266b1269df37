"""In which order is a lane's work done, and what goes into one transaction?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set

from farandole.events.outcome import Outcome
from farandole.events.record import Partition, Record
from farandole.events.retry_record import ParkedEvent
from farandole.lanes.lane_port import StateTables
from farandole.lanes.lane_protocol import BatchResult
from farandole.worker.admission import Admission
from farandole.worker.counters import Counters
from farandole.worker.dead_letter_writer import DeadLetterWriter
from farandole.worker.execution import Execution
from farandole.worker.invoker import Invoker, event_attributes
from farandole.worker.ledger_entries import EdgeAccount, count_lines, event_id_of
from farandole.worker.limits import (
    MAX_BATCH,
    MAX_TRANSACTION_AGE,
    MAX_TRANSACTION_BYTES,
    TIME_SLICE,
)
from farandole.worker.lineage import LOOKUP_ERRORS, LineageResolver, root_run_id
from farandole.worker.output_routing import UndeclaredOutputError
from farandole.worker.parked_events import ParkedEvents, queue_key_of
from farandole.worker.retry_executor import RetryExecutor
from farandole.worker.retry_queue import RetryQueue
from farandole.worker.transaction_buffer import TransactionBuffer


class _KeyBlockedError(Exception):
    """An earlier event of its key waits."""


class LaneProcessor:
    """The work of one lane of a stage; `farandole.lanes.lane_protocol.Work`. `settled` hears of
    what was committed, `cancelled` knows the runs of which nothing is to be handled."""

    def __init__(
        self,
        caller: Invoker,
        wiring: LineageResolver,
        dead_topic: str,
        ledger: str,
        lane: int,
        *,
        settled: Callable[[Counters], None],
        cancelled: Callable[[], Set[bytes]] = frozenset,
        retries: str | None = None,
        alerts: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`retries`: the topic in which events wait; None: every try is made in place. `alerts`:
        the topic that hears when the lane holds its input. `clock`: seconds of the epoch."""
        self._stage = caller.stage
        self._caller = caller
        self._wiring = wiring
        self._ledger = ledger
        self._lane = lane
        self._settled = settled
        self._cancelled = cancelled
        place = None if retries is None else Partition(retries, lane)
        self._lot = RetryQueue(caller, wiring, place, alerts, clock)
        self._burial = DeadLetterWriter(caller.stage, dead_topic, wiring)
        self._reading = Admission(caller, wiring, self._burial, cancelled)
        self._applying = Execution(caller)
        self._trying = RetryExecutor(
            caller.stage,
            caller.bound.retry,
            self._reading,
            self._applying,
            self._lot,
            self._burial,
            clock,
        )

    # -- lanes.lane.Work

    @property
    def deferred(self) -> ParkedEvents | None:
        return self._lot.parking if self._lot.parks else None

    def open(self, tables: StateTables) -> None:
        if self.deferred is not None:
            self._lot.restored(tables[self.deferred.state_input.topic])

    def on_idle(self) -> BatchResult | None:
        self._lot.no_input()
        return None

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        draft, lot = TransactionBuffer(self._stage), self._lot
        self._wiring.begin()
        began = time.monotonic()
        ends = began + MAX_TRANSACTION_AGE
        settled = rows = end = 0
        while settled < len(records) and not lot.resting:
            record = records[settled]
            waited = isinstance(record, ParkedEvent)
            if settled == end:
                end = lot.alike(records, settled)
            if lot.is_row(record):
                lot.take_up(draft, record)
                settled, rows = settled + 1, rows + 1
            elif lot.left(record):
                settled += 1
            elif self._caller.signature.batch:
                most = MAX_BATCH if waited else min(MAX_BATCH, lot.parking.room)
                if lot.breaker.open:
                    most = 1
                settled += await self._trying.all(
                    draft, records[settled : min(end, settled + most)]
                )
            elif self._applying.straight and not waited:
                first, untried = settled, _settled_without_call(draft)
                settled, error = self._directly(draft, records, first, end)
                tries = settled - first - (_settled_without_call(draft) - untried)
                if tries > 0:
                    lot.tried(tries)
                if error is not None:
                    made = None if isinstance(error, _NOT_ATTEMPTED) else error
                    await self._trying.one(draft, records[settled], made)
                    settled += 1
            else:
                await self._trying.one(draft, record)
                settled += 1
            if lot.breaker.open and not waited and settled > rows:
                lot.breaker.input_next = False  # one is enough, were it only to stand behind
                break
            if lot.parking.at_cap and not waited:
                break
            full = draft.bytes + draft.accounts.size >= MAX_TRANSACTION_BYTES
            if full or time.monotonic() >= ends:
                break
            await self._applying.breathe()
        if not isinstance(records[0], ParkedEvent):  # that was consumed when it came
            draft.counters.consumed += settled - rows
        lot.tell(draft, records[0])
        return self._done(settled, draft, time.monotonic() - began)

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        draft = TransactionBuffer(self._stage)
        draft.counters.consumed += not isinstance(record, ParkedEvent)
        await self._wiring.look()
        lineage = self._burial.lineage(record)
        if not self._reading.called_off(draft, record, lineage):
            self._burial.killed(draft, record, lineage, deaths)
        self._lot.over(draft, record)
        return self._done(1, draft, 0.0)

    def _done(self, settled: int, draft: TransactionBuffer, seconds: float) -> BatchResult:
        entries = draft.accounts.entries(
            self._ledger,
            self._caller.pipeline,
            self._stage,
            self._lane,
            at=int(time.time() * 1000),
            seconds=seconds,
        )
        return BatchResult(settled, {**draft.writes(), **entries}, draft.counters)

    def on_commit(self, done: BatchResult) -> None:
        self._settled(done.receipt)

    async def close(self) -> BatchResult | None:
        return None

    def _directly(
        self, draft: TransactionBuffer, records: Sequence[Record], at: int, end: int
    ) -> tuple[int, BaseException | None]:
        """The straight path, without a single await: as many events as one slice of time allows,
        up to the first that fails or has to wait. Returns where it stopped, and why."""
        lineage_of, bare, decode = self._wiring.lineage, self._wiring.bare, self._reading.decode
        caller, emit, clock = self._caller, draft.emit, time.monotonic
        function, wants_context = caller.function, caller.signature.context is not None
        alone = not wants_context and caller.signature.params is None
        passes = caller.signature.passes
        accounts = draft.accounts
        known = at_edge = None
        account: EdgeAccount = None  # type: ignore[assignment]  # these are set before they are used
        settled: Callable[[bytes], None] = None  # type: ignore[assignment]
        cancelled, called_off = self._cancelled(), False
        listed, run = False, None
        queues = self._lot.parking.queues
        slice_ends = clock() + TIME_SLICE
        for record in records[at:end]:
            if queues and queue_key_of(record) in queues:
                return at, _KeyBlockedError()
            try:
                raw = record.value
                if record.headers or wants_context:
                    lineage = lineage_of(record)
                    edge, inherited = lineage.edge, lineage.inherited
                    if lineage.data is not None:
                        raw = lineage.data
                else:
                    lineage = None
                    edge, inherited = bare(record)
                outputs = edge.outputs
                if outputs is None:
                    draft.foreign += 1
                    at += 1
                    continue
                if inherited is not known or edge is not at_edge:  # most are of the last one's run
                    known, at_edge = inherited, edge
                    if lineage is None:
                        account = accounts.of(edge, root_run_id(inherited), record, root=True)
                    else:
                        account = accounts.of(edge, lineage.run, record, root=lineage.root)
                    listed, settled = edge.listed, account.ids.append
                    run = account.run if account.root else None
                    called_off = account.run in cancelled
                if called_off:
                    draft.count(account, Outcome.CANCELLED)
                elif outputs.wanted is not None and not outputs.wanted(
                    raw or b"", event_attributes(record, lineage)
                ):
                    draft.count(account, Outcome.FILTERED)
                else:
                    data = (outputs.decode or decode)(raw or b"")
                    if alone:
                        result = function(data)
                    else:
                        given = outputs.keywords
                        result = function(data, **caller.keywords(given, record, lineage, 1))
                    if passes and not outputs.names:
                        pass  # the last of its path
                    elif result is not None:
                        emit(record, edge, inherited, outputs, account, result)
                    elif outputs.names:
                        draft.count(account, Outcome.DROPPED)
                    if listed:
                        account.lines += count_lines(data)
            except UndeclaredOutputError:
                draft.count(account, Outcome.DROPPED)
            except BaseException as error:  # noqa: BLE001 -- nobody ends us between two awaits
                return at, error
            settled(event_id_of(record) if run is None else run)
            at += 1
            if clock() >= slice_ends or draft.bytes >= MAX_TRANSACTION_BYTES:
                break
        return at, None


_NOT_ATTEMPTED = (_KeyBlockedError, *LOOKUP_ERRORS)
"""What ends the straight path before an event was tried."""


def _settled_without_call(draft: TransactionBuffer) -> int:
    """Events that were settled without a call."""
    outcomes = draft.counters.outcomes
    return outcomes[Outcome.FILTERED] + outcomes[Outcome.CANCELLED] + draft.foreign
