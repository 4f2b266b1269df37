"""Which events of a lane wait to be tried again, and is its input blocked?

The retry queue owns the parked events of a lane, its circuit breaker and its breaker alerts, and
writes their rows into the lane's transaction. Nothing else reads or sets their state.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence, Set
from enum import Enum, auto
from typing import NamedTuple, cast

import structlog

from farandole.events.alert_record import Alert, alert_to_record
from farandole.events.dead_letter import safe_error_message
from farandole.events.error_names import published_error_name
from farandole.events.number_format import grouped
from farandole.events.outcome import Outcome
from farandole.events.parked_order import (
    MAX_DISCARD_LENGTH,
    ReadOrder,
    discard_text,
    parse_order,
)
from farandole.events.rate import Rate
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.retry_record import (
    MAX_RETRY_MESSAGE_LENGTH,
    ORDER_PREFIX,
    REPLAY_PREFIX,
    STABLE,
    ParkedEvent,
    make_retry_row,
    max_retry_row_size,
    parse_retry_row,
    to_parked_event,
)
from farandole.events.safe_text import escape_surrogates, single_line
from farandole.lanes.lane_work import DeferredEvents
from farandole.stages.contract import Reject
from farandole.worker.breaker_alerts import BreakerAlerts
from farandole.worker.circuit_breaker import CircuitBreaker
from farandole.worker.input_edge import Lineage
from farandole.worker.invoker import Invoker
from farandole.worker.lane_alert import LaneAlert
from farandole.worker.limits import MAX_BATCH, MAX_RETRY_ROW_BYTES
from farandole.worker.lineage import LineageResolver
from farandole.worker.log_throttle import LogThrottle
from farandole.worker.parked_events import ParkedEvents, QueueKey, queue_key_of
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
from farandole.worker.row_gate import RowParkedError
from farandole.worker.throttle.key_limits import KeyLimits
from farandole.worker.transaction_buffer import TransactionBuffer

log = structlog.get_logger()


class Turn(Enum):
    """What is to be done with a record of a batch."""

    NOW = auto()
    """Handle it."""
    BLOCKED = auto()
    """An earlier event of its key waits, or its key has too many: defer it."""
    SKIP = auto()
    """It is a parked event, and an earlier one of its key waits again: leave it parked."""
    ROW = auto()
    """It is a record of the retry topic itself: if it is a replay or an order, the queue has parked
    its event, or carried it out."""


class Failure(NamedTuple):
    """A try of an event that failed."""

    error: BaseException
    attempts: int
    """How often it has failed, this time included."""
    first_at: float
    """When the event was first tried in this transaction, in seconds of the epoch."""
    variant: str = ""
    """The function that failed, while a canary is in force (`ParkedEvent.variant`)."""


class LaneFullError(Reject):
    """A replayed event cannot wait for its turn: the lane is full, and some of what waits there
    waits for a person."""

    published_name = "LaneFull"


Bury = Callable[[TransactionBuffer, Record, BaseException, int, float], None]
"""`bury(buffer, record, error, attempts, first_at)` writes the dead letter of an event."""


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
        hold_ended_at: Callable[[], float],
        bury: Bury,
    ) -> None:
        """`retry_partition`: where the rows are written; None if no event can be parked, and every
        try is made in place. `alerts_topic`: where breaker alerts are written. `clock` returns
        seconds of the epoch, and `hold_ended_at` when the stage was on hold last, of the same
        kind."""
        self._bury = bury
        self.can_park = retry_partition is not None
        self._retry_partition = retry_partition or Partition("", 0)
        self._stage = invoker.stage
        self._retry = invoker.settings.retry
        self._lineages = lineages
        self._alerts_topic = alerts_topic
        self._clock = clock
        self._hold_ended_at = hold_ended_at
        self._breaker = CircuitBreaker(invoker.settings.breaker)
        self._breaker_window = invoker.settings.breaker.window
        self._parked = ParkedEvents(
            self._retry_partition, self._retry.parked, memory, self._breaker, clock
        )
        self._alerts = BreakerAlerts(
            self._breaker, invoker.pipeline, invoker.stage, self._retry_partition
        )
        self._parked_alert = LaneAlert(
            "stage.parked", invoker.pipeline, invoker.stage, self._retry_partition
        )
        self._full_alert = LaneAlert(
            "stage.full", invoker.pipeline, invoker.stage, self._retry_partition
        )
        self._has_refused = False
        """In this transaction a row could not wait for a person, because too many events wait."""
        self._cancelled_runs: Set[bytes] = frozenset()
        self._key_limits = KeyLimits(clock)
        self._throttle = LogThrottle()
        self._last_failure = ""
        self._last_failed_variant = ""
        self._succeeded_at = 0.0
        """When a try of the stage's own function succeeded last."""

    # -- the lane

    @property
    def deferred(self) -> DeferredEvents | None:
        """The parked events; None if no event can be parked."""
        return self._parked if self.can_park else None

    def restore(self, rows: dict[bytes, bytes]) -> None:
        """Load what was committed, and empty `rows`."""
        self._alerts.restore(rows, self._clock())
        self._parked_alert.restore(rows)
        self._full_alert.restore(rows)
        self._has_refused, self._cancelled_runs = False, frozenset()
        self._parked.restore(rows, self._belongs_to_lane)

    def input_idle(self) -> None:
        """Note that no input came, or that none is taken: if a probe is due, it is an event that
        has waited."""
        if not self.is_blocking:
            self._breaker.probe_input_next = False

    def set_bypass(self, bypassed: bool) -> None:
        """Note whether events go on as they came. Then nothing is tried that could fail: an open
        breaker closes, and what is parked need not wait for its time, unless that is by the rate
        of its key."""
        self._parked.ignores_due_times = bypassed and not self.limits_keys
        if bypassed and self._breaker.is_open:
            self._breaker.close(self._clock())

    def follow_candidate(self, candidate: str) -> None:
        """Note which candidate handles events now; empty if none does. Once one has ended, the
        breaker that its failures may have opened closes, and its parked events are due at once."""
        if self._parked.follow_candidate(candidate) and self._breaker.is_open:
            self._breaker.close(self._clock())

    # -- a batch

    def limit_keys(self, rate: Rate | None) -> None:
        """From now on let events of a key wait that come faster than this; None for no limit. A
        lane that can park no event lets none wait."""
        self._key_limits.set_rate(rate if self.can_park else None)

    @property
    def limits_keys(self) -> bool:
        """True if there is a rate for each key."""
        return self._key_limits.are_in_force

    @property
    def parked_events(self) -> int:
        """How many events wait."""
        return self._parked.count

    @property
    def is_breaker_open(self) -> bool:
        """True if nothing but probes is tried."""
        return self._breaker.is_open

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
            if record.value is not None and record.key is not None:
                if record.key.startswith(REPLAY_PREFIX):
                    self._take_up_replay(buffer, record)
                elif record.key.startswith(ORDER_PREFIX):
                    self._take_up_order(buffer, record)
            return Turn.ROW
        if self._parked.is_blocked(record):
            return Turn.BLOCKED
        is_over = self._key_limits.is_over(queue_key_of(record), record.offset)
        return Turn.BLOCKED if is_over else Turn.NOW

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
        if self._key_limits.are_in_force and not event.due:
            # It waits for its turn, which uses up none of its time.
            now = self._reserve_turn(record)
        event = event._replace(since=event.since or now, due=event.due or now)
        if not self._fits(event):
            return False
        self._park(buffer, record, lineage, event)
        return True

    def park_for_person(
        self, buffer: TransactionBuffer, record: Record, lineage: Lineage, parked: RowParkedError
    ) -> str:
        """Let an event wait for a person, which uses up no try. Return an empty text, or why it
        cannot wait: then nothing was done."""
        if not self.can_park:
            return "the stage has no topic for events that wait"
        if not self._parked.has_room_for_person(record):
            self._has_refused = True
            return f"in this lane {grouped(self._parked.count)} events wait already"
        event = to_parked_event(record)
        event = event._replace(
            checks=parked.checks,
            message=_safe_text(str(parked)),
            since=event.since or int(self._clock() * 1000),
            due=0,
            released=0,
        )
        if not self._fits(event._replace(discarded="x" * MAX_DISCARD_LENGTH)):
            return f"its row would be larger than {MAX_RETRY_ROW_BYTES} bytes"
        self._park(buffer, record, lineage, event)
        return ""

    def follow_cancellations(self, runs: Set[bytes]) -> None:
        """Note which runs are cancelled: their events wait for no person any longer."""
        if runs is self._cancelled_runs or runs == self._cancelled_runs:
            return
        self._cancelled_runs = runs
        for event in [*self._parked.for_person()]:
            if self._lineages.lineage_or_stray(event).run in runs:
                self._parked.make_due(event)

    def succeed(self, *records: Record, by_candidate: bool = False) -> None:
        """Count one try that succeeded; `records`: the events of that call."""
        if by_candidate and self.can_park:
            self._breaker.record_attempts(self._clock(), 1)
        else:
            self.count_successes(1)
        for record in records:
            if isinstance(record, ParkedEvent):
                self._parked.record_success(record)

    def count_successes(self, tries: int) -> None:
        """Count tries of the stage's own function that succeeded."""
        if self.can_park:
            self._succeeded_at = self._clock()
            self._breaker.record_attempts(self._succeeded_at, tries)

    def fail(self, buffer: TransactionBuffer, record: Record, failure: Failure) -> RetryDecision:
        """Count one try that failed, and return what happens to the event. `Park`: it has been
        parked; `GiveUp`: the caller must write the dead letter."""
        if not is_retryable(self._retry, failure.error):
            return GiveUp()
        now = self._clock()
        event = _with_failure(record, failure, now)
        if self.can_park and self._says_dependency_is_down(failure, now):
            # Before the decision: this failure may be the one that opens the breaker.
            self._breaker.record_attempts(now, 1, failures=1)
            self._last_failure = f"{event.error}: {event.message}"
            self._last_failed_variant = failure.variant
        decision = decide(
            self._retry,
            FailedTry(
                failure.attempts,
                waited=now
                - max(event.since / 1000, self._breaker.closed_at, self._hold_ended_at()),
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
        """Write the alerts that have begun to fire or are resolved, and the newest failure of an
        open breaker; `cause`: the first record of the batch, which names the alerts."""
        if not self.can_park:
            return
        for pending in (self._parked_pending(), self._full_pending()):
            if pending is not None:
                alert, row = pending
                log.warning(alert.kind, state=alert.state, stage=self._stage, lane=alert.lane)
                self._write(buffer, row)
                self._send(buffer, alert, cause)
        self._has_refused = False
        last_failure = single_line(self._last_failure)[:200]
        pending = self._alerts.pending_alert(self._clock(), last_failure)
        if pending is None:
            newest = self._alerts.pending_row(last_failure)
            if newest is not None:
                self._write(buffer, newest)
            return
        alert, row = pending
        lane = self._retry_partition.partition
        variant = self._last_failed_variant if alert.state == "firing" else ""
        log.warning(
            "stage.held", state=alert.state, stage=self._stage, lane=lane, variant=variant or None
        )
        self._write(buffer, row)
        self._send(buffer, alert, cause)

    # -- inside

    def _send(self, buffer: TransactionBuffer, alert: Alert, cause: Record) -> None:
        place = f"{self._stage}/{cause.topic}/{cause.partition}/{cause.offset}"
        # The name of a kind is part of the id where one record can cause alerts of two kinds.
        kind = "" if alert.kind == "stage.held" else f"{alert.kind}/"
        source = self._lineages.newest.source(self._stage)
        id_ = f"{place}/{kind}{alert.state}".encode()
        buffer.write(self._alerts_topic, alert_to_record(alert, source, id_, buffer.now))

    def _parked_pending(self) -> tuple[Alert, OutgoingRecord] | None:
        """Return the alert that rows begin to wait for a person, or that none does any more, with
        its row."""
        first = next(self._parked.for_person(), None)
        if first is None:
            return self._parked_alert.resolved(f"no row of `{self._stage}` waits for a person")
        return self._parked_alert.pending(
            self._clock(),
            f"rows of `{self._stage}` wait for a person to release, mend or discard them, the first"
            f" one because of {single_line(first.message)[:200]}; `farandole parked {self._stage}`"
            " shows them",
        )

    def _full_pending(self) -> tuple[Alert, OutgoingRecord] | None:
        """Return the alert that too many events wait, with its row."""
        is_stuck = self._parked.at_capacity and not self._parked.has_timed
        if self._has_refused or is_stuck:
            takes = "takes no further input" if is_stuck else "parks no further rows"
            return self._full_alert.pending(
                self._clock(),
                f"a lane of `{self._stage}` {takes}: {grouped(self._parked.count)} events wait in"
                " it; rows that break a check that parks them become dead letters until there is"
                f" room; `farandole parked {self._stage}` shows what waits for a person",
            )
        if self._parked.has_much_room:
            return self._full_alert.resolved(f"the lanes of `{self._stage}` have room again")
        return None

    def _says_dependency_is_down(self, failure: Failure, now: float) -> bool:
        """Return False for the failure of a candidate while the stage's own function succeeds: it
        is the candidate's fault, and nobody else's events wait for it. While the breaker is open
        each try is a probe."""
        if self._breaker.is_open or failure.variant in ("", STABLE):
            return True
        return not 0 <= now - self._succeeded_at <= self._breaker_window

    def _reserve_turn(self, record: Record) -> int:
        """Return when an event of the input is due by the rate of its key, in milliseconds of the
        epoch."""
        key = queue_key_of(record)
        waiting = self._parked.queues.get(key)
        last_due = waiting[-1].due / 1000 if waiting else 0.0
        return int(self._key_limits.reserve(key, record.offset, last_due) * 1000)

    def _take_up_replay(self, buffer: TransactionBuffer, record: Record) -> None:
        """Park the event of a replay; ignore the rows that the lane itself has written."""
        try:
            event = parse_retry_row(record.value or b"")
            if not self._belongs_to_lane(event):
                raise ValueError(f"{event.topic}/{event.partition} is no input of this lane")
        except ValueError as error:
            log.warning(
                "replay.unreadable", stage=self._stage, offset=record.offset, why=str(error)
            )
            return
        now = int(self._clock() * 1000)
        event = event._replace(
            sequence=0, attempts=0, since=now, due=now, checks="", released=0, discarded=""
        )
        if self._parked.at_capacity:
            # It was read among the orders, one of which may make room.
            full = LaneFullError(
                f"it was replayed, and {grouped(self._parked.count)} events wait in its lane"
                f" already, some of them for a person: `farandole parked {self._stage}`"
            )
            self._bury(buffer, event, full, 0, self._clock())
        else:
            self._write(buffer, self._parked.park(event))
        if event.repaired:
            buffer.mended.append(event)
        self._write(buffer, OutgoingRecord(record.key, None))

    def _take_up_order(self, buffer: TransactionBuffer, record: Record) -> None:
        """Carry out the order of a person about an event that waits for one."""
        self._write(buffer, OutgoingRecord(record.key, None))
        try:
            read = parse_order(record.value or b"")
        except ValueError as error:
            log.warning("order.unreadable", stage=self._stage, offset=record.offset, why=str(error))
            return
        order = read.order
        waiting = self._parked.find_for_person(order.event.encode())
        event = None if waiting is None else self._ordered(waiting, read)
        if event is not None:
            self._write(buffer, self._parked.park(event))
            if order.do == "mend":
                buffer.mended.append(event)
        log.info(
            "order.taken",
            stage=self._stage,
            position=order.event,
            do=order.do,
            by=single_line(order.by),
            done=event is not None,
        )

    def _ordered(self, event: ParkedEvent, read: ReadOrder) -> ParkedEvent | None:
        """Return an event as it is after an order; None if that is too large to wait for its
        turn."""
        event = event._replace(checks="", due=int(self._clock() * 1000))
        match read.order.do:
            case "release":
                return event._replace(released=1, message="")
            case "discard":
                return event._replace(discarded=discard_text(read.order))
            case "mend":
                mended = event._replace(value=read.data, repaired=1, message="")
                return mended if self._fits(mended) else None

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
                variant=event.variant or None,
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
        variant=failure.variant,
    )


def _safe_text(text: str) -> str:
    """Return the text cut to the length that a row may have, with lone surrogates escaped."""
    return escape_surrogates(text[:MAX_RETRY_MESSAGE_LENGTH])
