"""What is the id of an event that a stage emitted?"""

from __future__ import annotations

from typing import NamedTuple

_LIFE_MARK = "~"


def living_name(name: str, life: int) -> str:
    """Return the name that stands in ids for an event type or a topic in this life of its topic:
    `line.ingested`, and `line.ingested~2` once the topic was created again."""
    return name if life == 1 else f"{name}{_LIFE_MARK}{life}"


def name_without_life(name: str) -> str:
    """Return the name of which `living_name` has made this one."""
    return name.partition(_LIFE_MARK)[0]


class EventPosition(NamedTuple):
    """The id of an emitted event: the position of the event that caused it, and the index among the
    results of that event."""

    event_type: str
    partition: int
    offset: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which no id needs
    more: int = 0
    """At how many offsets after `offset` are events that caused it together with that one: all
    causes are in `offset` to `offset + more`. (Release 0.1 counted the events.)"""
    life: int = 1
    """The life of the topic that the position is in (`router/topic_lives.py`)."""

    def __str__(self) -> str:
        causes = f"{self.offset}+{self.more}" if self.more else f"{self.offset}"
        name = living_name(self.event_type, self.life)
        return f"{name}/{self.partition}/{causes}/{self.index}"

    @classmethod
    def parse(cls, text: str) -> EventPosition:
        """Return the position that an id names. Raises ValueError if `text` is no such id."""
        name, partition, causes, index = text.rsplit("/", 3)
        event_type, _, life = name.partition(_LIFE_MARK)
        offset, _, more = causes.partition("+")
        return cls(
            event_type, int(partition), int(offset), int(index), int(more or 0), int(life or 1)
        )
