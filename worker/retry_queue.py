"""Which events of a lane wait to be tried again, and is its input blocked?

The retry queue owns the parked events of a lane, its circuit breaker and its breaker alerts, and
writes their rows into the lane's transaction. Nothing else reads or sets their state.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple, cast

import structlog

from farandole.events.alert_record import alert_to_record
from farandole.events.dead_letter import safe_error_message
from farandole.events.error_names import published_error_name
from farandole.events.outcome import Outcome
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.retry_record import (
    MAX_RETRY_MESSAGE_LENGTH,
    REPLAY_PREFIX,
    ParkedEvent,
    make_retry_row,
    max_retry_row_size,
    parse_retry_row,
    to_parked_event,
)
from farandole.events.safe_text import escape_surrogates, single_line
from farandole.lanes.lane_work import DeferredEvents
from farandole.worker.breaker_alerts import BreakerAlerts
from farandole.worker.circuit_breaker import CircuitBreaker
from farandole.worker.input_edge import Lineage
from farandole.worker.invoker import Invoker
from farandole.worker.limits import MAX_BATCH, MAX_RETRY_ROW_BYTES
from farandole.worker.lineage import LineageResolver
from farandole.worker.log_throttle import LogThrottle
from farandole.worker.parked_events import ParkedEvents, QueueKey
from farandole.worker.parked_memory import ParkedMemory
from farandole.worker.retry_policy import (
    FailedTry,
    GiveUp,
    Park,
    RetryDecision,
    RetryInPlace,
    decide,
    is_retryable,
)
from farandole.worker.transaction_buffer import TransactionBuffer

log = structlog.get_logger()


class Turn(Enum):
    """What is to be done with a record of a batch."""

    NOW = auto()
    """Handle it."""
    BLOCKED = auto()
    """An earlier event of its key waits: defer it."""
    SKIP = auto()
    """It is a parked event, and an earlier one of its key waits again: leave it parked."""
    ROW = auto()
    """It is a record of the retry topic itself: if it is a replay, the queue has parked its
    event."""


class Failure(NamedTuple):
    """A try of an event that failed."""

    error: BaseException
    attempts: int
    """How often it has failed, this time included."""
    first_at: float
    """When the event was first tried in this transaction, in seconds of the epoch."""


class RetryQueue:
    """The retry queue of one lane."""

    def __init__(
        self,
        invoker: Invoker,
        lineages: LineageResolver,
        retry_partition: Partition | None,
        alerts_topic: str,
        clock: Callable[[], float],
        memory: ParkedMemory,
    ) -> None:
        """`retry_partition`: where the rows are written; None if no event can be parked, and every
        try is made in place. `alerts_topic`: where breaker alerts are written. `clock` returns
        seconds of the epoch."""
        self.can_park = retry_partition is not None
        self._retry_partition = retry_partition or Partition("", 0)
        self._stage = invoker.stage
        self._retry = invoker.settings.retry
        self._lineages = lineages
        self._alerts_topic = alerts_topic
        self._clock = clock
        self._breaker = CircuitBreaker(invoker.settings.breaker)
        self._parked = ParkedEvents(
            self._retry_partition, self._retry.parked, memory, self._breaker, clock
        )
        self._alerts = BreakerAlerts(
            self._breaker, invoker.pipeline, invoker.stage, self._retry_partition
        )
        self._throttle = LogThrottle()
        self._last_failure = ""

    # -- the lane

    @property
    def deferred(self) -> DeferredEvents | None:
        """The parked events; None if no event can be parked."""
        return self._parked if self.can_park else None

    def restore(self, rows: dict[bytes, bytes]) -> None:
        """Load what was committed, and empty `rows`."""
        self._alerts.restore(rows, self._clock())
        self._parked.restore(rows, self._belongs_to_lane)

    def input_idle(self) -> None:
        """Note that no input came: if a probe is due, it is an event that has waited."""
        if not self.is_blocking:
            self._breaker.probe_input_next = False

    # -- a batch

    @property
    def is_blocking(self) -> bool:
        """True if no event may be tried now: the breaker is open, and no probe is due."""
        return self._breaker.is_blocking(self._clock())

    @property
    def blocked_keys(self) -> Mapping[QueueKey, object]:
        """The queues in which events wait. Events of the input with these keys are BLOCKED."""
        return self._parked.queues

    def contains_row(self, record: Record) -> bool:
        """Return True if a record stands in the retry topic."""
        return record.topic == self._retry_partition.topic

    def admit(self, buffer: TransactionBuffer, record: Record) -> Turn:
        """Return what is to be done with a record. Takes up a replay."""
        if isinstance(record, ParkedEvent):
            return Turn.NOW if self._parked.is_head(record) else Turn.SKIP
        if self.contains_row(record):
            self._take_up_replay(buffer, record)
            return Turn.ROW
        return Turn.BLOCKED if self._parked.is_blocked(record) else Turn.NOW

    def admit_call(self, buffer: TransactionBuffer, records: Sequence[Record]) -> Sequence[Turn]:
        """Return what is to be done with records that one call may handle, all parked or none: what
        `admit` returns, but a parked event is NOW also if those of its key before it are in the
        call."""
        if isinstance(records[0], ParkedEvent):
            in_turn = self._parked.in_turn(cast(Sequence[ParkedEvent], records))
            return [Turn.NOW if each else Turn.SKIP for each in in_turn]
        return [self.admit(buffer, record) for record in records]

    def limit(self, record: Record) -> int:
        """Return how many events one call may take, from this one on."""
        if self._breaker.is_open:
            return 1
        if isinstance(record, ParkedEvent):
            return MAX_BATCH
        return min(MAX_BATCH, self._parked.free_slots)

    def must_defer(self, record: Record) -> bool:
        """Return True if an admitted event of the input has to wait after all: since then an
        earlier one of its key has begun to wait, or the breaker has opened."""
        if self._parked.is_blocked(record):
            return True
        return self.is_blocking and self._fits(to_parked_event(record))

    def defer(self, buffer: TransactionBuffer, record: Record, lineage: Lineage) -> bool:
        """Let an event wait that is not to be tried now; returns False if its row would be too
        large."""
        now = int(self._clock() * 1000)
        event = to_parked_event(record)
        event = event._replace(since=event.since or now, due=event.due or now)
        if not self._fits(event):
            return False
        self._park(buffer, record, lineage, event)
        return True

    def succeed(self, *records: Record) -> None:
        """Count one try that succeeded; `records`: the events of that call."""
        self.count_successes(1)
        for record in records:
            if isinstance(record, ParkedEvent):
                self._parked.record_success(record)

    def count_successes(self, tries: int) -> None:
        """Count tries of events of the input that succeeded."""
        if self.can_park:
            self._breaker.record_attempts(self._clock(), tries)

    def fail(self, buffer: TransactionBuffer, record: Record, failure: Failure) -> RetryDecision:
        """Count one try that failed, and return what happens to the event. `Park`: it has been
        parked; `GiveUp`: the caller must write the dead letter."""
        if not is_retryable(self._retry, failure.error):
            return GiveUp()
        now = self._clock()
        event = _with_failure(record, failure, now)
        if self.can_park:
            # Before the decision: this failure may be the one that opens the breaker.
            self._breaker.record_attempts(now, 1, failures=1)
        self._last_failure = f"{event.error}: {event.message}"
        decision = decide(
            self._retry,
            FailedTry(
                failure.attempts,
                waited=now - max(event.since / 1000, self._breaker.closed_at),
                breaker_open=self._breaker.is_open,
                key_fails_repeatedly=self._parked.fails_repeatedly(event),
                can_wait=self._fits(event),
            ),
            random.random,
        )
        match decision:
            case GiveUp():
                if isinstance(record, ParkedEvent):
                    self._parked.record_death(record)
            case RetryInPlace(seconds):
                self._log_retry(event, seconds)
            case Park(seconds, attempts):
                self._log_retry(event, seconds)
                due = int((now + seconds) * 1000)
                lineage = self._lineages.lineage_or_stray(record)
                self._park(buffer, record, lineage, event._replace(attempts=attempts, due=due))
        return decision

    def complete(self, buffer: TransactionBuffer, record: Record) -> None:
        """Remove a parked event from the state, unless it was parked again."""
        if isinstance(record, ParkedEvent):
            tombstone = self._parked.remove(record)
            if tombstone is not None:
                self._write(buffer, tombstone)

    def input_done(self, events: int) -> bool:
        """Return True if the transaction is to take no more input after `events` events of it: the
        probe of an open breaker is made, or no more events may be parked."""
        if self._breaker.is_open and events:
            # One event is the probe, even if it was only deferred.
            self._breaker.probe_input_next = False
            return True
        return self._parked.at_capacity

    def flush(self, buffer: TransactionBuffer, cause: Record) -> None:
        """Write the alert that the breaker has opened or closed, if it has, or the newest failure
        of an open one; `cause`: the first record of the batch, which names the alert."""
        if not self.can_park:
            return
        last_failure = single_line(self._last_failure)[:200]
        pending = self._alerts.pending_alert(self._clock(), last_failure)
        if pending is None:
            newest = self._alerts.pending_row(last_failure)
            if newest is not None:
                self._write(buffer, newest)
            return
        alert, row = pending
        lane = self._retry_partition.partition
        log.warning("stage.held", state=alert.state, stage=self._stage, lane=lane)
        self._write(buffer, row)
        id_ = f"{self._stage}/{cause.topic}/{cause.partition}/{cause.offset}/{alert.state}"
        source = self._lineages.newest.source(self._stage)
        buffer.write(self._alerts_topic, alert_to_record(alert, source, id_.encode(), buffer.now))

    # -- inside

    def _take_up_replay(self, buffer: TransactionBuffer, record: Record) -> None:
        """Park the event of a replay; ignore the rows that the lane itself has written."""
        if record.value is None or record.key is None or not record.key.startswith(REPLAY_PREFIX):
            return
        try:
            event = parse_retry_row(record.value)
            if not self._belongs_to_lane(event):
                raise ValueError(f"{event.topic}/{event.partition} is no input of this lane")
        except ValueError as error:
            log.warning(
                "replay.unreadable", stage=self._stage, offset=record.offset, why=str(error)
            )
            return
        now = int(self._clock() * 1000)
        event = event._replace(sequence=0, attempts=0, since=now, due=now)
        self._write(buffer, self._parked.park(event))
        self._write(buffer, OutgoingRecord(record.key, None))

    def _park(
        self, buffer: TransactionBuffer, record: Record, lineage: Lineage, event: ParkedEvent
    ) -> None:
        if not isinstance(record, ParkedEvent):
            event = event._replace(life=self._lineages.life(event.topic))
            buffer.settle(record, lineage, Outcome.PARKED)
        self._write(buffer, self._parked.park(event))

    def _fits(self, event: ParkedEvent) -> bool:
        """Return True if an event can wait: there is a retry topic, and its row is small enough."""
        if not self.can_park or max_retry_row_size(event) <= MAX_RETRY_ROW_BYTES:
            return self.can_park
        key, value, _ = make_retry_row(event)
        return len(key or b"") + len(value or b"") <= MAX_RETRY_ROW_BYTES

    def _belongs_to_lane(self, event: ParkedEvent) -> bool:
        is_our_partition = event.partition == self._retry_partition.partition
        return is_our_partition and self._lineages.is_input_topic(event.topic)

    def _write(self, buffer: TransactionBuffer, row: OutgoingRecord) -> None:
        buffer.write(self._retry_partition.topic, row, self._retry_partition.partition)

    def _log_retry(self, event: ParkedEvent, seconds: float) -> None:
        suppressed = self._throttle.suppressed_since(event.error, time.monotonic())
        if suppressed is not None:
            log.info(
                "event.retried",
                stage=self._stage,
                position=event.row_name.decode(),
                attempt=event.attempts,
                seconds=round(seconds, 3),
                error=event.error,
                message=event.message[:200],
                unsaid=suppressed,
            )


def _with_failure(record: Record, failure: Failure, now: float) -> ParkedEvent:
    """Return an event with the account of its failure."""
    event = to_parked_event(record)
    since = event.since or int(failure.first_at * 1000)
    failed = int(now * 1000) if event is record else since
    return event._replace(
        attempts=failure.attempts,
        since=since,
        first_failed=event.first_failed or failed,
        last_failed=int(now * 1000),
        error=_safe_text(published_error_name(type(failure.error))),
        message=_safe_text(safe_error_message(failure.error)),
    )


def _safe_text(text: str) -> str:
    """Return the text cut to the length that a row may have, with lone surrogates escaped."""
    return escape_surrogates(text[:MAX_RETRY_MESSAGE_LENGTH])
