"""Which figures of a column are shown, and in which form?"""

from __future__ import annotations

from farandole.operations.results import Result
from farandole.quality.profiles.column_profile import ColumnProfile
from farandole.quality.profiles.edge_profile import EdgeProfile

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BINS = 20
_MOST_VALUES = 10

Number = int | float


class ValueCount(Result):
    """One of the most frequent values of a column."""

    value: str | int | float | bool
    count: int


class Bars(Result):
    """A histogram: `counts[i]` numbers lie between `edges[i]` and `edges[i + 1]`."""

    edges: list[float]
    counts: list[int]


class ColumnFigures(Result):
    """What is known of one column."""

    name: str
    personal: bool
    """If True, no value of it is kept."""
    values: int
    """Rows that have a value, not null."""
    nulls: int
    missing: int
    """Rows without the field."""
    kinds: dict[str, int]
    """How many values are of each kind: int, float, bool, text, object, list."""
    distinct: int
    distinct_is_exact: bool
    """If False, it is within 2 %."""
    minimum: Number | None
    maximum: Number | None
    mean: Number | None
    total: Number | None
    quantiles: dict[str, Number]
    """By share: `0.5` is the median, within 1 %."""
    shortest: int | None
    """Of the texts, in characters."""
    longest: int | None
    formats: dict[str, int]
    """How many texts can be read as a number, a date, and so on."""
    top: list[ValueCount]
    """The most frequent values; none if there are too many different ones."""
    histogram: Bars | None
    trimmed: list[str]
    """What was left out of it for want of room: `values`, `sketches`."""


class ProfileFigures(Result):
    """What is known of the rows of an event type."""

    rows: int
    unreadable: int
    """Events that are no JSON."""
    left_out: int
    """Values of columns that are not kept, because there are too many."""
    repeated: float | None
    """About which share of the rows are like another one, byte for byte, from 0 to 1; None if that
    was not noted. It is within 0.02."""
    columns: list[ColumnFigures]


def profile_figures(profile: EdgeProfile, only: str | None = None) -> ProfileFigures:
    """Return the figures of a profile, in the order of its columns' names; of one column, if `only`
    names it."""
    return ProfileFigures(
        rows=profile.rows,
        unreadable=profile.unreadable,
        left_out=profile.left_out,
        repeated=profile.repeated,
        columns=[
            column_figures(name, each)
            for name, each in profile.columns.items()
            if only in (None, name)
        ],
    )


def column_figures(name: str, column: ColumnProfile) -> ColumnFigures:
    """Return the figures of one column."""
    distinct, is_exact = column.distinct()
    quantiles = {f"{share:g}": column.quantile(share) for share in QUANTILES}
    histogram = column.histogram(_BINS)
    lengths = column.lengths
    return ColumnFigures(
        name=name,
        personal=column.personal,
        values=column.count,
        nulls=column.nulls,
        missing=column.missing,
        kinds=dict(column.kinds),
        distinct=distinct,
        distinct_is_exact=is_exact,
        minimum=column.minimum,
        maximum=column.maximum,
        mean=column.mean,
        total=column.total,
        quantiles={share: number for share, number in quantiles.items() if number is not None},
        shortest=None if lengths is None else lengths.least,
        longest=None if lengths is None else lengths.largest,
        formats=dict(column.formats),
        top=[ValueCount(value=v, count=n) for v, n in column.top(_MOST_VALUES)],
        histogram=None
        if histogram is None
        else Bars(edges=histogram.edges, counts=histogram.counts),
        trimmed=sorted(column.trimmed),
    )
