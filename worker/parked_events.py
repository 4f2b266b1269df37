"""Which events of a lane wait, until when, and who waits behind whom?

The state of one lane, whose rows stand in its partition of the retry topic. What has a key waits
behind what waits with the same key, from the same input; what has none waits alone. Changes are
made at once and hold if they are committed: a lane whose transaction fails is born again, and
restores what was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from heapq import nsmallest
from itertools import chain, islice, takewhile

from farandole.events import retry_record
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.retry_record import PARKED_PREFIX, ParkedEvent
from farandole.worker.circuit_breaker import CircuitBreaker
from farandole.worker.limits import MAX_DUE_EVENTS, MAX_PARKED_BYTES

QueueKey = tuple[str, bytes | int]
HOPELESS_DEATHS = 3  # deaths in a row of one key


class ParkedEvents:
    """`farandole.lanes.lane_protocol.Waits`. `clock`: seconds of the epoch."""

    def __init__(
        self, place: Partition, most: int, breaker: CircuitBreaker, clock: Callable[[], float]
    ) -> None:
        self._place = place
        self._most = most
        self._breaker = breaker
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        self.queues: dict[QueueKey, deque[ParkedEvent]] = {}
        self.count = 0
        self.bytes = 0
        self._sequence = 0
        self._deaths: dict[QueueKey, int] = {}
        self._next = 0  # before then no head is due

    @property
    def state_input(self) -> Partition:
        return self._place

    def restored(self, rows: Mapping[bytes, bytes], ours: Callable[[ParkedEvent], bool]) -> None:
        """Begin with what was committed. Rows of others' making are passed over."""
        self._begin()
        found = []
        for key, value in rows.items():
            if key.startswith(PARKED_PREFIX):
                try:
                    event = retry_record.parse_retry_row(value)
                except ValueError:
                    continue
                if ours(event):
                    found.append(event)
        for event in sorted(found, key=lambda event: event.sequence):
            self._append(event)

    def behind(self, record: Record) -> bool:
        """Must it wait because an earlier one with its key does?"""
        return queue_key_of(record) in self.queues

    def park(self, event: ParkedEvent) -> OutgoingRecord:
        """Let it wait: at the end of its queue, or where it stands at its head. Its row."""
        queue = self.queues.get(queue_key_of(event))
        if event.sequence and queue is not None and queue[0].sequence == event.sequence:
            self.bytes += _memory_size(event) - _memory_size(queue[0])
            queue[0] = event
            self._next = min(self._next, event.due)
        else:
            self._sequence += 1
            event = event._replace(sequence=self._sequence)
            self._append(event)
        return retry_record.make_retry_row(event)

    def hopeless(self, event: Record) -> bool:
        """Have so many before it in its queue died that it gets one try alone? A key that always
        fails is so gone through faster than it fills the lane."""
        return self._deaths.get(queue_key_of(event), 0) >= HOPELESS_DEATHS

    def died(self, event: ParkedEvent) -> None:
        """Its tries are used up: it is about to be settled."""
        queue = queue_key_of(event)
        self._deaths[queue] = self._deaths.get(queue, 0) + 1

    def lived(self, event: ParkedEvent) -> None:
        """A try has succeeded."""
        self._deaths.pop(queue_key_of(event), None)

    def settle(self, event: ParkedEvent) -> OutgoingRecord | None:
        """It is settled: the tombstone of its row, unless it waits again."""
        name = queue_key_of(event)
        queue = self.queues[name]
        if queue[0] is not event:
            return None
        queue.popleft()
        self.count -= 1
        self.bytes -= _memory_size(event)
        if queue:
            self._next = min(self._next, queue[0].due)
        else:
            del self.queues[name]
            self._deaths.pop(name, None)
        return retry_record.retry_tombstone(event)

    def due(self) -> Sequence[ParkedEvent]:
        """The heads of queues whose time has come, the earliest first, each with those that may
        follow it at once."""
        clock = self._clock()
        now = int(clock * 1000)
        if self._breaker.open:
            probing = self._breaker.probing(clock) and not self._breaker.input_next
            return nsmallest(1, self._heads(), key=_due_order) if probing else ()
        if not self.queues or now < self._next:
            return ()
        heads = nsmallest(
            MAX_DUE_EVENTS, (e for e in self._heads() if e.due <= now), key=_due_order
        )
        if not heads:
            self._next = min(event.due for event in self._heads())
        queues = (takewhile(lambda e: e.due <= now, self.queues[queue_key_of(h)]) for h in heads)
        return [*islice(chain.from_iterable(queues), MAX_DUE_EVENTS)]

    def first(self, event: ParkedEvent) -> bool:
        """Does it stand behind nobody?"""
        return self.queues[queue_key_of(event)][0] is event

    def is_full(self) -> bool:
        return self.at_cap or self._breaker.resting(self._clock())

    @property
    def at_cap(self) -> bool:
        """Do as many events, or bytes, wait as may?"""
        return self.count >= self._most or self.bytes >= MAX_PARKED_BYTES

    @property
    def room(self) -> int:
        """For so many more events; for one at least, as a lane that is asked to handle one must."""
        return max(1, self._most - self.count)

    def _heads(self) -> list[ParkedEvent]:
        return [queue[0] for queue in self.queues.values()]

    def _append(self, event: ParkedEvent) -> None:
        self.queues.setdefault(queue_key_of(event), deque()).append(event)
        self.count += 1
        self.bytes += _memory_size(event)
        self._sequence = max(self._sequence, event.sequence)
        self._next = min(self._next, event.due)


def _due_order(event: ParkedEvent) -> tuple[int, int]:
    return event.due, event.sequence


def queue_key_of(record: Record) -> QueueKey:
    return record.topic, record.offset if record.key is None else record.key


def _memory_size(event: ParkedEvent) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in event.headers)
    return len(event.value or b"") + len(event.key or b"") + headers + 500
