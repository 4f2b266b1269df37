"""Which records of its inputs has the notifier read, also if Kafka has forgotten its offsets?

Kafka forgets the offsets of a group that has had no member for a week. The lane then reads its
inputs from their start. Dead letters are kept for longer than that, so without positions of its own
the notifier would send mails again about incidents that it has deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel

from farandole.events.record import Record
from farandole.events.record_time import past_time_ms

_CLOCK_AHEAD_MS = 3_600_000
"""A record whose time is further ahead of our clock than this has no usable time."""


class ReadPosition(BaseModel):
    """How far one topic is read. Its row is in the table of incidents."""

    topic: str
    offset: int
    """Every record before it is counted."""
    newest: int
    """The latest time of a record that is read, in milliseconds of the epoch."""

    @property
    def key(self) -> bytes:
        return self.topic.encode()

    @staticmethod
    def is_key(key: bytes) -> bool:
        """Return True for the key of a position: no name of a topic has a slash, and every key of
        an incident has two."""
        return b"/" not in key


@dataclass(slots=True)
class ReadPositions:
    """The positions in all input topics, each of which has one partition."""

    _positions: dict[str, ReadPosition] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)

    def restore(self, rows: Iterable[ReadPosition]) -> None:
        """Replace all positions by those that the last owner committed."""
        self._positions = {row.topic: row for row in rows}
        self._changed = set()

    def was_read(self, record: Record, now: int) -> bool:
        """Return True if the record was read before; `now` is in milliseconds of the epoch.

        A lower offset does not prove it: somebody may have deleted and created the topic again. So
        the record must not be newer than what was read, unless its time is none that has been."""
        position = self._positions.get(record.topic)
        if position is None or record.offset >= position.offset:
            return False
        return not position.newest < record.timestamp <= now

    def note(self, record: Record, now: int) -> None:
        """Note that a record is read."""
        before = self._positions.get(record.topic)
        time = past_time_ms(record.timestamp, now + _CLOCK_AHEAD_MS)
        if before is None or time > before.newest or record.offset >= before.offset:
            # In a topic that was created again the offsets begin anew.
            newest = time if before is None else max(time, before.newest)
            self._positions[record.topic] = ReadPosition(
                topic=record.topic, offset=record.offset + 1, newest=newest
            )
            self._changed.add(record.topic)

    def take_changes(self) -> Mapping[bytes, ReadPosition]:
        """Return the rows that have changed since the last call, by key."""
        changed = [self._positions[topic] for topic in sorted(self._changed)]
        self._changed = set()
        return {position.key: position for position in changed}
