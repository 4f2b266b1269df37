"""Which values of a column were in the runs of the last time?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farandole.quality.checks.known_values import KnownValue
    from farandole.quality.profiles.top_values import TopValues

MOST_VALUES = 100_000  # of one column


class RememberedValues:
    """The values of one column, each with the time at which a run ended that had it last."""

    def __init__(self, unlisted: int | None = None, most: int = MOST_VALUES) -> None:
        """`unlisted`: when the last run ended of which the values are not known; None if there is
        none. Times are milliseconds of the epoch."""
        self._unlisted = unlisted
        self._most = most
        self._seen: dict[KnownValue, int] = {}
        """Those that were there last are last."""

    def learn(self, values: TopValues | None, at: int) -> None:
        """Add the values of a run that ended at this time, which is not before that of any other.
        None: they are not known."""
        from farandole.quality.checks.known_values import known_values  # numpy only where needed

        if values is None:
            self._unlisted = at
            return
        for value in known_values(values):
            self._seen.pop(value, None)
            self._seen[value] = at
        while len(self._seen) > self._most:
            self._unlisted = self._seen.pop(next(iter(self._seen)))

    def since(self, time: int) -> frozenset[KnownValue]:
        """Return the values of the runs that ended at this time or later."""
        return frozenset(value for value, at in self._seen.items() if at >= time)

    def is_whole(self, time: int) -> bool:
        """Return True if all values of the runs are known that ended at this time or later."""
        return self._unlisted is None or self._unlisted < time
