"""What does a lane write about the data of the events that a transaction has consumed?

It is an entry of the ledger without parts of runs (`LedgerEntry.profiles`). It goes before the
entries of the same transaction, to the partition of the run that it is about; that of a window goes
to the partition of its event type. So whoever has read the entry that completes a run has read all
that was said about its data.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict
from zlib import crc32

MAX_DELTA_BYTES = 64 * 1024
"""What all deltas of one transaction may take; beyond it top values, then sketches are left out."""


class ProfileDelta(TypedDict):
    """The profile of the events of one type in one run, or in one window, of one transaction."""

    version: int
    event: str
    stage: str
    """The first stage that subscribes to the event type, which profiles it; empty for an event type
    without subscribers: the stage that has emitted it profiles it."""
    run: NotRequired[str]
    """The run of the events; there is none if the profile is kept for windows."""
    window: NotRequired[int]
    """When the window of the events begins, in milliseconds of the epoch."""
    until: NotRequired[int]
    """When it ends."""
    profile: NotRequired[dict[str, Any]]
    """The rows that were consumed for the first time, as `EdgeProfile` writes them."""
    died: NotRequired[dict[str, Any]]
    """Those that have become dead letters, each when it died first."""
    mended: NotRequired[int]
    """How many of the consumed rows a person has changed: those are in no topic of events."""
    keys: NotRequired[dict[str, Any]]
    """How many of the rows have a key that has come before in the run, as `RuleTally` writes it;
    missing where the lane does not know."""
    ids: NotRequired[list[str]]
    """Of some of the rows that were consumed for the first time: those with the least hashes."""
    checks: NotRequired[dict[str, Any]]
    """What the rules of rows have found, as `RuleTallies` writes them."""


def window_partition(pipeline: str, event_type: str, partitions: int) -> int:
    """Return the partition of the ledger that has the deltas of the windows of an event type."""
    return crc32(f"{pipeline}/{event_type}".encode()) % partitions


def window_start(at: int, seconds: float) -> int:
    """Return when the window begins that a time is in; both in milliseconds of the epoch."""
    length = round(seconds * 1000)
    return at - at % length
