"""Which event is a dead letter about?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.record import Header, Record
from farandole.operations.dead_letters.letter_selection import account_field


class DeadEvent(NamedTuple):
    """The event that died, as a record. It is made from the letter, since that is kept longer."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


def dead_event(letter: Record) -> DeadEvent | None:
    """Return the event of a letter; None if the letter does not say where it was."""
    topic = account_field(letter, "topic")
    partition, offset = account_field(letter, "partition"), account_field(letter, "offset")
    if not (topic and all(n.isascii() and n.isdigit() for n in (partition, offset))):
        return None
    headers = [h for h in letter.headers if not h[0].startswith(DEAD_HEADER_PREFIX)]
    place = topic, int(partition[:18]), int(offset[:18])
    return DeadEvent(*place, letter.timestamp, letter.key, letter.value, headers)
