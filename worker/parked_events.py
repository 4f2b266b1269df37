"""Which events of a lane are parked, until when, and in which order are they tried again?

The state of one lane; its rows stand in the lane's partition of the retry topic. An event with a
key waits behind the waiting events of that key from the same input; one without waits alone.
Changes are made at once and count only if they are committed: a lane whose transaction fails is
opened again, and restores what was committed.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nsmallest
from itertools import chain, islice, takewhile

import structlog

from farandole.events import retry_record
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.retry_record import PARKED_PREFIX, STABLE, ParkedEvent
from farandole.worker.circuit_breaker import CircuitBreaker
from farandole.worker.limits import MAX_DUE_EVENTS, MAX_PARKED_BYTES
from farandole.worker.parked_memory import ParkedMemory

log = structlog.get_logger()

QueueKey = tuple[str, bytes | int]
"""A topic, and an event's key, or its offset if it has none."""
_HEADER_OBJECTS, _EVENT_OBJECTS = 150, 750  # bytes of memory besides the contents, measured
HOPELESS_DEATHS = 3
"""After this number of events of one key in a row used up their tries, the next ones get a single
try, as long as other events of the lane succeed."""
PERSON_SHARE = 0.5
"""The part of what may wait in a lane from which on no further key begins to wait for a person: the
rest is for tries, and for what comes behind."""
SUCCESS_IS_RECENT = 1.0
"""Seconds after a success during which other events of the lane count as succeeding."""


class ParkedEvents:
    """`farandole.lanes.lane_work.DeferredEvents`. `capacity`: how many events may wait;
    `clock`: seconds of the epoch."""

    def __init__(
        self,
        retry_partition: Partition,
        capacity: int,
        memory: ParkedMemory,
        breaker: CircuitBreaker,
        clock: Callable[[], float],
    ) -> None:
        self._retry_partition = retry_partition
        self._capacity = capacity
        self._memory = memory
        self._breaker = breaker
        self._clock = clock
        self.bytes = 0
        self.ignores_due_times = False
        """True while no event has to wait for its time, only for those of its key before it."""
        self._candidate: str | None = None
        self.clear()

    def clear(self) -> None:
        self.queues: dict[QueueKey, deque[ParkedEvent]] = {}
        self._count_bytes(-self.bytes)
        self.count = 0
        self._last_sequence = 0
        self._deaths: dict[QueueKey, int] = {}
        self._hopeless_since: dict[QueueKey, float] = {}
        self._next_due = 0  # before then no head is due
        # The queues whose head waits for a person, with its name, and the other way round.
        self._for_person: dict[QueueKey, bytes] = {}
        self._by_name: dict[bytes, QueueKey] = {}
        self._candidate = None

    def follow_candidate(self, candidate: str) -> bool:
        """Note which candidate handles events now; empty if none does. The events of another one
        need not wait for their time: it was that of a function which is called no more. Return True
        if there is such an event, and this is the first time that it is noted."""
        if candidate == self._candidate:
            return False
        self._candidate, self._next_due = candidate, 0
        return any(self._has_lost_candidate(event) for event in self._heads())

    @property
    def state_input(self) -> Partition:
        return self._retry_partition

    def restore(
        self, rows: dict[bytes, bytes], belongs_to_lane: Callable[[ParkedEvent], bool]
    ) -> None:
        """Load what was committed, and empty `rows`: both together would take twice the memory.
        Rows that no lane wrote, or that belong to another lane, are logged and skipped. Raises
        NewerFormatError: such an event waits as well, and must not be lost."""
        self.clear()
        found = []
        while rows:
            key, value = rows.popitem()
            if key.startswith(PARKED_PREFIX):
                try:
                    event = retry_record.parse_retry_row(value)
                    if key != PARKED_PREFIX + event.row_name:
                        raise ValueError("its key is that of another event")
                    if not belongs_to_lane(event):
                        raise ValueError(
                            f"{event.topic}/{event.partition} is no input of this lane"
                        )
                except ValueError as error:
                    topic, partition = self._retry_partition
                    log.warning(
                        "parked.unreadable",
                        row=f"{topic}/{partition}/{key.decode(errors='backslashreplace')}",
                        why=str(error),
                    )
                else:
                    found.append(event)
        for event in sorted(found, key=lambda event: event.sequence):
            self._append(event)

    def is_blocked(self, record: Record) -> bool:
        """Return True if an earlier event of its key waits, so that this one must too."""
        return queue_key_of(record) in self.queues

    def park(self, event: ParkedEvent) -> OutgoingRecord:
        """Append an event to its queue, or replace the head if it is that; returns its row."""
        queue = self.queues.get(queue_key_of(event))
        if event.sequence and queue is not None and queue[0].sequence == event.sequence:
            self._count_bytes(_memory_size(event) - _memory_size(queue[0]))
            queue[0] = event
            self._note_head(queue_key_of(event))
        else:
            self._last_sequence += 1
            event = event._replace(sequence=self._last_sequence)
            self._append(event)
        return retry_record.make_retry_row(event)

    def fails_repeatedly(self, event: Record) -> bool:
        """Return True if HOPELESS_DEATHS events before it in its queue used up their tries while
        other events of the lane go on succeeding. It gets a single try: a queue that always fails
        empties faster than it fills the lane. In an outage nothing succeeds, and this is False."""
        since = self._hopeless_since.get(queue_key_of(event))
        if since is None or self._breaker.failures_in_a_row > MAX_DUE_EVENTS:
            return False
        succeeded = self._breaker.last_success  # never one of this queue: it would be forgiven
        return succeeded > since and 0 <= self._clock() - succeeded <= SUCCESS_IS_RECENT

    def record_death(self, event: ParkedEvent) -> None:
        """Count that an event used up its tries; it is about to be removed."""
        queue = queue_key_of(event)
        self._deaths[queue] = self._deaths.get(queue, 0) + 1
        if self._deaths[queue] == HOPELESS_DEATHS:
            self._hopeless_since[queue] = self._clock()

    def record_success(self, event: ParkedEvent) -> None:
        """Note that a try of an event of this queue succeeded."""
        self._forget_deaths(queue_key_of(event))

    def remove(self, event: ParkedEvent) -> OutgoingRecord | None:
        """Remove a settled event; returns the tombstone of its row, or None if it waits again. One
        that its function has not seen may be settled before those in front of it."""
        name = queue_key_of(event)
        queue = self.queues.get(name, ())
        place = next((n for n, waiting in enumerate(queue) if waiting is event), None)
        if place is None:
            return None
        queue = self.queues[name]
        del queue[place]
        self.count -= 1
        self._count_bytes(-_memory_size(event))
        if not queue:
            del self.queues[name]
            self._forget_deaths(name)
        self._note_head(name)
        return retry_record.retry_tombstone(event)

    def due(self) -> Sequence[ParkedEvent]:
        """Return the heads of queues that are due, the earliest first, each followed by the due
        events behind it. While the breaker is open: a single head, if a probe is due."""
        clock = self._clock()
        now = int(clock * 1000)
        if self._breaker.is_open:
            # At its capacity the lane takes no input, which so cannot be the probe.
            input_next = self._breaker.probe_input_next and not self.at_capacity
            probe = self._breaker.is_probe_due(clock) and not input_next
            return nsmallest(1, self._timed_heads(), key=_due_order) if probe else ()
        if self.ignores_due_times:
            now = _NEVER
        if not self.has_timed or now < self._next_due:
            return ()
        heads = nsmallest(
            MAX_DUE_EVENTS,
            (e for e in self._timed_heads() if self._due_of(e) <= now),
            key=_due_order,
        )
        if not heads:
            self._next_due = min(self._due_of(event) for event in self._timed_heads())
        queues = (
            takewhile(lambda e: self._due_of(e) <= now, self.queues[queue_key_of(h)]) for h in heads
        )
        return [*islice(chain.from_iterable(queues), MAX_DUE_EVENTS)]

    @property
    def next_due(self) -> float | None:
        """The time, in seconds of the epoch, before which `due` returns nothing; None if no event
        waits, but for a person."""
        if not self.has_timed:
            return None
        if self.ignores_due_times:
            return 0.0
        return self._breaker.probe_at if self._breaker.is_open else self._next_due / 1000

    def is_head(self, event: ParkedEvent) -> bool:
        """Return True if no earlier event of its key is waiting."""
        return self.queues[queue_key_of(event)][0] is event

    def in_turn(self, events: Iterable[ParkedEvent]) -> Sequence[bool]:
        """Return for each event whether one call may handle it together with those before it:
        whether each earlier event of its key that waits is among them."""
        queues: dict[QueueKey, Iterator[ParkedEvent]] = {}
        found = []
        for event in events:
            name = queue_key_of(event)
            if name not in queues:
                queues[name] = iter(self.queues.get(name, ()))
            found.append(next(queues[name], None) is event)
            if not found[-1]:
                queues[name] = iter(())  # nothing behind it is in turn either
        return found

    def is_full(self) -> bool:
        """Return True if no input is to be taken: the lane is at its capacity, or its breaker is
        open and no probe is due."""
        return self.at_capacity or self._breaker.is_blocking(self._clock())

    @property
    def has_timed(self) -> bool:
        """True if the head of a queue waits for its time, and not for a person."""
        return len(self._for_person) < len(self.queues)

    @property
    def reads_orders(self) -> bool:
        full_of_events = self.at_capacity and not self._breaker.is_blocking(self._clock())
        return full_of_events and bool(self._for_person)

    def for_person(self) -> Iterator[ParkedEvent]:
        """Yield the events that wait for a person, while nothing changes that."""
        return (self.queues[name][0] for name in self._for_person)

    def find_for_person(self, row_name: bytes) -> ParkedEvent | None:
        """Return the event of this name that waits for a person; None if there is none."""
        name = self._by_name.get(row_name)
        return None if name is None else self.queues[name][0]

    def has_room_for_person(self, event: Record) -> bool:
        """Return True if one more event may wait for a person: an earlier one of its key waits, or
        fewer than a part of what may wait in the lane do."""
        if self.is_blocked(event):
            return True
        fits = self.count < self._most_for_person and self.bytes < MAX_PARKED_BYTES * PERSON_SHARE
        return fits and not self._memory.is_full

    def make_due(self, event: ParkedEvent) -> None:
        """Let an event that waits for a person be handled next. Nothing is written: whoever opens
        the lane again sees it wait."""
        name = queue_key_of(event)
        self.queues[name][0] = event._replace(checks="", due=0)
        self._note_head(name)

    @property
    def has_much_room(self) -> bool:
        """True if so few events wait that further ones may wait for a person for long."""
        return not self._memory.is_full and (
            2 * self.count <= self._most_for_person
            and 2 * self.bytes <= MAX_PARKED_BYTES * PERSON_SHARE
        )

    @property
    def _most_for_person(self) -> int:
        return max(1, int(self._capacity * PERSON_SHARE))

    @property
    def at_capacity(self) -> bool:
        """True if the number or the bytes of the parked events have reached their limit, of this
        lane or of all lanes of the process."""
        full = self.count >= self._capacity or self.bytes >= MAX_PARKED_BYTES
        return full or self._memory.is_full

    @property
    def free_slots(self) -> int:
        """How many more events may be parked; at least 1, because a lane that handles an event must
        be able to park it."""
        return max(1, self._capacity - self.count)

    def _count_bytes(self, more: int) -> None:
        self.bytes += more
        self._memory.used += more

    def _forget_deaths(self, name: QueueKey) -> None:
        self._deaths.pop(name, None)
        self._hopeless_since.pop(name, None)

    def _heads(self) -> list[ParkedEvent]:
        return [queue[0] for queue in self.queues.values()]

    def _timed_heads(self) -> list[ParkedEvent]:
        if not self._for_person:
            return self._heads()
        return [head for head in self._heads() if not head.waits_for_person]

    def _note_head(self, name: QueueKey) -> None:
        """Note that a queue has another head, or none."""
        queue = self.queues.get(name)
        waited = self._for_person.pop(name, None)
        if waited is not None:
            self._by_name.pop(waited, None)
        if queue is None:
            return
        if queue[0].waits_for_person:
            self._for_person[name] = queue[0].row_name
            self._by_name[queue[0].row_name] = name
        else:
            self._next_due = min(self._next_due, self._due_of(queue[0]))

    def _append(self, event: ParkedEvent) -> None:
        name = queue_key_of(event)
        self.queues.setdefault(name, deque()).append(event)
        self.count += 1
        self._count_bytes(_memory_size(event))
        self._last_sequence = max(self._last_sequence, event.sequence)
        self._note_head(name)

    def _due_of(self, event: ParkedEvent) -> int:
        if event.waits_for_person:
            return _NEVER
        return 0 if self._has_lost_candidate(event) else event.due

    def _has_lost_candidate(self, event: ParkedEvent) -> bool:
        """Return True if a candidate has failed on an event that handles it no more."""
        is_candidates = event.variant not in ("", STABLE)
        return is_candidates and self._candidate not in (None, event.variant)


_NEVER = sys.maxsize


def _due_order(event: ParkedEvent) -> tuple[int, int]:
    return event.due, event.sequence


def queue_key_of(record: Record) -> QueueKey:
    """Return the queue in which an event would wait."""
    return record.topic, record.offset if record.key is None else record.key


def _memory_size(event: ParkedEvent) -> int:
    headers = sum(len(name) + len(value or b"") + _HEADER_OBJECTS for name, value in event.headers)
    return len(event.value or b"") + len(event.key or b"") + headers + _EVENT_OBJECTS
