"""What is known of the rows of one edge?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from farandole.quality.profiles.column_names import MAX_COLUMNS, MAX_NAME
from farandole.quality.profiles.column_profile import ColumnProfile
from farandole.quality.profiles.column_wire import (
    column_from_json,
    column_to_json,
    count_from_json,
)
from farandole.quality.profiles.fitting import fit_columns
from farandole.quality.profiles.hyperloglog import HyperLogLog
from farandole.quality.profiles.value_hash import Hashes

_NAMES = {"rows", "unreadable", "left_out", "cut", "registers", "columns"}


class EdgeProfile:
    """The columns of rows, in the order of their names.

    `rows` counts those that are JSON, `unreadable` those that are not: each event is one of them.
    `left_out` counts the values, nulls among them, of columns that are not kept: beyond the first
    200 names, with names of more than 100 characters, or left out for want of room. `cut` is True
    if the last happened in some part: the figures of columns are then those of the other parts.
    `registers` count different rows; None if the rows of some part were not noted, or their
    registers were left out for want of room.
    """

    __slots__ = ("columns", "cut", "left_out", "registers", "rows", "unreadable")

    def __init__(
        self,
        rows: int = 0,
        columns: Mapping[str, ColumnProfile] | None = None,
        *,
        unreadable: int = 0,
        left_out: int = 0,
    ) -> None:
        """Without arguments the profile is empty. `columns` are at most 200, in the order of their
        names; a row that does not have a column is counted as missing in it."""
        self.rows = rows
        self.unreadable = unreadable
        self.left_out = left_out
        self.cut = False
        self.registers: HyperLogLog | None = None if rows else HyperLogLog()
        self.columns: dict[str, ColumnProfile] = dict(columns or {})
        for column in self.columns.values():
            column.missing = rows - column.count - column.nulls

    def note_rows(self, hashes: Hashes) -> None:
        """Take the hashes of all rows of the profile, so that it knows how many are different."""
        self.registers = HyperLogLog()
        self.registers.add(hashes)

    @property
    def repeated(self) -> float | None:
        """About which share of the rows are like another row that is counted already, from 0 to 1;
        None if that is not known. It is off by 0.006 on average (a standard deviation)."""
        if self.registers is None or not self.rows:
            return None
        return max(0.0, 1 - self.registers.estimate() / self.rows)

    def merge(self, other: EdgeProfile) -> None:
        """Add the profile of other rows of the edge. That one is left as it is."""
        if self.registers is None or other.registers is None:
            self.registers = None
        else:
            self.registers.merge(other.registers)
        for name in self.columns.keys() - other.columns.keys():
            self.columns[name].missing += other.rows
        for name in self.columns.keys() & other.columns.keys():
            self.columns[name].merge(other.columns[name])
        if new := other.columns.keys() - self.columns.keys():
            for name in new:
                self.columns[name] = other.columns[name].copy()
                self.columns[name].missing += self.rows
            self._keep_first_columns()
        self.rows += other.rows
        self.unreadable += other.unreadable
        self.left_out += other.left_out
        self.cut |= other.cut

    def copy(self) -> EdgeProfile:
        copied = EdgeProfile()
        copied.merge(self)
        return copied

    def to_json(self) -> dict[str, Any]:
        """Return the profile as orjson can write it. `from_json` of it is equal to the profile."""
        return {
            **self._counts(self.left_out, self.cut),
            **self._registers(),
            "columns": {name: column_to_json(each) for name, each in self.columns.items()},
        }

    def to_delta(self, max_bytes: int) -> bytes:
        """Return the profile as JSON of at most so many bytes, which `from_json` reads.

        Where it needs more, the registers of the rows are left out. Then columns lose first their
        top values, then their sketches, the largest first, and say so in `trimmed`. Their counts,
        nulls, minimum, maximum and sums stay exact. Where that is not enough, whole columns are
        left out, the last in order first (`cut`). Raise ValueError if there is no room for a
        profile without columns.
        """
        whole, cut = (
            max_bytes - len(orjson.dumps({**self._counts(*counts), "columns": {}}))
            for counts in ((self.left_out, self.cut), (2**63, True))
        )
        if cut < 0:
            raise ValueError(f"a profile needs at least {max_bytes - cut} bytes, not {max_bytes}")
        fitted = fit_columns(self.columns, whole, cut)
        counts = self._counts(self.left_out + fitted.left_out, self.cut or fitted.cut)
        written = orjson.dumps({**counts, "columns": fitted.columns})
        if not fitted.cut and (registers := self._registers()):
            longer = orjson.dumps({**counts, **registers, "columns": fitted.columns})
            written = longer if len(longer) <= max_bytes else written
        return written

    @classmethod
    def from_json(cls, wire: object) -> EdgeProfile:
        """Return the profile that `to_json` wrote, or `to_delta` after orjson has read it. Raise
        ValueError for anything else."""
        if not isinstance(wire, dict) or not wire.keys() <= _NAMES:
            raise ValueError("a profile is an object of known fields")
        columns, cut = wire.get("columns"), wire.get("cut", False)
        if not isinstance(columns, dict) or len(columns) > MAX_COLUMNS:
            raise ValueError(f"a profile has at most {MAX_COLUMNS} columns")
        if not isinstance(cut, bool):
            raise ValueError("a profile is cut or not")
        read = cls(count_from_json(wire.get("rows")))
        read.unreadable = count_from_json(wire.get("unreadable", 0))
        read.left_out = count_from_json(wire.get("left_out", 0))
        read.cut = cut
        if read.rows and "registers" in wire:
            read.registers = HyperLogLog.from_wire(wire["registers"])
        for name in sorted(columns):
            if len(name) > MAX_NAME:
                raise ValueError(f"the name of a column has at most {MAX_NAME} characters")
            column = read.columns[name] = column_from_json(columns[name])
            if column.count + column.nulls + column.missing != read.rows:
                raise ValueError("the values of a column are not as many as there are rows")
        return read

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EdgeProfile) and all(
            getattr(self, name) == getattr(other, name) for name in self.__slots__
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"EdgeProfile({orjson.dumps(self.to_json()).decode()})"

    def _counts(self, left_out: int, cut: bool) -> dict[str, Any]:
        counts = {
            "rows": self.rows, "unreadable": self.unreadable, "left_out": left_out, "cut": cut
        }  # fmt: skip
        return {name: count for name, count in counts.items() if count or name == "rows"}

    def _registers(self) -> dict[str, str]:
        if self.registers is None or not self.rows:
            return {}
        return {"registers": self.registers.to_wire()}

    def _keep_first_columns(self) -> None:
        names = sorted(self.columns)
        for name in names[MAX_COLUMNS:]:
            dropped = self.columns[name]
            self.left_out += dropped.count + dropped.nulls
        self.columns = {name: self.columns[name] for name in names[:MAX_COLUMNS]}
