"""What is known of one column?

Each figure is a sum, a minimum, a maximum, or a part of a Distribution: profiles of the parts of a
column are merged into that of the whole, the same in any order and grouping, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from farandole.quality.profiles.distribution import Distribution
from farandole.quality.profiles.exact_sum import fraction_of
from farandole.quality.profiles.histogram import Histogram, Weights, histogram_of, quantile_of
from farandole.quality.profiles.number_form import Number, canonical, nearest_double
from farandole.quality.profiles.text_formats import decimal_fraction
from farandole.quality.profiles.top_values import Value

Kind = Literal["int", "float", "bool", "text", "object", "list"]
KINDS: tuple[Kind, ...] = ("int", "float", "bool", "text", "object", "list")
Trimmed = Literal["values", "sketches"]
TRIMMABLE: tuple[Trimmed, ...] = ("values", "sketches")


@dataclass(frozen=True, slots=True)
class Extent:
    """The least, the largest and the sum of some lengths."""

    least: int
    largest: int
    total: int

    def merged(self, other: Extent) -> Extent:
        return Extent(
            min(self.least, other.least),
            max(self.largest, other.largest),
            self.total + other.total,
        )


@dataclass(slots=True, eq=True)
class ColumnProfile:
    """The figures of one column.

    Of a personal column no value is kept in any form: no top values, no range, sum and quantiles of
    numbers, no sum and dates of texts. `not_finite` counts NaN, the infinities, and
    integers beyond the largest double, which no other figure but `kinds` contains; JSON can hold
    none of them.
    """

    distribution: Distribution = field(default_factory=Distribution)
    nulls: int = 0
    missing: int = 0
    """Rows that do not have the column, an object or a null where it would be included."""
    kinds: dict[str, int] = field(default_factory=dict)
    """How many values are of each kind; kinds that do not occur are left out."""
    not_finite: int = 0
    minimum: Number | None = None
    maximum: Number | None = None
    """Of the finite numbers; None if there are none."""
    integer_sum: int = 0
    """The sum of the integers."""
    double_sum: int = 0
    """The sum of the finite doubles, as a multiple of 2^-1074."""
    text_sum: int = 0
    """The sum of the texts that can be read as numbers, in units of 10^-200."""
    earliest: int | None = None
    latest: int | None = None
    """Of the texts that can be read as dates, in microseconds since 1970 in UTC; None if there are
    none."""
    lengths: Extent | None = None
    """Of the texts, in characters; None if there are none."""
    list_lengths: Extent | None = None
    """Of the lists, in items; None if there are none."""
    items: dict[str, int] = field(default_factory=dict)
    """How many items of all lists are of each kind; `null` is one of them."""
    formats: dict[str, int] = field(default_factory=dict)
    """How many texts can be read as each format of `text_formats.FORMATS`; 0 is left out."""
    trimmed: frozenset[Trimmed] = frozenset()
    """What was left out of some part, for want of room: top values, or the sketches too. The part
    is not in `distinct`, `quantile`, `top` and the histograms then, but in everything else."""

    @property
    def personal(self) -> bool:
        return self.distribution.personal

    @property
    def count(self) -> int:
        """How many values there are that are not null."""
        return sum(self.kinds.values())

    @property
    def finite_numbers(self) -> int:
        """How many integers and doubles there are that are finite."""
        return self.kinds.get("int", 0) + self.kinds.get("float", 0) - self.not_finite

    @property
    def exact_total(self) -> Fraction | None:
        """The exact sum of the finite numbers; None if there are none or the column is personal."""
        if self.personal or not self.finite_numbers:
            return None
        return self.integer_sum + fraction_of(self.double_sum)

    @property
    def exact_amount(self) -> Fraction | None:
        """The exact sum of the finite numbers and of the texts that can be read as numbers, as
        decimals are often written; None if there are neither, or they are personal."""
        if self.personal or not (self.finite_numbers or "number" in self.formats):
            return None
        return (self.exact_total or 0) + decimal_fraction(self.text_sum)

    @property
    def total(self) -> Number | None:
        """The sum of the finite numbers: an integer if it is one of 64 bits, else the nearest
        double. None if there are no numbers or they are personal."""
        return None if (exact := self.exact_total) is None else _rounded(exact)

    @property
    def mean(self) -> Number | None:
        """The mean of the finite numbers, rounded as `total` is; None as there."""
        if (exact := self.exact_total) is None:
            return None
        return _rounded(exact / self.finite_numbers)

    @property
    def overflowed(self) -> bool:
        """True if the values are not kept: too many, personal, or left out."""
        return self.distribution.values is None

    def distinct(self) -> tuple[int, bool]:
        """Return how many different booleans, numbers and texts there are, and True if that is
        exact, or False if it is within 2 %."""
        if (values := self.distribution.values) is not None:
            return len(values), True
        return self.distribution.registers.estimate(), False

    def top(self, most: int) -> list[tuple[Value, int]]:
        """Return at most so many values with their counts, the most frequent first; none if
        `overflowed`. A text of more than 100 characters is not among them."""
        values = self.distribution.values
        return [] if values is None else values.most_frequent(most)

    def quantile(self, share: float) -> Number | None:
        """Return the number below which this share of the finite numbers lies, 0 to 1: that of rank
        floor(share · (how many − 1)), counted from 0. It is exact as long as the values are kept,
        and within 1 % then. None if there are none, or none is known."""
        return quantile_of(number_weights(self), share)

    def length_quantile(self, share: float) -> Number | None:
        """Return the same of the lengths of texts, in characters."""
        return quantile_of(length_weights(self), share)

    def histogram(self, bins: int) -> Histogram | None:
        """Return how many finite numbers there are in each of so many equal parts of their range;
        None if there are none, or none is known."""
        return histogram_of(number_weights(self), bins)

    def length_histogram(self, bins: int) -> Histogram | None:
        """Return the same of the lengths of texts, in characters."""
        return histogram_of(length_weights(self), bins)

    def merge(self, other: ColumnProfile) -> None:
        """Add the profile of other rows. That one is left as it is."""
        self.distribution.merge(other.distribution)
        self.nulls += other.nulls
        self.missing += other.missing
        self.not_finite += other.not_finite
        self.kinds = added(self.kinds, other.kinds)
        self.items = added(self.items, other.items)
        self.formats = added(self.formats, other.formats)
        self.lengths = joined(self.lengths, other.lengths)
        self.list_lengths = joined(self.list_lengths, other.list_lengths)
        self.trimmed |= other.trimmed
        if self.personal:
            self.minimum = self.maximum = None
            self.earliest = self.latest = None
            self.integer_sum = self.double_sum = self.text_sum = 0
        else:
            self.integer_sum += other.integer_sum
            self.double_sum += other.double_sum
            self.text_sum += other.text_sum
            self.earliest = _first(self.earliest, other.earliest, min)
            self.latest = _first(self.latest, other.latest, max)
            self.include_range(other.minimum, other.maximum)

    def include_range(self, minimum: Number | None, maximum: Number | None) -> None:
        """Widen the range so that it contains these, if they are not None."""
        if minimum is not None and (self.minimum is None or minimum < self.minimum):
            self.minimum = canonical(minimum)
        if maximum is not None and (self.maximum is None or maximum > self.maximum):
            self.maximum = canonical(maximum)

    def without_values(self) -> ColumnProfile:
        """Return a copy that keeps no top values, and says so if it had some."""
        copied = self.copy()
        if not copied.overflowed:
            copied.distribution.forget_values()
            copied.trimmed |= {"values"}
        return copied

    def without_sketches(self) -> ColumnProfile:
        """Return a copy that keeps neither top values nor sketches, and says so."""
        copied = self.without_values()
        copied.distribution.forget_sketches()
        copied.trimmed |= {"sketches"}
        return copied

    def copy(self) -> ColumnProfile:
        copied = ColumnProfile(Distribution(personal=self.personal))
        copied.merge(self)
        return copied


def added(some: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Return the sums of two counts by name."""
    if not some or not more:
        return dict(some or more)
    return {**some, **{name: some.get(name, 0) + count for name, count in more.items()}}


def number_weights(column: ColumnProfile) -> Weights:
    """Return the finite numbers of a column, as near as they are known, with their counts."""
    if column.minimum is None or column.maximum is None:
        return Weights.none()
    if (values := column.distribution.values) is not None:
        return Weights.exact(values.numbers)
    return Weights.sketched(column.distribution.numbers, column.minimum, column.maximum)


def length_weights(column: ColumnProfile) -> Weights:
    """Return the lengths of a column's texts, as near as they are known."""
    if column.lengths is None:
        return Weights.none()
    if (values := column.distribution.values) is not None:
        return Weights.exact(values.text_lengths())
    return Weights.sketched(
        column.distribution.lengths, column.lengths.least, column.lengths.largest
    )


def _first(one: int | None, other: int | None, choose: Callable[[int, int], int]) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)


def joined(one: Extent | None, other: Extent | None) -> Extent | None:
    """Return the extent of two sets of lengths, each None if it is empty."""
    if one is None or other is None:
        return one or other
    return one.merged(other)


def _rounded(exact: Fraction) -> Number:
    if exact.denominator == 1 and -(2**63) <= exact < 2**64:
        return exact.numerator
    return nearest_double(exact)
