"""What is the id of an event that a stage emitted?"""

from __future__ import annotations

from typing import NamedTuple


class EventPosition(NamedTuple):
    """The id of an emitted event: the position of the event that caused it, and the index among the
    results of that event."""

    event_type: str
    partition: int
    offset: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which no id needs
    more: int = 0
    """How many events after the one at `offset` caused it together with that one."""

    def __str__(self) -> str:
        causes = f"{self.offset}+{self.more}" if self.more else f"{self.offset}"
        return f"{self.event_type}/{self.partition}/{causes}/{self.index}"

    @classmethod
    def parse(cls, text: str) -> EventPosition:
        """Return the position that an id names. Raises ValueError if `text` is no such id."""
        event_type, partition, causes, index = text.rsplit("/", 3)
        offset, _, more = causes.partition("+")
        return cls(event_type, int(partition), int(offset), int(index), int(more or 0))
