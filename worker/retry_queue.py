"""What of a lane waits, and what is written of that?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog

from farandole.events.alert_record import alert_to_record
from farandole.events.outcome import Outcome
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.retry_record import (
    REPLAY_PREFIX,
    ParkedEvent,
    make_retry_row,
    max_retry_row_size,
    parse_retry_row,
)
from farandole.events.safe_text import single_line
from farandole.worker.breaker_alerts import BreakerAlerts
from farandole.worker.circuit_breaker import CircuitBreaker
from farandole.worker.invoker import Invoker
from farandole.worker.limits import MAX_RETRY_ROW_BYTES
from farandole.worker.lineage import Lineage, LineageResolver
from farandole.worker.parked_events import ParkedEvents
from farandole.worker.transaction_buffer import TransactionBuffer

log = structlog.get_logger()


class RetryQueue:
    """The parking of one lane, its breaker, and their rows in a transaction."""

    def __init__(
        self,
        caller: Invoker,
        wiring: LineageResolver,
        place: Partition | None,
        alerts: str,
        clock: Callable[[], float],
    ) -> None:
        """`place`: of the rows; None: nothing waits, every try is made in place. `alerts`: the
        topic that hears when the lane holds its input. `clock`: seconds of the epoch."""
        self.parks = place is not None
        self._place = place or Partition("", 0)
        self._stage = caller.stage
        self._wiring = wiring
        self._alerts = alerts
        self._clock = clock
        self.breaker = CircuitBreaker(caller.bound.breaker)
        self.parking = ParkedEvents(self._place, caller.bound.retry.parked, self.breaker, clock)
        self._holding = BreakerAlerts(self.breaker, caller.pipeline, caller.stage, self._place)
        self.why = ""
        """The last try failed that was worth another."""

    def restored(self, rows: Mapping[bytes, bytes]) -> None:
        """Begin with what was committed."""
        self.parking.restored(rows, self._ours)
        self._holding.restored(rows, self._clock())

    @property
    def resting(self) -> bool:
        """Is nothing to be tried now?"""
        return self.breaker.resting(self._clock())

    def tried(self, tries: int, failures: int = 0) -> None:
        """So many more tries, of which so many failed."""
        if self.parks:
            self.breaker.tried(self._clock(), tries, failures)

    def no_input(self) -> None:
        """None came: if a probe is due, it is of what waits."""
        if not self.resting:
            self.breaker.input_next = False

    def fits(self, event: ParkedEvent) -> bool:
        """May it wait?"""
        if not self.parks or max_retry_row_size(event) <= MAX_RETRY_ROW_BYTES:
            return self.parks
        key, value, _ = make_retry_row(event)
        return len(key or b"") + len(value or b"") <= MAX_RETRY_ROW_BYTES

    def park(
        self, draft: TransactionBuffer, record: Record, lineage: Lineage, event: ParkedEvent
    ) -> None:
        """Let the event of a record wait, as `event` says."""
        self._write(draft, self.parking.park(event))
        if not isinstance(record, ParkedEvent):
            draft.settle(record, lineage, Outcome.PARKED)

    def over(self, draft: TransactionBuffer, record: Record) -> None:
        """Take an event that has waited out of the state, unless it waits again."""
        if isinstance(record, ParkedEvent):
            tombstone = self.parking.settle(record)
            if tombstone is not None:
                self._write(draft, tombstone)

    def is_row(self, record: Record) -> bool:
        """Does it stand in the retry topic?"""
        return record.topic == self._place.topic

    def alike(self, records: Sequence[Record], at: int) -> int:
        """Up to where what follows is of one kind: input, or rows of the retry topic."""
        if records[at].topic == records[-1].topic:
            return len(records)
        kind = self.is_row(records[at])
        for index in range(at, len(records)):
            if self.is_row(records[index]) != kind:
                return index
        return len(records)

    def left(self, record: Record) -> bool:
        """Does it stand behind one that waits again?"""
        return isinstance(record, ParkedEvent) and not self.parking.first(record)

    def take_up(self, draft: TransactionBuffer, record: Record) -> None:
        """Park a replay; what the lane has written itself it knows."""
        if record.value is None or record.key is None or not record.key.startswith(REPLAY_PREFIX):
            return
        try:
            event = parse_retry_row(record.value)
            if not self._ours(event):
                raise ValueError(f"{event.topic}/{event.partition} is no input of this lane")
        except ValueError as error:
            log.warning(
                "replay.unreadable", stage=self._stage, offset=record.offset, why=str(error)
            )
            return
        now = int(self._clock() * 1000)
        event = event._replace(sequence=0, attempts=0, since=now, due=now)
        self._write(draft, self.parking.park(event))
        self._write(draft, OutgoingRecord(record.key, None))

    def tell(self, draft: TransactionBuffer, cause: Record) -> None:
        """Say that the lane holds its input, or takes it again."""
        news = (
            self._holding.news(self._clock(), single_line(self.why)[:200]) if self.parks else None
        )
        if news is None:
            return
        alert, said = news
        log.warning("stage.held", state=alert.state, stage=self._stage, lane=self._place.partition)
        self._write(draft, said)
        id_ = f"{self._stage}/{cause.topic}/{cause.partition}/{cause.offset}/{alert.state}"
        source = self._wiring.newest.source(self._stage)
        draft.write(self._alerts, alert_to_record(alert, source, id_.encode(), draft.now))

    def _ours(self, event: ParkedEvent) -> bool:
        return event.partition == self._place.partition and self._wiring.knows(event.topic)

    def _write(self, draft: TransactionBuffer, said: OutgoingRecord) -> None:
        draft.write(self._place.topic, said, self._place.partition)
