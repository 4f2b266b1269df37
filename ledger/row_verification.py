"""Do the rows of a lane equal what its entries fold into?

Entries are folded one by one, in the order of the ledger. Once a run equals its row, only its name
is kept. So memory contains the rows, and the runs that differ or are not finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

import orjson

from farandole.events.ledger_entry import LedgerEntry
from farandole.events.run_row import RunRow
from farandole.ledger.run_fold import count_settled_events, fold_part

_OTHER_FIELDS = ("late", "throttled", "checks", "gates")
"""Fields that entries alone do not decide: the clock does, and verdicts come from profiles and from
the runs before."""
_ADDED_FIELDS = ("controls", "flags")
"""What a bookkeeper of an earlier release leaves out of a row."""


class RowMismatch(NamedTuple):
    """A run whose row differs from what its entries fold into."""

    run: str
    row: RunRow | None
    """None if the run has no row."""
    refolded: RunRow | None
    """None if the run has no entry."""

    def differing_fields(self) -> list[str]:
        """Return the names of the edges that differ, or of the fields if no edge does."""
        if self.row is None or self.refolded is None:
            return []
        edges = _differing_fields(self.row["edges"], self.refolded["edges"])
        missing = [f for f in _ADDED_FIELDS if f not in self.row]
        return edges or [
            f
            for f in _differing_fields(self.row, self.refolded)
            if f not in (*_OTHER_FIELDS, *missing)
        ]


class RefoldCheck:
    """Compares one partition of the ledger with the rows of its runs."""

    def __init__(
        self, rows: Mapping[bytes, bytes], is_wanted: Callable[[str], bool] = lambda _: True
    ) -> None:
        """`rows` are the bookkeeper's, by run; only runs for which `is_wanted` is True are
        checked."""
        self._is_wanted = is_wanted
        self._rows = {
            run: value
            for key, value in rows.items()
            if is_wanted(run := key.decode(errors="replace"))
        }
        self._matching: set[str] = set()
        self._folds: dict[str, bytes] = {}
        """By run, the folded row where it differs, perhaps because more entries follow."""
        self._unjudged: set[str] = set()

    def add(self, entry: LedgerEntry) -> None:
        """Fold a valid entry that the bookkeeper has read."""
        events = count_settled_events(entry)
        for part in entry["runs"]:
            run = part["run"]
            if not self._is_wanted(run):
                continue
            before = self._rows[run] if run in self._matching else self._folds.get(run)
            row, _ = fold_part(
                None if before is None else orjson.loads(before), part, entry, events
            )
            value = orjson.dumps(row)
            if value == self._rows.get(run):
                self._matching.add(run)
                self._folds.pop(run, None)
            else:
                self._matching.discard(run)
                self._folds[run] = value

    def skip_unfolded(self, entry: LedgerEntry) -> None:
        """Note an entry that the bookkeeper may not have read, so that its runs are not judged."""
        self._unjudged |= {part["run"] for part in entry["runs"] if self._is_wanted(part["run"])}

    @property
    def unjudged(self) -> int:
        """The number of runs that cannot be judged yet."""
        return len(self._unjudged)

    def mismatches(self) -> Iterator[RowMismatch]:
        """Yield the runs that differ, once all entries are added."""
        for run, value in self._folds.items():
            mismatch = RowMismatch(run, _load_row(self._rows.get(run)), _load_row(value))
            if run not in self._unjudged and (mismatch.row is None or mismatch.differing_fields()):
                yield mismatch
        known = self._matching | self._folds.keys() | self._unjudged
        for run, value in self._rows.items():
            if run not in known:
                yield RowMismatch(run, _load_row(value), None)


def _load_row(value: bytes | None) -> RunRow | None:
    return None if value is None else cast(RunRow, orjson.loads(value))


def _differing_fields(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    return [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
