"""What does one ledger entry measure of its stage?"""

from __future__ import annotations

from typing import Any, NamedTuple

from farandole.events.ledger_entry import parse_ledger_entry
from farandole.events.outcome import OutcomeCounts
from farandole.events.record_time import past_time_ms
from farandole.events.row_format import NewerFormatError

_MAX_NUMBER = 2**50


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
    bypassed: int = 0


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
        at, pipeline, stage = _bounded(entry["at"]), entry["pipeline"], entry["stage"]
        if type(pipeline) is not str or "/" in pipeline or "/" in stage:
            return None  # a slash has a meaning in the key of a window
        oldest = at
        for part in entry["runs"]:
            for settled in part["in"].values():
                consumed += _bounded(settled["n"])
                outcomes.add(OutcomeCounts.from_fields(settled))
                oldest = min(oldest, past_time_ms(settled["oldest"], at))
            for sent in part["out"].values():
                emitted += _bounded(sent["n"])
        seconds, age, at = float(entry["seconds"]), (at - oldest) / 1000, min(at, now)
        counted = {name: _bounded(n) for name, n in outcomes.complete().items()}
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
        **counted,
    )


def _bounded(number: Any) -> int:
    """Return a count or a time. Raises ValueError if it is none of an entry: sums of them must stay
    below 64 bits."""
    if type(number) is not int or not -_MAX_NUMBER <= number <= _MAX_NUMBER:
        raise ValueError(number)
    return number
