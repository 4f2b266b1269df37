"""How fast does a lane take the events of its inputs?

Two rates may be in force: that of its stage, and that of its pipeline's roots. An event is charged
once, when the lane takes it for the first time: what was parked, is replayed, cancelled or filtered
is free. A bypassed event is charged, because it loads what follows as any other does.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence, Set
from itertools import islice
from math import inf

from farandole.events.outcome import Outcome
from farandole.events.rate import Unit, rate_at
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.share_row import ShareKind, limit_prefix, share_key
from farandole.events.throttles_in_force import UNLIMITED, RateInForce
from farandole.lanes.lane_work import BatchResult, ThrottledInputs
from farandole.worker.ledger_entries import EdgeAccount
from farandole.worker.stage_controls import StageControls
from farandole.worker.throttle.rate_budget import RateBudget
from farandole.worker.throttle.share_table import ShareTable
from farandole.worker.transaction_buffer import TransactionBuffer

_ENDS_SECONDS = 2.0  # after so many, a lane whose events wait asks for the ends of its inputs
_WEIGHT_MEMORY = 0.5  # of how many lines an event has, a batch changes half


class LanePlace:
    """Which lane of which stage this is, and who shares its limits."""

    def __init__(
        self,
        pipeline: str,
        stage: str,
        lane: int,
        members: Callable[[ShareKind], int],
        root_topics: Callable[[], Set[str]],
    ) -> None:
        """`members` returns how many lanes share a limit, `root_topics` the topics of the roots to
        which the stage subscribes."""
        self.pipeline = pipeline
        self.stage = stage
        self.lane = lane
        self.members = members
        self.root_topics = root_topics


class _SharedRate:
    """One rate, as far as one lane has a share of it."""

    def __init__(
        self,
        kind: ShareKind,
        place: LanePlace,
        table: ShareTable,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self.kind = kind
        self._place = place
        self._table = table
        self._clock = clock
        self._monotonic = monotonic
        self.key = share_key(kind, place.pipeline, place.stage, place.lane)
        self._prefix = limit_prefix(kind, place.pipeline, place.stage)
        self._name = self.key.removeprefix(self._prefix).decode()
        self._unit: Unit = "events"
        self.budget: RateBudget | None = None
        """None while there is no limit."""
        self.weight: float | None = 1.0
        """How many lines an event has, if lines are counted; None until some were."""
        self.allowance = 0
        """How many events the next batch may take."""
        self._is_shared = False
        self._wrote_row = False

    def forget(self) -> None:
        """Begin with an empty bucket: the lane is born again."""
        self.budget = None

    def refresh(self, found: RateInForce) -> RateBudget | None:
        """Return the budget as of now; None if there is no limit."""
        if found.rule is None:
            self.budget = None
            return None
        if found.rule.unit != self._unit:
            self._unit = found.rule.unit
            self.weight = 1.0 if self._unit == "events" else None
        rate = rate_at(found.rule, self._clock(), found.begun)
        if rate is None:
            self.budget = None
            return None
        now, rows = self._monotonic(), self._table.rows_with(self._prefix)
        if self.budget is None:
            last = rows.get(self._name) if rows is not None else None
            self.budget = RateBudget(
                self._name, self._place.lane, uuid.uuid4().hex[:12], now, last and last.row
            )
        self._is_shared = rows is not None
        if rows is None:
            self.budget.update_alone(1 / max(1, self._place.members(self.kind)), rate, now)
        else:
            self.budget.update(rows, rate, now)
        return self.budget

    def wait_for(self, pending: int, waiting: int) -> float:
        """Note how many events are at hand and how many wait in all, and how many may be taken.
        Return the seconds to wait if none may."""
        budget, weight = self.budget, self.weight or 1.0
        assert budget is not None
        budget.note_waiting(round(waiting * weight))
        if not pending:
            self.allowance = 0
            return 0.0
        at_hand = max(1, round(pending * weight))
        due = budget.allowance(at_hand, int(self._clock() * 1000))
        if not due:
            self.allowance = 0
            return budget.seconds_until_next(at_hand)
        # The first event shows how many lines an event has.
        self.allowance = 1 if self.weight is None else max(1, int(due / weight))
        return 0.0

    def charge(self, accounts: Sequence[EdgeAccount]) -> None:
        """Charge the events of a batch that the lane has taken."""
        if self.budget is None:
            return
        events = sum(map(_taken_events, accounts))
        if not events:
            return
        if self._unit == "events":
            self.budget.take(events)
            return
        lines = sum(max(_taken_events(each), each.lines) for each in accounts)
        known = lines / events if self.weight is None else self.weight
        self.weight = _WEIGHT_MEMORY * known + (1 - _WEIGHT_MEMORY) * lines / events
        self.budget.take(lines)

    def row(self) -> OutgoingRecord | None:
        """Return the lane's row, if it is to be written now; its tombstone when the limit ends."""
        if self.budget is None or not self._is_shared:
            wrote, self._wrote_row = self._wrote_row, False
            return OutgoingRecord(self.key, None) if wrote else None
        members = self._place.members(self.kind)
        row = self.budget.row_to_write(members, self._monotonic(), int(self._clock() * 1000))
        if row is None:
            return None
        self._wrote_row = True
        return OutgoingRecord(self.key, row.model_dump_json().encode())


class BatchRoom:
    """Up to where the records of one batch may be taken."""

    def __init__(self, records: Sequence[Record], throttle: LaneThrottle) -> None:
        self._records = records
        self._throttle = throttle
        # One record at least: the lane asks only when one is due.
        self.end = max(1, self._end_from(0, *throttle.allowances(())))

    def has_more(self, done: int, buffer: TransactionBuffer) -> bool:
        """Return True if the record at `done` may be taken. Records that turned out to be free move
        the end."""
        if done >= self.end:
            self.end = self._end_from(done, *self._throttle.allowances([*buffer.accounts.each()]))
        return done < self.end

    def _end_from(self, start: int, events: float, roots: float) -> int:
        throttle = self._throttle
        for index, record in enumerate(islice(self._records, start, None), start):
            if throttle.is_free(record):
                continue
            is_root = throttle.is_root(record)
            if events < 1 or (is_root and roots < 1):
                return index
            events -= 1
            roots -= is_root
        return len(self._records)


class LaneThrottle:
    """`farandole.lanes.lane_work.InputThrottle` of one lane."""

    def __init__(
        self,
        place: LanePlace,
        controls: StageControls,
        table: ShareTable,
        shares_topic: str,
        retry_topic: str | None,
        write: Callable[[], BatchResult | None],
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`write` returns what the lane has to write now, its rows among it. `clock` returns
        seconds of the epoch, `monotonic` seconds of a clock that never goes back."""
        self._place = place
        self._controls = controls
        self._shares = Partition(shares_topic, 0)
        self._retry_topic = retry_topic
        self._write = write
        self._stage = _SharedRate("throttle", place, table, clock, monotonic)
        self._roots = _SharedRate("roots", place, table, clock, monotonic)
        self._monotonic = monotonic
        self._asked_at = monotonic()
        self._is_idle = True
        """True while no rate is in force, and no row of it is left."""

    def open(self) -> None:
        """Forget what was due: the lane is born."""
        self._stage.forget()
        self._roots.forget()

    # -- farandole.lanes.lane_work.InputThrottle

    def waits(
        self, pending: Sequence[Record], unread: Callable[[], Mapping[Partition, int]]
    ) -> ThrottledInputs | None:
        stage, roots = self._refresh()
        if stage is None and roots is None:
            return None
        behind = unread()
        if stage is not None:
            count = sum(not self.is_free(record) for record in pending)
            waiting = sum(n for place, n in behind.items() if place.topic != self._retry_topic)
            seconds = self._stage.wait_for(count, count + waiting)
            if seconds:
                return ThrottledInputs(self._holds_all, seconds)
        if roots is not None:
            count = sum(map(self.is_root, pending))
            topics = self._place.root_topics()
            waiting = sum(n for place, n in behind.items() if place.topic in topics)
            seconds = self._roots.wait_for(count, count + waiting)
            if seconds:
                return ThrottledInputs(topics.__contains__, seconds)
        return None

    def asks_for_ends(self) -> bool:
        now = self._monotonic()
        if now - self._asked_at < _ENDS_SECONDS:
            return False
        self._asked_at = now
        return True

    def on_wait(self) -> BatchResult | None:
        return self._write()

    # -- for the lane's processor

    def note_idle(self) -> None:
        """Note that nothing waits, or that the lane takes nothing for another reason."""
        for budget in self._refresh():
            if budget is not None:
                budget.note_waiting(0)

    def room(self, records: Sequence[Record]) -> BatchRoom | None:
        """Return what of a batch may be taken; None for all of it."""
        if self._stage.budget is None and self._roots.budget is None:
            return None
        return BatchRoom(records, self)

    def charge(self, buffer: TransactionBuffer) -> None:
        """Charge the events that a batch of the input has taken."""
        accounts = [*buffer.accounts.each()]
        self._stage.charge(accounts)
        self._roots.charge([each for each in accounts if self.is_root(each.record)])

    def rows(self) -> list[OutgoingRecord]:
        """Return the rows of the lane's shares that are to be written now."""
        if self._is_idle:
            return []
        found = [self._stage.row(), self._roots.row()]
        self._is_idle = self._stage.budget is None and self._roots.budget is None
        return [row for row in found if row is not None]

    def write_rows(self, buffer: TransactionBuffer) -> None:
        """Write the rows of the lane's shares into a transaction, if it is time."""
        for row in self.rows():
            buffer.write(self._shares.topic, row, self._shares.partition)

    # -- for BatchRoom

    def allowances(self, accounts: Sequence[EdgeAccount]) -> tuple[float, float]:
        """Return how many events and how many roots a batch may take in all, less those that these
        accounts have taken."""
        events = roots = inf
        if self._stage.budget is not None:
            events = self._stage.allowance - sum(map(_taken_events, accounts))
        if self._roots.budget is not None:
            taken = (_taken_events(each) for each in accounts if self.is_root(each.record))
            roots = self._roots.allowance - sum(taken)
        return events, roots

    def is_free(self, record: Record) -> bool:
        """Return True if a record is no event of the input, but a row of the retry topic."""
        return record.topic == self._retry_topic

    def is_root(self, record: Record) -> bool:
        """Return True if a record stands in the topic of a root."""
        return record.topic in self._place.root_topics()

    # -- inside

    def _holds_all(self, topic: str) -> bool:
        return topic != self._retry_topic

    def _refresh(self) -> tuple[RateBudget | None, RateBudget | None]:
        stage, roots = self._controls.throttle(), self._controls.root_throttle()
        if roots.rule is not None and not self._place.root_topics():
            roots = UNLIMITED
        if stage.rule is None and roots.rule is None and self._is_idle:
            return None, None
        found = self._stage.refresh(stage), self._roots.refresh(roots)
        if found != (None, None):
            self._is_idle = False
        return found


def _taken_events(account: EdgeAccount) -> int:
    """Return how many events of an account the lane has taken for the first time."""
    outcomes = account.outcomes
    return len(account.ids) - outcomes[Outcome.FILTERED] - outcomes[Outcome.CANCELLED]
