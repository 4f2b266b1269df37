"""Do the rows of a lane say what its entries fold into?

Entry by entry, in the order of the ledger. A run whose fold has become its row is held no more than
by its name: what is held is the rows, and the runs that differ or are not at their end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

import orjson

from farandole.events.ledger_entry import LedgerEntry
from farandole.events.run_row import RunRow
from farandole.ledger.run_fold import count_settled_events, fold_part

_CLOCK_FIELD = "late"


class RowMismatch(NamedTuple):
    """A run whose row is not what its entries fold into."""

    run: str
    row: RunRow | None
    """None: it has none."""
    fold: RunRow | None
    """None: it has no entry."""

    def what(self) -> list[str]:
        """The edges that differ; if none does, the fields."""
        if self.row is None or self.fold is None:
            return []
        edges = _differing_fields(self.row["edges"], self.fold["edges"])
        return edges or [f for f in _differing_fields(self.row, self.fold) if f != _CLOCK_FIELD]


class RefoldCheck:
    """One partition of the ledger, and of the rows."""

    def __init__(
        self, rows: Mapping[bytes, bytes], wanted: Callable[[str], bool] = lambda _: True
    ) -> None:
        """`rows`: those of the bookkeeper, by run; `wanted`: is this run looked at?"""
        self._wanted = wanted
        self._rows = {
            run: value for key, value in rows.items() if wanted(run := key.decode(errors="replace"))
        }
        self._agreed: set[str] = set()
        self._folds: dict[str, bytes] = {}
        """Of runs that are not, or not yet, what their row says."""
        self._ahead: set[str] = set()

    def add(self, entry: LedgerEntry) -> None:
        """Fold a sound entry that the bookkeeper has read."""
        events = count_settled_events(entry)
        for part in entry["runs"]:
            run = part["run"]
            if not self._wanted(run):
                continue
            before = self._rows[run] if run in self._agreed else self._folds.get(run)
            row, _ = fold_part(
                None if before is None else orjson.loads(before), part, entry, events
            )
            value = orjson.dumps(row)
            if value == self._rows.get(run):
                self._agreed.add(run)
                self._folds.pop(run, None)
            else:
                self._agreed.discard(run)
                self._folds[run] = value

    def pass_by(self, entry: LedgerEntry) -> None:
        """An entry that the bookkeeper may not have read: its runs cannot be judged yet."""
        self._ahead |= {part["run"] for part in entry["runs"] if self._wanted(part["run"])}

    @property
    def ahead(self) -> int:
        """Runs that are not judged."""
        return len(self._ahead)

    def others(self) -> Iterator[RowMismatch]:
        """What differs, once all entries are added."""
        for run, value in self._folds.items():
            other = RowMismatch(run, _load_row(self._rows.get(run)), _load_row(value))
            if run not in self._ahead and (other.row is None or other.what()):
                yield other
        known = self._agreed | self._folds.keys() | self._ahead
        for run, value in self._rows.items():
            if run not in known:
                yield RowMismatch(run, _load_row(value), None)


def _load_row(value: bytes | None) -> RunRow | None:
    return None if value is None else cast(RunRow, orjson.loads(value))


def _differing_fields(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    return [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
