"""How do two profiles of one event type differ?"""

from __future__ import annotations

from datetime import datetime

from farandole.operations.quality.quality_records import QualityRecord, shown_moment
from farandole.operations.results import Result
from farandole.quality.profiles.drift import ks, psi


class ColumnChange(Result):
    """How far a column is from the same column of the other profile."""

    name: str
    psi: float | None
    """The population stability index: below 0.1 hardly any, above 0.25 a large change. None if the
    values of one of them are not known."""
    ks: float | None
    """The largest difference of the two cumulative shares, 0 to 1; numbers only."""
    nulls: float
    """The share of nulls and missing values, less that of the other profile."""
    distinct: int
    """The number of different values, less that of the other profile."""


class ProfileComparison(Result):
    """How two profiles of one event type differ."""

    run: str | None
    window: datetime | None
    rows: int
    """The rows of the other profile."""
    repeated: float | None
    """About which share of them are like another one; None if that was not noted."""
    columns: list[ColumnChange]
    """The columns that both have, the most changed first."""
    only_here: list[str]
    only_there: list[str]


def compare_profiles(record: QualityRecord, other: QualityRecord) -> ProfileComparison | None:
    """Return what has changed from the profile of `other` to that of `record`; None if only dead
    letters of one of them are known."""
    here, there = record.data.profile, other.data.profile
    if here is None or there is None:
        return None
    changes = []
    for name in here.columns.keys() & there.columns.keys():
        one, two = here.columns[name], there.columns[name]
        changes.append(
            ColumnChange(
                name=name,
                psi=psi(two, one),
                ks=ks(two, one),
                nulls=_absent_share(one.nulls + one.missing, here.rows)
                - _absent_share(two.nulls + two.missing, there.rows),
                distinct=one.distinct()[0] - two.distinct()[0],
            )
        )
    changes.sort(key=lambda change: (-(change.psi or 0), -abs(change.nulls), change.name))
    return ProfileComparison(
        run=other.key.run,
        window=shown_moment(other.key.window),
        rows=there.rows,
        repeated=there.repeated,
        columns=changes,
        only_here=sorted(here.columns.keys() - there.columns.keys()),
        only_there=sorted(there.columns.keys() - here.columns.keys()),
    )


def _absent_share(absent: int, rows: int) -> float:
    return absent / rows if rows else 0.0
