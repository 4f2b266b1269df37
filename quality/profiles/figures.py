"""Which figures does a profile have, so that two profiles of the same rows can be compared?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from xxhash import xxh3_64_hexdigest

from farandole.quality.profiles.column_profile import ColumnProfile, Extent
from farandole.quality.profiles.distribution import Distribution
from farandole.quality.profiles.edge_profile import EdgeProfile
from farandole.quality.profiles.exact_sum import units_to_wire
from farandole.quality.profiles.hyperloglog import HyperLogLog
from farandole.quality.profiles.number_form import canonical, integer_to_wire, number_to_wire
from farandole.quality.profiles.quantile_sketch import Counts, Keys
from farandole.quality.profiles.top_values import TopValues

Figure = int | float | str | Sequence[int | str] | Mapping[str, int | str]
"""As JSON has them; a mapping is of single values."""
Figures = Mapping[str, Figure]
"""By name; a figure that a profile does not have is left out, and so is a count of 0."""


class ComparedFigures(NamedTuple):
    """The figures of one column, or of the rows as a whole."""

    exact: Figures
    spread: Figures | None
    """Those that may be left out for want of room. None if they were, of some part: what is left
    then depends on the parts."""


ROWS: Final = None
"""Stands for the rows as a whole, where the name of a column stands else."""
DIFFERENT_ROWS: Final = "\\different rows"
"""Stands for how many rows are different. No column has this name: in those a backslash is before
a dot or another one."""


def figures_of(profile: EdgeProfile) -> dict[str | None, ComparedFigures]:
    """Return the figures of each column by its name, and those of the rows under ROWS. Two profiles
    of which no part was left out are equal just if all of these are. If columns were left out
    (`EdgeProfile.cut`), only those of the rows are there."""
    rows = _counts({"rows": profile.rows, "unreadable": profile.unreadable})
    if profile.cut:
        return {ROWS: ComparedFigures(rows, None)}
    counted = _counts({"left out": profile.left_out})
    figures: dict[str | None, ComparedFigures] = {
        ROWS: ComparedFigures(rows, counted),
        DIFFERENT_ROWS: ComparedFigures({}, _different(profile.registers)),
    }
    for name, column in profile.columns.items():
        spread = None if column.trimmed else _spread(column.distribution)
        figures[name] = ComparedFigures(_exact(column), spread)
    return figures


def _different(registers: HyperLogLog | None) -> Figures | None:
    return None if registers is None else {"registers": _digest(registers)}


def _digest(registers: HyperLogLog) -> str:
    return xxh3_64_hexdigest(registers.registers().tobytes())


def _exact(column: ColumnProfile) -> Figures:
    figures: dict[str, Figure] = _counts(
        {
            "nulls": column.nulls,
            "missing": column.missing,
            "not finite": column.not_finite,
            "personal": int(column.personal),
            **column.kinds,
            **{f"items {kind}": count for kind, count in column.items.items()},
            **{f"texts {name}": count for name, count in column.formats.items()},
        }
    )
    figures |= {
        "sum of integers": integer_to_wire(column.integer_sum),
        "sum of doubles": units_to_wire(column.double_sum),
        "sum of texts": integer_to_wire(column.text_sum),
    }
    others: dict[str, Figure | None] = {
        "minimum": None if column.minimum is None else number_to_wire(column.minimum),
        "maximum": None if column.maximum is None else number_to_wire(column.maximum),
        "earliest": column.earliest,
        "latest": column.latest,
        "lengths": None if column.lengths is None else _lengths(column.lengths),
        "list lengths": None if column.list_lengths is None else _lengths(column.list_lengths),
    }
    figures |= {name: figure for name, figure in others.items() if figure is not None}
    return figures


def _spread(distribution: Distribution) -> Figures:
    if distribution.values is not None:
        return {"values": _values(distribution.values)}
    return {
        "registers": _digest(distribution.registers),
        "quantiles": _buckets(distribution.numbers.keys, distribution.numbers.counts),
        "quantiles of lengths": _buckets(distribution.lengths.keys, distribution.lengths.counts),
    }


def _values(values: TopValues) -> Mapping[str, int]:
    """Return the counts by value as JSON writes it; of texts that are not kept, by their hash and
    length."""
    found = {("true" if value else "false"): count for value, count in values.booleans.items()}
    found |= {str(canonical(value)): count for value, count in values.numbers.items()}
    found |= {repr(value): count for value, count in values.texts.items()}
    found |= {f"#{hashed:016x}/{length}": n for (hashed, length), n in values.long_texts.items()}
    return found


def _buckets(keys: Keys, counts: Counts) -> Mapping[str, int]:
    return dict(zip(map(str, keys.tolist()), counts.tolist(), strict=True))


def _lengths(extent: Extent) -> list[int]:
    return [extent.least, extent.largest, extent.total]


def _counts(counts: Mapping[str, int]) -> dict[str, Figure]:
    return {name: count for name, count in counts.items() if count}
