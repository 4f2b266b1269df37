"""How often did a process die while it handled the event at this offset?

The marker stands in the metadata of the committed offset, so it moves with the partition to
whichever worker takes it over. A lane writes it before the work begins, and the commit of that work
removes it; only a process that dies in between leaves it behind.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

from farandole.events.row_format import NewerFormatError, check_format

SUSPECT_AFTER = 2
"""Deaths after which few events are handled at a time. A first death is more often the machine's
fault than an event's: the same batch is tried once more."""
SINGLE_EVENT_AFTER = 3
"""Deaths after which one event is handled at a time."""
GIVE_UP_AFTER = 5
"""Deaths at which the event is given up; in the last two it was handled alone."""
_TROUBLE_KEY = "why"
_LONGEST_TROUBLE = 500  # letters; Kafka takes 4,096 bytes of metadata
_NO_NUMBER = 2**62  # no offset, and no number of deaths
_SUSPECT_FRACTION = 16
"""About one sixteenth of the suspects is handled at a time. So one bad event delays its lane
little, and the lanes of a process that was killed from outside soon handle whole batches again."""


class CrashMarker(NamedTuple):
    """`deaths` processes began to handle events at this offset and died. They were handling events
    up to and including the offset `until`. For deferred events, which have no offsets, `until` is
    their number."""

    deaths: int = 0
    until: int = -1

    @property
    def is_suspect(self) -> bool:
        """True if the next event may be one that kills its process."""
        return self.deaths >= SUSPECT_AFTER

    @property
    def is_hopeless(self) -> bool:
        """True if the next event is to be given up."""
        return self.deaths >= GIVE_UP_AFTER

    def last_in_trial(self, offset: int) -> int:
        """Return the offset of the last event that may be handled together with the suspect at
        `offset`."""
        if self.deaths >= SINGLE_EVENT_AFTER:
            return offset
        return offset + max(self.until - offset + 1, 1) // _SUSPECT_FRACTION

    def started(self, last: int) -> CrashMarker:
        """Return the marker to write before events up to `last` are handled. If this process dies
        too, only those suspects that it was handling remain suspects."""
        return CrashMarker(self.deaths + 1, last if self.is_suspect else max(self.until, last))

    def after_settling(self, offset: int) -> CrashMarker:
        """Return the marker that is valid when everything before `offset` is settled."""
        return (
            CrashMarker(SUSPECT_AFTER, self.until)
            if self.is_suspect and offset <= self.until
            else CrashMarker()
        )

    def after_one_deferred(self) -> CrashMarker:
        """Return the marker that is valid when one of `until` suspects among the deferred events is
        settled or, if there are no suspects, all that were handled."""
        return (
            CrashMarker(SUSPECT_AFTER, self.until - 1)
            if self.is_suspect and self.until > 1
            else CrashMarker()
        )

    def __str__(self) -> str:
        return orjson.dumps(self._asdict()).decode() if self.deaths else ""

    def with_trouble(self, trouble: str) -> str:
        """Return the metadata that say besides why the lane has failed before: it stands there
        until the lane commits something."""
        document = {**self._asdict(), _TROUBLE_KEY: trouble[:_LONGEST_TROUBLE]}
        return orjson.dumps(document).decode() if trouble else str(self)

    @classmethod
    def parse(cls, metadata: str) -> CrashMarker:
        """Return the marker in the metadata of a committed offset; one with no deaths if the
        metadata are empty or not ours. A marker of a newer format counts no deaths either: the
        event that kills its process is then found anew."""
        try:
            document = orjson.loads(metadata)
            check_format("crash marker", document)
            deaths, until = document["deaths"], document["until"]
            fits = type(deaths) is type(until) is int and deaths >= 0 and until >= -1
            return cls(deaths, until) if fits and max(deaths, until) < _NO_NUMBER else cls()
        except (ValueError, KeyError, TypeError, NewerFormatError):
            return cls()


def lane_trouble(metadata: str) -> str | None:
    """Return why the last try of the lane failed whose committed offset has these metadata; None if
    it has succeeded since."""
    try:
        trouble = orjson.loads(metadata)[_TROUBLE_KEY]
    except (ValueError, KeyError, TypeError):
        return None
    return trouble if isinstance(trouble, str) and trouble else None
