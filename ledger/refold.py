"""Do the rows of a lane say what its entries fold into?

Entry by entry, in the order of the ledger. A run whose fold has become its row is held no more than
by its name: what is held is the rows, and the runs that differ or are not at their end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, cast

import orjson

from farandole.events.ledger import Entry, Row
from farandole.ledger.fold import events_in, folded

_JUDGED_BY_THE_CLOCK = "late"


class Other(NamedTuple):
    """A run whose row is not what its entries fold into."""

    run: str
    row: Row | None
    """None: it has none."""
    fold: Row | None
    """None: it has no entry."""

    def what(self) -> list[str]:
        """The edges that differ; if none does, the fields."""
        if self.row is None or self.fold is None:
            return []
        edges = _unlike(self.row["edges"], self.fold["edges"])
        return edges or [f for f in _unlike(self.row, self.fold) if f != _JUDGED_BY_THE_CLOCK]


class Refold:
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

    def add(self, entry: Entry) -> None:
        """Fold a sound entry that the bookkeeper has read."""
        events = events_in(entry)
        for part in entry["runs"]:
            run = part["run"]
            if not self._wanted(run):
                continue
            before = self._rows[run] if run in self._agreed else self._folds.get(run)
            row, _ = folded(None if before is None else orjson.loads(before), part, entry, events)
            value = orjson.dumps(row)
            if value == self._rows.get(run):
                self._agreed.add(run)
                self._folds.pop(run, None)
            else:
                self._agreed.discard(run)
                self._folds[run] = value

    def pass_by(self, entry: Entry) -> None:
        """An entry that the bookkeeper may not have read: its runs cannot be judged yet."""
        self._ahead |= {part["run"] for part in entry["runs"] if self._wanted(part["run"])}

    @property
    def ahead(self) -> int:
        """Runs that are not judged."""
        return len(self._ahead)

    def others(self) -> Iterator[Other]:
        """What differs, once all entries are added."""
        for run, value in self._folds.items():
            other = Other(run, _row(self._rows.get(run)), _row(value))
            if run not in self._ahead and (other.row is None or other.what()):
                yield other
        known = self._agreed | self._folds.keys() | self._ahead
        for run, value in self._rows.items():
            if run not in known:
                yield Other(run, _row(value), None)


def _row(value: bytes | None) -> Row | None:
    return None if value is None else cast(Row, orjson.loads(value))


def _unlike(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    return [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]
