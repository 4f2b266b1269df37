"""What does one entry of the ledger say about its stage?"""

from __future__ import annotations

from typing import NamedTuple

from farandole.events.ledger_entry import parse_ledger_entry


class EntryMeasure(NamedTuple):
    """One entry, summed over its runs and event types; counts are of events."""

    pipeline: str
    stage: str
    at: int
    """Milliseconds of the epoch, never later than when it was read."""
    consumed: int
    emitted: int
    dead: int
    dropped: int
    filtered: int
    cancelled: int
    seconds: float
    """What handling took."""
    age: float
    """Of the oldest event when it was settled, in seconds."""


def measure_entry(value: bytes | None, now: int) -> EntryMeasure | None:
    """None where no lane of ours wrote it. A worker whose clock is ahead is taken to have written
    at `now`, in milliseconds of the epoch: its windows would hide those that are to come."""
    entry = parse_ledger_entry(value)
    if entry is None:
        return None
    consumed = emitted = dead = dropped = filtered = cancelled = 0
    try:
        at = entry["at"]
        oldest = at
        for part in entry["runs"]:
            for took in part["in"].values():
                consumed += took["n"]
                dead += took.get("dead", 0)
                dropped += took.get("dropped", 0)
                filtered += took.get("filtered", 0)
                cancelled += took.get("cancelled", 0)
                oldest = min(oldest, took["oldest"])
            for gave in part["out"].values():
                emitted += gave["n"]
        return EntryMeasure(
            pipeline=entry["pipeline"],
            stage=entry["stage"],
            at=min(int(at), now),
            consumed=consumed,
            emitted=emitted,
            dead=dead,
            dropped=dropped,
            filtered=filtered,
            cancelled=cancelled,
            seconds=float(entry["seconds"]),
            age=(at - oldest) / 1000,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
