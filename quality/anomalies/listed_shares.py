"""Which values of a column have a share of their own, and what is known of one that a run does not
list?

A column of few different values is a set of categories: its most frequent values are listed with
their shares. A value that is not listed has a smaller share than any that is, or at least than
LEAST_SHARE. So a category that is new is compared with that, not with nothing: it stands out in the
first run in which it has a share. In a column of many different values, such as ids, new ones are
usual; of those only the share of the most frequent value is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from farandole.events.quality_history import Measurement
from farandole.quality.anomalies.metric_key import MetricKey, metric_key
from farandole.quality.anomalies.metric_kinds import Kind

MOST_CATEGORIES: Final = 50
"""With more different values a column is none of categories."""
MOST_VALUES: Final = 20
"""So many values of a column are listed, the most frequent ones, …"""
LEAST_SHARE: Final = 0.002
"""… if they have at least this share of its values."""
_LISTED: Final = "share of "


def share_statistic(value: object) -> str:
    """Return the name of the statistic that is the share of a value."""
    return f"{_LISTED}{value!r:.60}"


def is_listed_share(key: MetricKey | Measurement) -> bool:
    """Return whether a metric is the share of one value."""
    return key.statistic.startswith(_LISTED)


def shared_value(key: MetricKey) -> str:
    """Return the value whose share a metric is, as Python writes it."""
    return key.statistic.removeprefix(_LISTED)


Column = tuple[str, str]
"""An edge and the name of a column."""


def listed_by_column(keys: Iterable[MetricKey]) -> dict[Column, list[MetricKey]]:
    """Return the metrics of columns by column, in the order given."""
    found: dict[Column, list[MetricKey]] = {}
    for key in keys:
        found.setdefault((key.edge, key.column), []).append(key)
    return found


def complete_shares(
    points: Sequence[Measurement], known: Mapping[Column, Sequence[MetricKey]]
) -> list[Measurement]:
    """Return the measurements, with bounds of the shares of values: each listed one may be smaller
    by what an unlisted one may have, and of each known value that is not listed one is added, of
    0. A column of which nothing is listed is left alone: its values may be too many to count."""
    listed: dict[Column, list[Measurement]] = {}
    for each in points:
        if is_listed_share(each):
            listed.setdefault((each.edge, each.column), []).append(each)
    completed = [each for each in points if not is_listed_share(each)]
    for column, shares in listed.items():
        least = LEAST_SHARE
        if len(shares) >= MOST_VALUES:
            least = max(least, min(each.value for each in shares))
        completed += [
            each._replace(low=max(0.0, each.value - least), high=each.value) for each in shares
        ]
        here = {metric_key(each) for each in shares}
        completed += [
            Measurement(*key, Kind.TOP_SHARE.value, 0.0, shares[0].rows, 0.0, least)
            for key in known.get(column, ())
            if key not in here
        ]
    return completed
