"""Did the process die at this very event, and how often?

The note stands in the metadata of the committed offset, so it moves with the partition to whichever
worker takes it over. It is written before the work begins and gone with the commit of that work;
only a process that dies in between leaves it behind.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

SUSPECT_AFTER = 2
"""Deaths after which few events are worked at a time. A first death is more often the machine's
fault than an event's: the same batch is tried once more."""
SINGLE_EVENT_AFTER = 3
"""Deaths after which one event is worked at a time."""
GIVE_UP_AFTER = 5
"""Deaths at which the event is given up: two of them with no other suspect at work beside it."""
_SUSPECT_FRACTION = 16
"""Of the suspects, the share that is worked at a time: so that one event's lane loses little, and
many lanes whose process was killed from outside are soon through."""


class CrashMarker(NamedTuple):
    """`deaths` lives began to work at this offset and did not end well; events up to and including
    `until` were at work in them. Of what waits, which has no offsets: so many as `until`."""

    deaths: int = 0
    until: int = -1

    @property
    def suspect(self) -> bool:
        return self.deaths >= SUSPECT_AFTER

    @property
    def hopeless(self) -> bool:
        return self.deaths >= GIVE_UP_AFTER

    def last(self, offset: int) -> int:
        """The last event that may be worked together with the suspect at `offset`."""
        if self.deaths >= SINGLE_EVENT_AFTER:
            return offset
        return offset + max(self.until - offset + 1, 1) // _SUSPECT_FRACTION

    def began(self, last: int) -> CrashMarker:
        """What to note before working on events up to `last`. Of suspects only those who are at
        work remain, if this life ends too."""
        return CrashMarker(self.deaths + 1, last if self.suspect else max(self.until, last))

    def settled(self, offset: int) -> CrashMarker:
        """What to note, and believe, when everything before `offset` is settled."""
        return (
            CrashMarker(SUSPECT_AFTER, self.until)
            if self.suspect and offset <= self.until
            else CrashMarker()
        )

    def eased(self) -> CrashMarker:
        """What to note, and believe, when one of `until` suspects that have no offsets is settled,
        or where there are no suspects, all that were at work."""
        return (
            CrashMarker(SUSPECT_AFTER, self.until - 1)
            if self.suspect and self.until > 1
            else CrashMarker()
        )

    def __str__(self) -> str:
        return orjson.dumps(self._asdict()).decode() if self.deaths else ""

    @classmethod
    def parse(cls, metadata: str) -> CrashMarker:
        """The note in a committed offset's metadata; none where it is empty or not ours."""
        try:
            document = orjson.loads(metadata)
            return cls(int(document["deaths"]), int(document["until"]))
        except (ValueError, KeyError, TypeError):
            return cls()
