"""Which event caused an output that a program without transactions wrote?

Such a program writes its outputs to the raw topic of its stage. Copies of them may stand there, in
any order; each names its cause by position, so that copies are recognized (docs/wire.md).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from farandole.events.envelope import UnreadableEventError, header_text
from farandole.events.record import Partition, Record, UndecodableRecord

CAUSE_HEADER = "farandole-cause"
TYPE_HEADER = "farandole-type"
_CAUSE_PATTERN = re.compile(r"([^/]{1,249})/(\d{1,9})/(\d{1,18})/(\d{1,9})", re.ASCII)


class OutputPlace(NamedTuple):
    """The event that caused an output, and which of the results of that event the output is."""

    partition: Partition
    offset: int
    number: int
    """Counted from 0."""

    def __str__(self) -> str:
        return f"{self.partition.topic}/{self.partition.partition}/{self.offset}/{self.number}"


def output_place(record: Record) -> OutputPlace:
    """Return the place that a record of a raw topic names. Raises UnreadableEventError if it names
    none, or has no value."""
    if isinstance(record, UndecodableRecord):
        raise UnreadableEventError(f"{record.why}; the record itself stays in its topic")
    if record.value is None:
        raise UnreadableEventError("the record has no value")
    headers = dict(record.headers)
    if CAUSE_HEADER not in headers:
        raise UnreadableEventError(f"it has no header {CAUSE_HEADER}: nobody knows what caused it")
    text = header_text(headers[CAUSE_HEADER], CAUSE_HEADER)
    found = _CAUSE_PATTERN.fullmatch(text)
    if found is None:
        raise UnreadableEventError(
            f"header {CAUSE_HEADER} is {text[:300]!r}, which is no TOPIC/PARTITION/OFFSET/NUMBER"
        )
    topic, partition, offset, number = found.groups()
    return OutputPlace(Partition(topic, int(partition)), int(offset), int(number))


def declared_type(record: Record) -> str | None:
    """Return the event type that a record of a raw topic names; None if it names none. Raises
    UnreadableEventError."""
    headers = dict(record.headers)
    return header_text(headers[TYPE_HEADER], TYPE_HEADER) if TYPE_HEADER in headers else None
