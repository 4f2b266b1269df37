"""Which event does a record hold, and is it this stage's to handle?"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any, NamedTuple

from farandole.events.envelope import Unreadable
from farandole.events.headers import encoded
from farandole.events.record import Outgoing, Record
from farandole.events.retry import Waiting
from farandole.worker.binding import Outputs, expected, reader
from farandole.worker.burial import Burial
from farandole.worker.calling import Caller, attributes_of, from_outside
from farandole.worker.results import Draft
from farandole.worker.wiring import Lineage, Misplaced, Unchecked, UnknownVersion, Wiring


class Bound(NamedTuple):
    """An event, ready for the function."""

    record: Record
    lineage: Lineage
    outputs: Outputs
    data: Any


class Reading:
    """`cancelled` knows the runs of which nothing is to be handled."""

    def __init__(
        self, caller: Caller, wiring: Wiring, burial: Burial, cancelled: Callable[[], Set[bytes]]
    ) -> None:
        self._stage = caller.stage
        self._wiring = wiring
        self._burial = burial
        self._cancelled = cancelled
        self.decode = reader(caller.signature)

    async def event(self, draft: Draft, record: Record) -> Bound | None:
        """The event in a record; None if under its version this stage does not subscribe to it, or
        not to what it says, if its run is cancelled, or if it belongs elsewhere and was sent
        there. Raises what hostile bytes of any kind can cause."""
        while True:
            try:
                lineage = self._wiring.lineage(record)
                break
            except Unchecked:
                await self._wiring.look()
            except UnknownVersion as unknown:
                await self._wiring.learn(unknown)
            except Misplaced as misplaced:
                self._forward(draft, record, misplaced)
                return None
        outputs = lineage.edge.outputs
        if outputs is None and isinstance(record, Waiting):
            raise Unreadable(f"{lineage.edge.version.name} has no such input here any more")
        if outputs is None or self.called_off(draft, record, lineage):
            return None
        raw = (record.value or b"") if lineage.data is None else lineage.data
        if outputs.wanted is not None and not outputs.wanted(raw, attributes_of(record, lineage)):
            draft.tally.filtered += 1
            account = draft.account(record, lineage)
            account.filtered += 1
            account.settle(record)
            return None
        data = (outputs.decode or self.decode)(raw)
        return Bound(record, lineage, outputs, data)

    async def readable(self, draft: Draft, record: Record) -> Bound | None:
        """As `event`; None also of what cannot be read, which dies."""
        try:
            return await self.event(draft, record)
        except Exception as error:
            if from_outside(error):
                raise
            self._burial.failed(draft, record, expected(error), 1, draft.now.timestamp())
            return None

    def called_off(self, draft: Draft, record: Record, lineage: Lineage) -> bool:
        """Settle an event of a run that is cancelled: it is consumed, and nothing comes of it."""
        if lineage.run not in self._cancelled():
            return False
        draft.tally.cancelled += 1
        account = draft.account(record, lineage)
        account.cancelled += 1
        account.settle(record)
        return True

    def _forward(self, draft: Draft, record: Record, misplaced: Misplaced) -> None:
        """Send a record to the partition of its key, untouched, to be handled there. All stages
        that subscribe to it see it: the first of them forwards it."""
        version, event_type = misplaced.edge.version, misplaced.edge.event_type
        draft.tally.forwarded += 1
        if self._stage != version.subscribers(event_type)[0]:
            return
        forwarded = Outgoing(record.key, record.value, encoded(record.headers))
        draft.write(record.topic, forwarded, misplaced.home)
