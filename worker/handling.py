"""In which order is a lane's work done, and what goes into one transaction?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set

from farandole.events.record import Record
from farandole.events.retry import Waiting
from farandole.lanes.lane import Done
from farandole.lanes.port import Partition, Tables
from farandole.worker.accounts import Account, id_of, lines_of
from farandole.worker.applying import Applying
from farandole.worker.binding import Unwired
from farandole.worker.burial import Burial
from farandole.worker.calling import Caller, attributes_of
from farandole.worker.caps import BATCH, SLICE, TRANSACTION_AGE, TRANSACTION_BYTES
from farandole.worker.lot import Lot
from farandole.worker.parking import Parking, queue_of
from farandole.worker.reading import Reading
from farandole.worker.results import Draft
from farandole.worker.tally import Tally
from farandole.worker.trying import Trying
from farandole.worker.wiring import ASKED_AGAIN, Wiring, run_of


class _Behind(Exception):  # noqa: N818 -- where an event stands
    """An earlier event of its key waits."""


class Handling:
    """The work of one lane of a stage; `lanes.lane.Work`. `settled` hears of what was committed,
    `cancelled` knows the runs of which nothing is to be handled."""

    def __init__(
        self,
        caller: Caller,
        wiring: Wiring,
        dead_topic: str,
        ledger: str,
        lane: int,
        *,
        settled: Callable[[Tally], None],
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
        self._lot = Lot(caller, wiring, place, alerts, clock)
        self._burial = Burial(caller.stage, dead_topic, wiring)
        self._reading = Reading(caller, wiring, self._burial, cancelled)
        self._applying = Applying(caller)
        self._trying = Trying(
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
    def waits(self) -> Parking | None:
        return self._lot.parking if self._lot.parks else None

    def born(self, tables: Tables) -> None:
        if self.waits is not None:
            self._lot.restored(tables[self.waits.place.topic])

    def idle(self) -> Done | None:
        self._lot.no_input()
        return None

    async def handle(self, records: Sequence[Record]) -> Done:
        draft, lot = Draft(self._stage), self._lot
        self._wiring.begin()
        began = time.monotonic()
        ends = began + TRANSACTION_AGE
        settled = rows = end = 0
        while settled < len(records) and not lot.resting:
            record = records[settled]
            waited = isinstance(record, Waiting)
            if settled == end:
                end = lot.alike(records, settled)
            if lot.is_row(record):
                lot.take_up(draft, record)
                settled, rows = settled + 1, rows + 1
            elif lot.left(record):
                settled += 1
            elif self._caller.signature.batch:
                most = BATCH if waited else min(BATCH, lot.parking.room)
                if lot.breaker.open:
                    most = 1
                settled += await self._trying.all(
                    draft, records[settled : min(end, settled + most)]
                )
            elif self._applying.straight and not waited:
                first, untried = settled, _untried(draft)
                settled, error = self._directly(draft, records, first, end)
                tries = settled - first - (_untried(draft) - untried)
                if tries > 0:
                    lot.tried(tries)
                if error is not None:
                    made = None if isinstance(error, _UNMADE) else error
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
            full = draft.bytes + draft.accounts.size >= TRANSACTION_BYTES
            if full or time.monotonic() >= ends:
                break
            await self._applying.breathe()
        if not isinstance(records[0], Waiting):  # that was consumed when it came
            draft.tally.consumed += settled - rows
        lot.tell(draft, records[0])
        return self._done(settled, draft, time.monotonic() - began)

    async def give_up(self, record: Record, deaths: int) -> Done:
        draft = Draft(self._stage)
        draft.tally.consumed += not isinstance(record, Waiting)
        await self._wiring.look()
        lineage = self._burial.lineage(record)
        if not self._reading.called_off(draft, record, lineage):
            self._burial.killed(draft, record, lineage, deaths)
        self._lot.over(draft, record)
        return self._done(1, draft, 0.0)

    def _done(self, settled: int, draft: Draft, seconds: float) -> Done:
        entries = draft.accounts.entries(
            self._ledger,
            self._caller.pipeline,
            self._stage,
            self._lane,
            at=int(time.time() * 1000),
            seconds=seconds,
        )
        return Done(settled, {**draft.writes(), **entries}, draft.tally)

    def committed(self, done: Done) -> None:
        self._settled(done.tally)

    async def end(self) -> Done | None:
        return None

    def _directly(
        self, draft: Draft, records: Sequence[Record], at: int, end: int
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
        account: Account = None  # type: ignore[assignment]  # these are set before they are used
        settled: Callable[[bytes], None] = None  # type: ignore[assignment]
        cancelled, called_off = self._cancelled(), False
        listed, run = False, None
        queues = self._lot.parking.queues
        slice_ends = clock() + SLICE
        for record in records[at:end]:
            if queues and queue_of(record) in queues:
                return at, _Behind()
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
                        account = accounts.of(edge, run_of(inherited), record, root=True)
                    else:
                        account = accounts.of(edge, lineage.run, record, root=lineage.root)
                    listed, settled = edge.listed, account.ids.append
                    run = account.run if account.root else None
                    called_off = account.run in cancelled
                if called_off:
                    draft.tally.cancelled += 1
                    account.cancelled += 1
                elif outputs.wanted is not None and not outputs.wanted(
                    raw or b"", attributes_of(record, lineage)
                ):
                    draft.tally.filtered += 1
                    account.filtered += 1
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
                        draft.tally.dropped += 1
                        account.dropped += 1
                    if listed:
                        account.lines += lines_of(data)
            except Unwired:
                draft.tally.dropped += 1
                account.dropped += 1
            except BaseException as error:  # noqa: BLE001 -- nobody ends us between two awaits
                return at, error
            settled(id_of(record) if run is None else run)
            at += 1
            if clock() >= slice_ends or draft.bytes >= TRANSACTION_BYTES:
                break
        return at, None


_UNMADE = (_Behind, *ASKED_AGAIN)
"""What ends the straight path before an event was tried."""


def _untried(draft: Draft) -> int:
    """Events that were settled without a call."""
    return draft.tally.filtered + draft.tally.cancelled + draft.foreign
