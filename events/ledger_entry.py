"""What does a lane write about one transaction in the ledger?

A lane writes an *entry* inside the transaction that moves the events which the entry counts. It
goes to the partition of `farandole.ledger` that its runs belong to. The entries of one run fold
into its row (`run_row.py`).

Hashes are sums modulo 2^64 of 64-bit hashes (XXH3) of event ids, so their order does not matter
(Bellare and Micciancio's incremental multiset hash, in its cheap form: it detects mistakes, not
attacks). The id of a root is its run's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NotRequired, TypedDict
from zlib import crc32

import orjson
from xxhash import xxh3_64_intdigest

from farandole.events.canary_counts import CanaryCounts
from farandole.events.flag_counts import FlagCounts
from farandole.events.key_partitioner import partition_for_key
from farandole.events.profile_delta import ProfileDelta
from farandole.events.row_format import KNOWN_FORMATS, check_format
from farandole.events.run_ids import is_placed_as_key

HASH_MASK = 2**64 - 1
DEFAULT_LEDGER_PARTITIONS = 4
"""The number of partitions of a ledger that is created."""
LEDGER_LAG_SECONDS = 60.0
"""The ledger lags if the bookkeeper has not read an entry for longer than this: then the rows of
runs do not say how these stand."""


class ConsumedCounts(TypedDict):
    """Events of one type that a stage has settled. Those with none of the outcomes below were
    handled."""

    n: int
    hash: int
    bypassed: NotRequired[int]
    dropped: NotRequired[int]
    """The function returned nothing although the stage has outputs."""
    filtered: NotRequired[int]
    dead: NotRequired[int]
    cancelled: NotRequired[int]
    parked: NotRequired[int]
    """They wait for another try; negative if parked events were settled."""
    oldest: int
    """The time of the oldest event, in milliseconds of the epoch."""
    lines: NotRequired[int]
    """Data lines in the events, if an event can have several because its data are a list."""


class EmittedCounts(TypedDict):
    """Events of one type that a stage has emitted."""

    n: int
    hash: int
    to: list[str]
    """The stages that subscribe to them under the run's version; none at the end of a path."""
    lines: NotRequired[int]


class RunRoot(TypedDict):
    """The event that opened the run, as each of its subscribers has seen it."""

    type: str
    topic: str
    partition: int
    offset: int
    at: int
    """The time of the event, in milliseconds of the epoch."""
    to: list[str]
    """The stages that subscribe to it: each of them has to settle it."""
    within: NotRequired[float]
    """Seconds in which the run is expected to complete."""
    fail_above: NotRequired[float]
    """The share of its events that may die before the run has failed."""
    again: NotRequired[str]
    """The run that this one repeats."""
    schedule: NotRequired[str]
    """The schedule whose firing it is or, with `again`, repeats."""
    planned: NotRequired[str]
    """The planned time of that firing, in UTC: `2026-11-30T02:30:00Z`."""


# The functional form, because `in` is a keyword of Python.
RunPart = TypedDict(
    "RunPart",
    {
        "run": str,
        "version": int,
        "in": dict[str, ConsumedCounts],
        "out": dict[str, EmittedCounts],
        "root": NotRequired[RunRoot],
        "flags": NotRequired[FlagCounts],
    },
)
"""What one transaction did for one run: consumed and emitted events by type, and how often its
functions read each flag."""


class LedgerEntry(TypedDict):
    """The value of a record in `farandole.ledger`, with the parts of several runs."""

    pipeline: str
    stage: str
    lane: int
    at: int
    """When it was written, in milliseconds of the epoch."""
    seconds: float
    """The time that handling took, for all its events together."""
    runs: list[RunPart]
    format: NotRequired[int]
    proven: NotRequired[bool]
    """False if a program without transactions has handled the events: it alone knows whether all of
    their results are here. Such an entry has the format UNPROVEN_ENTRY_FORMAT."""
    controls: NotRequired[list[str]]
    """The control documents that were in force for the stage (`control_generations.py`)."""
    canary: NotRequired[CanaryCounts]
    """What was observed under a canary switch of the stage, in an entry without parts of runs: it
    goes to the partition of the stage's canaries (`canary_row.py`)."""
    profiles: NotRequired[list[ProfileDelta]]
    """What the data of the events look like (`profile_delta.py`), in an entry without parts of
    runs."""


UNPROVEN_ENTRY_FORMAT = KNOWN_FORMATS["ledger entry"]


def hash_event_ids(ids: Iterable[bytes]) -> int:
    """Return the hash of events by their ids, in any order."""
    return sum(map(xxh3_64_intdigest, ids)) & HASH_MASK


def ledger_partition(run: bytes, partitions: int) -> int:
    """Return the partition of the ledger that has all entries of a run, in their order; that of
    `farandole.runs` with its row has the same number."""
    return partition_for_key(run, partitions) if is_placed_as_key(run) else crc32(run) % partitions


def without_deleted(entry: LedgerEntry, pipeline: str, oldest: int) -> LedgerEntry:
    """Return an entry without its parts of the pipeline's versions before `oldest`: a pipeline that
    had the same name wrote them, and was deleted."""
    if entry["pipeline"] != pipeline or all(part["version"] >= oldest for part in entry["runs"]):
        return entry
    return {**entry, "runs": [part for part in entry["runs"] if part["version"] >= oldest]}


def parse_ledger_entry(value: bytes | None) -> LedgerEntry | None:
    """Return the entry in a record; None if no lane of ours wrote it. Raises NewerFormatError."""
    try:
        entry = orjson.loads(value or b"")
        check_format("ledger entry", entry)
        runs = entry["runs"]
        return entry if isinstance(runs, list) and isinstance(entry["stage"], str) else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
