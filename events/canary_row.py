"""What does the bookkeeper's state say of the canary of a stage?

There is one row for each stage: of its newest canary switch that was observed. It stands in the
partition of the ledger to which all lanes of the stage write their observations, so one lane of the
bookkeeper has all of them, and can decide."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict
from zlib import crc32

import orjson

from farandole.events.canary_counts import VariantCounts, is_valid_counts, no_counts
from farandole.events.row_format import check_format

CANARY_PREFIX = b"canary/"
"""Before the name of the stage in the key of a row."""


class CanaryRow(TypedDict):
    """What was observed under a canary switch, of all lanes."""

    pipeline: str
    stage: str
    generation: int
    """The offset of the switch's document in `farandole.control`."""
    candidate: VariantCounts
    stable: VariantCounts
    first: int
    """When the first observations were written, in milliseconds of the epoch."""
    last: int
    ended: NotRequired[str]
    """Why the bookkeeper has ended the switch; missing if it has not."""
    format: NotRequired[int]


def canary_key(pipeline: str, stage: str) -> bytes:
    """Return the key of the row of a stage."""
    return CANARY_PREFIX + f"{pipeline}/{stage}".encode()


def is_canary_key(key: bytes | None) -> bool:
    """Return True if this is the key of a row in the bookkeeper's state."""
    return key is not None and key.startswith(CANARY_PREFIX)


def canary_partition(pipeline: str, stage: str, partitions: int) -> int:
    """Return the partition of the ledger that has the observations of a stage's canaries."""
    return crc32(canary_key(pipeline, stage)) % partitions


def new_canary_row(pipeline: str, stage: str, generation: int, at: int) -> CanaryRow:
    """Return a row without observations; `at`: milliseconds of the epoch."""
    return {
        "pipeline": pipeline,
        "stage": stage,
        "generation": generation,
        "candidate": no_counts(),
        "stable": no_counts(),
        "first": at,
        "last": at,
    }


def parse_canary_row(value: bytes) -> CanaryRow:
    """Return the row. Raises NewerFormatError, and ValueError if no bookkeeper of ours wrote it."""
    row: Any = orjson.loads(value)
    check_format("canary row", row)
    try:
        texts = (row["pipeline"], row["stage"], row.get("ended", ""))
        numbers = (row["generation"], row["first"], row["last"])
        fits = all(type(text) is str for text in texts)
        fits &= all(type(number) is int and number >= 0 for number in numbers)
        fits &= is_valid_counts(row["candidate"]) and is_valid_counts(row["stable"])
    except (KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise ValueError("no row of a canary")
    found: CanaryRow = row
    return found
