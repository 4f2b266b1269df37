"""Are the profiles that are kept the sums of their parts?

Parts come one by one, and are added up by run and event type. As soon as a sum has as many rows as
what is kept, the two are compared, and only the result is remembered. So memory contains
fingerprints of what is kept, and the sums that are not finished.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from farandole.events.quality_row import QualityKey
from farandole.ledger.edge_data import EdgeData
from farandole.ledger.edge_figures import (
    Fingerprints,
    Part,
    RowCounts,
    differing_places,
    edge_figures,
    fingerprints,
)

MAX_SUMS = 1_000
"""Sums that are held at once: of 100 KB each, with ten columns of many values."""


class KeptProfile(NamedTuple):
    """What is remembered of a profile that is kept."""

    rows: RowCounts
    fingerprints: Fingerprints
    mended: int
    """Rows of it that a person has changed."""
    opened: int
    """When the run was opened, in milliseconds of the epoch; 0 if it has not ended."""

    @classmethod
    def of(cls, data: EdgeData, opened: int = 0) -> KeptProfile:
        prints = fingerprints(edge_figures(data))
        return cls(RowCounts.of(data), prints, data.mended, opened)


class DataVerification:
    """Compares profiles with the sums of their parts."""

    def __init__(
        self,
        kept: Mapping[QualityKey, KeptProfile],
        most: int = MAX_SUMS,
        *,
        without: Container[Part] = (),
    ) -> None:
        """`most` sums are held at once. What does not fit in is `postponed`, to be added up in
        another verification. `without`: parts of profiles that are not compared."""
        self._kept = kept
        self._without = without
        self._most = most
        self._sums: OrderedDict[QualityKey, EdgeData] = OrderedDict()
        self.equal: set[QualityKey] = set()
        """Profiles that equal the sum of their parts."""
        self._different: set[QualityKey] = set()
        self.postponed: set[QualityKey] = set()

    def add(self, part: EdgeData) -> None:
        """Add a part of a profile."""
        key = part.key
        if key in self._different or key in self.postponed:
            return
        if key in self.equal:  # it had all of its rows already
            self.equal.discard(key)
            self._different.add(key)
            return
        sum_ = self._sums.get(key)
        if sum_ is None:
            if len(self._sums) >= self._most:
                self.postponed.add(key)
                return
            sum_ = self._sums[key] = EdgeData(key, part.version, part.stage)
        sum_.merge(part)
        kept = self._kept.get(key)
        if kept is not None and RowCounts.of(sum_) == kept.rows:
            found = fingerprints(edge_figures(self._sums.pop(key)))
            differs = differing_places(found, kept.fingerprints, self._without)
            (self._different if differs else self.equal).add(key)

    def different(self) -> set[QualityKey]:
        """Return the profiles that differ, once all parts are added: also those of which there are
        no parts, and those that are not kept."""
        unfinished = self._kept.keys() - self.equal - self.postponed
        return {*self._different, *self._sums, *unfinished}


class WholeSums:
    """The sums of some profiles, as a whole."""

    def __init__(self, wanted: Iterable[QualityKey]) -> None:
        self._wanted = frozenset(wanted)
        self._sums: dict[QualityKey, EdgeData] = {}

    def add(self, part: EdgeData) -> None:
        """Add a part of a profile."""
        if part.key not in self._wanted:
            return
        if part.key not in self._sums:
            self._sums[part.key] = EdgeData(part.key, part.version, part.stage)
        self._sums[part.key].merge(part)

    def __getitem__(self, key: QualityKey) -> EdgeData:
        """Return the sum of a profile; an empty one if there is no part."""
        return self._sums.get(key) or EdgeData(key, 0, "")
