"""How often was each flag read, and with which value: bounded counts that can be added?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FlagCounts = dict[str, dict[str, int]]
"""By flag and by value, as JSON in one line, how often functions have read it."""

MAX_FLAGS = 50
"""How many flags are counted; the reads of others are left out."""
MAX_VALUES = 8
"""How many values of one flag are told apart."""
OTHER_VALUES = "…"
"""Stands for all values beyond those."""
MAX_VALUE_LENGTH = 60  # characters of a value; a longer one is cut

MAX_ROW_VALUES = 500
"""How many values are told apart in the row of a run, of all stages and flags together."""

_MAX_COUNT = 2**40


def add_flag_count(counts: FlagCounts, flag: str, value: str, reads: int) -> None:
    """Add so many reads of a flag with a value."""
    values = counts.get(flag)
    if values is None:
        if len(counts) >= MAX_FLAGS:
            return
        values = counts[flag] = {}
    if value not in values and len(values) >= MAX_VALUES:
        value = OTHER_VALUES
    values[value] = values.get(value, 0) + reads


def added_flag_counts(one: Mapping[str, Mapping[str, int]], other: FlagCounts) -> FlagCounts:
    """Return the sum of two counts, and leave both as they are."""
    total = {flag: dict(values) for flag, values in one.items()}
    for flag, values in other.items():
        for value, reads in values.items():
            add_flag_count(total, flag, value, reads)
    return total


def with_stage_counts(
    stages: Mapping[str, FlagCounts], stage: str, counts: FlagCounts
) -> dict[str, FlagCounts]:
    """Return the counts of a run, by stage, after more of one stage. Values beyond MAX_ROW_VALUES
    count as OTHER_VALUES of their flag, or are left out if the flag has none."""
    total = {name: dict(flags) for name, flags in stages.items()}
    kept = sum(len(values) for flags in total.values() for values in flags.values())
    room = MAX_ROW_VALUES - kept
    known = total[stage] = {flag: dict(values) for flag, values in total.get(stage, {}).items()}
    for flag, values in counts.items():
        for value, reads in values.items():
            if value in known.get(flag, ()):
                add_flag_count(known, flag, value, reads)
            elif room > 0 or OTHER_VALUES in known.get(flag, ()):
                before = len(known.get(flag, ()))
                add_flag_count(known, flag, value if room > 0 else OTHER_VALUES, reads)
                room -= len(known.get(flag, ())) - before
    return total


def are_flag_counts(found: Any) -> bool:
    """Return True for counts within these bounds, as a lane writes them."""
    return (
        type(found) is dict
        and len(found) <= MAX_FLAGS
        and all(
            type(values) is dict
            and len(values) <= MAX_VALUES + 1
            and all(
                len(value) <= MAX_VALUE_LENGTH and type(reads) is int and 0 <= reads <= _MAX_COUNT
                for value, reads in values.items()
            )
            for values in found.values()
        )
    )
