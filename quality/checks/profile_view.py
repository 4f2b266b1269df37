"""What does the function of a check see of the data of a run, or of a window?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from farandole.quality.profiles.column_profile import ColumnProfile
from farandole.quality.profiles.edge_profile import EdgeProfile
from farandole.quality.profiles.number_form import Number
from farandole.quality.profiles.top_values import Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Column:
    """The figures of one column, read only. Of a personal column there are only counts, lengths and
    the number of different values."""

    __slots__ = ("_column",)

    def __init__(self, column: ColumnProfile) -> None:
        self._column = column

    @property
    def count(self) -> int:
        """How many values there are that are not null."""
        return self._column.count

    @property
    def nulls(self) -> int:
        return self._column.nulls

    @property
    def missing(self) -> int:
        """How many rows do not have the column."""
        return self._column.missing

    @property
    def kinds(self) -> Mapping[str, int]:
        """How many values are of each kind: int, float, bool, text, object, list."""
        return MappingProxyType(self._column.kinds)

    @property
    def formats(self) -> Mapping[str, int]:
        """How many texts can be read as each format, such as `number` and `date`."""
        return MappingProxyType(self._column.formats)

    @property
    def personal(self) -> bool:
        return self._column.personal

    @property
    def distinct(self) -> int:
        """How many different booleans, numbers and texts there are: exact up to 1,000, then within
        2 %."""
        return self._column.distinct()[0]

    @property
    def min(self) -> Number | None:
        """The least number; None without numbers. The same holds for the next three."""
        return self._column.minimum

    @property
    def max(self) -> Number | None:
        return self._column.maximum

    @property
    def sum(self) -> Number | None:
        return self._column.total

    @property
    def mean(self) -> Number | None:
        return self._column.mean

    @property
    def earliest(self) -> datetime | None:
        """The first of the texts that can be read as dates; None without dates."""
        return _moment(self._column.earliest)

    @property
    def latest(self) -> datetime | None:
        return _moment(self._column.latest)

    @property
    def lengths(self) -> tuple[int, int] | None:
        """The characters of the shortest and of the longest text; None without texts."""
        found = self._column.lengths
        return None if found is None else (found.least, found.largest)

    def quantile(self, share: float) -> Number | None:
        """Return the number below which this share (0 to 1) of the numbers lies; None without
        numbers."""
        return self._column.quantile(share)

    def top(self, most: int) -> list[tuple[Value, int]]:
        """Return the most frequent values with their counts; none if there are more than 1,000."""
        return self._column.top(most)


class Profile:
    """The profile of all rows of an event type in a run, or in a window, read only."""

    __slots__ = ("_columns", "_profile")

    def __init__(self, profile: EdgeProfile) -> None:
        self._profile = profile
        self._columns = MappingProxyType(
            {name: Column(column) for name, column in profile.columns.items()}
        )

    @property
    def rows(self) -> int:
        """How many rows are JSON."""
        return self._profile.rows

    @property
    def unreadable(self) -> int:
        """How many rows are no JSON."""
        return self._profile.unreadable

    @property
    def columns(self) -> Mapping[str, Column]:
        """By name, with dots for the fields inside (`address.city`). A column that no row has is
        not there."""
        return self._columns


def _moment(microseconds: int | None) -> datetime | None:
    if microseconds is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
