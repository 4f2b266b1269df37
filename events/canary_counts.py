"""How are the observations of a canary counted?

An observation is the first attempt of an event, one for each key and run: whether it failed, and
how long it took. What a stage handles in lists has no time: that of a call depends on how many
events it holds."""

from __future__ import annotations

from math import log
from typing import Any, TypedDict

TIME_MARGIN = 1.5
"""A candidate is slow if its times are longer than those of the stable function by more than this
factor."""
STEPS_PER_MARGIN = 4
"""The bounds of the buckets are a geometric series, of which this number make TIME_MARGIN: so a
candidate is compared by buckets exactly as well as by its times divided by the margin."""
SHORTEST_TIME = 0.002
"""Seconds: what takes less is in bucket 0. Below it the machine is measured, not the function."""
THRESHOLDS = 120
"""How many bounds are compared; the longest is about six minutes."""
LAST_BUCKET = THRESHOLDS + STEPS_PER_MARGIN

_MAX_COUNT = 2**40  # so that sums of them stay below 64 bits
_STEP = log(TIME_MARGIN) / STEPS_PER_MARGIN


class VariantCounts(TypedDict):
    """The observations of one variant."""

    n: int
    failed: int
    times: dict[str, int]
    """By the number of the bucket, how many took so long; those without a time are missing."""


class CanaryCounts(TypedDict):
    """The observations of both variants under one canary switch."""

    generation: int
    """The offset of the switch's document in `farandole.control`."""
    candidate: VariantCounts
    stable: VariantCounts


def no_counts() -> VariantCounts:
    """Return the counts of a variant without observations."""
    return {"n": 0, "failed": 0, "times": {}}


def count_observation(counts: VariantCounts, failed: bool, seconds: float | None) -> None:
    """Add one observation; `seconds` is None if it has no time of its own."""
    counts["n"] += 1
    counts["failed"] += failed
    if seconds is not None:
        bucket = str(time_bucket(seconds))
        counts["times"][bucket] = counts["times"].get(bucket, 0) + 1


def add_counts(counts: VariantCounts, more: VariantCounts) -> None:
    """Add the observations of `more` to `counts`."""
    counts["n"] += more["n"]
    counts["failed"] += more["failed"]
    for bucket, number in more["times"].items():
        counts["times"][bucket] = counts["times"].get(bucket, 0) + number


def time_bucket(seconds: float) -> int:
    """Return the bucket of a time: the number of bounds that it exceeds."""
    if seconds <= SHORTEST_TIME:
        return 0
    return min(LAST_BUCKET, 1 + int(log(seconds / SHORTEST_TIME) / _STEP))


def bucket_bound(bucket: int) -> float:
    """Return the time in seconds that the times of a bucket do not exceed, but for the last."""
    return float(SHORTEST_TIME * TIME_MARGIN ** (bucket / STEPS_PER_MARGIN))


def time_quantile(counts: VariantCounts, share: float) -> float | None:
    """Return the time in seconds that this share of the observations does not exceed, up to the
    width of a bucket; None if no time was measured."""
    wanted = share * sum(counts["times"].values())
    for bucket, number in sorted((int(name), n) for name, n in counts["times"].items()):
        wanted -= number
        if wanted <= 0:
            return bucket_bound(bucket)
    return None


def is_valid_counts(counts: Any) -> bool:
    """Return True if this is what lanes write of the observations of one variant."""
    try:
        times = counts["times"]
        return (
            _is_count(counts["n"], _MAX_COUNT)
            and _is_count(counts["failed"], counts["n"])
            and all(name in _BUCKETS and _is_count(n, counts["n"]) for name, n in times.items())
            and sum(times.values()) <= counts["n"]
        )
    except (KeyError, TypeError, AttributeError):
        return False


def is_valid_canary(canary: Any) -> bool:
    """Return True if this is what lanes write of the observations under one switch."""
    try:
        return (
            _is_count(canary["generation"], 2**63 - 1)
            and is_valid_counts(canary["candidate"])
            and is_valid_counts(canary["stable"])
        )
    except (KeyError, TypeError):
        return False


def _is_count(number: Any, most: int) -> bool:
    return type(number) is int and 0 <= number <= most


_BUCKETS = frozenset(map(str, range(LAST_BUCKET + 1)))
