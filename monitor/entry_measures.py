"""What does one ledger entry measure of its stage?"""

from __future__ import annotations

from typing import NamedTuple

from farandole.events.ledger_entry import parse_ledger_entry
from farandole.events.outcome import OutcomeCounts
from farandole.events.record_time import past_time_ms
from farandole.events.row_format import NewerFormatError


class EntryMeasure(NamedTuple):
    """The figures of one entry, summed over its runs and event types. Counts are events."""

    pipeline: str
    stage: str
    at: int
    """When it was written, in milliseconds of the epoch; not later than the time of reading."""
    consumed: int
    emitted: int
    dead: int
    dropped: int
    filtered: int
    cancelled: int
    seconds: float
    """The time that handling took."""
    age: float
    """The age of the oldest event when it was settled, in seconds."""
    parked: int = 0
    """Events that began to wait for a retry, minus those whose retry has begun. Can be negative."""


def measure_entry(value: bytes | None, now: int) -> EntryMeasure | None:
    """Return the figures of an entry; None if the record is not an entry that this release can
    read.

    A time after `now`, in milliseconds of the epoch, is replaced by `now`. The clock of its worker
    is ahead, and a window in the future would replace a window that is still needed."""
    try:
        entry = parse_ledger_entry(value)
    except NewerFormatError:
        return None  # figures may lack an entry
    if entry is None:
        return None
    consumed = emitted = 0
    outcomes = OutcomeCounts()
    try:
        at = entry["at"]
        oldest = at
        for part in entry["runs"]:
            for settled in part["in"].values():
                consumed += settled["n"]
                outcomes.add(OutcomeCounts.from_fields(settled))
                oldest = min(oldest, past_time_ms(settled["oldest"], at))
            for sent in part["out"].values():
                emitted += sent["n"]
        seconds, age = float(entry["seconds"]), (at - oldest) / 1000
        pipeline, stage, at = entry["pipeline"], entry["stage"], min(int(at), now)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return EntryMeasure(
        pipeline=pipeline,
        stage=stage,
        at=at,
        consumed=consumed,
        emitted=emitted,
        seconds=seconds,
        age=age,
        **outcomes.complete(),
    )
