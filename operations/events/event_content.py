"""What is in a record, if it is an event, and where are its data?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farandole.events.envelope import (
    UnreadableEventError,
    is_in_structured_mode,
    parse_envelope,
)
from farandole.events.record import Record


@dataclass(frozen=True, slots=True)
class EventContent:
    """What was read of a record."""

    attributes: Mapping[str, str]
    """Without `ce_`; empty if the record is bare, or no event."""
    data: bytes | None
    """The whole value if the record is no event."""
    unreadable: str | None
    """Why the record is no event; None if it is one."""
    is_misplaced: bool
    """True if `data` hold more than the data of an event: then nobody knows where in them is what a
    schema marks."""


def read_content(record: Record) -> EventContent:
    """Return what is in a record. Raises nothing."""
    is_structured = is_in_structured_mode(record)
    try:
        envelope = parse_envelope(record)
    except UnreadableEventError as error:
        return EventContent({}, record.value, str(error), is_structured)
    is_misplaced = is_structured and envelope.data == record.value
    return EventContent(envelope.attributes, envelope.data, None, is_misplaced)
