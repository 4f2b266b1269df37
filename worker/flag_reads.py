"""What does a function get that reads a flag, and how often was each flag read in a batch?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from farandole.events.control_generations import generation_name
from farandole.events.flag_counts import FlagCounts, add_flag_count
from farandole.worker.event_facts import HandledEvent, event_attributes, event_id
from farandole.worker.flag_snapshot import NO_FLAGS, FlagSnapshot, FlagValue, StageFlag

T = TypeVar("T")

_COUNT_BYTES = 60  # bytes, about, that the reads of one flag in one run add to an entry


class ReadCell:
    """The reads of one flag in the events of one run.

    A call in a lane ends before the next one begins, so that plain additions count. A function that
    reads in threads of its own, all at once, may be counted less."""

    __slots__ = ("by_value", "flag", "plain", "reads", "value")

    def __init__(self, flag: StageFlag) -> None:
        self.flag = flag
        self.plain = not flag.rules and flag.rest.is_plain
        """Whether every read has `value`."""
        self.value = flag.rest.plain
        self.reads = 0
        """The reads of `flag.rest`."""
        self.by_value: dict[str, int] = {}
        """The reads of other values, by their text."""

    def count(self, value: FlagValue) -> None:
        if value is self.flag.rest:
            self.reads += 1
        else:
            self.by_value[value.text] = self.by_value.get(value.text, 0) + 1


Cells = dict[str, ReadCell]
"""By flag; only those that were read."""


class FlagReads:
    """The flags of one batch: one snapshot, and the reads of its events."""

    __slots__ = ("_counted", "by_run", "snapshot")

    def __init__(self, snapshot: FlagSnapshot = NO_FLAGS) -> None:
        self.snapshot = snapshot
        self._counted = 0
        self.by_run: dict[bytes | frozenset[bytes], Cells] = {}
        """The cells of the events of a run; of a call with events of several, by their set."""

    def cells(self, handled: Sequence[HandledEvent]) -> Cells:
        """Return the cells of the events of one call."""
        key: bytes | frozenset[bytes] = handled[0][1].run
        if len(handled) > 1:
            runs = frozenset(lineage.run for _, lineage, *_ in handled)
            key = runs if len(runs) > 1 else key
        cells = self.by_run.get(key)
        if cells is None:
            cells = self.by_run[key] = {}
        return cells

    def read(self, cells: Cells, name: str, default: T, event: HandledEvent | None) -> Any:
        """Return the value of a flag for an event, and count it; `default` if the newest version
        has no such flag. Without an event the rules of keys and events do not count."""
        cell = cells.get(name)
        if cell is None:
            flag = self.snapshot.get(name)
            if flag is None:
                return default
            cell = cells[name] = ReadCell(flag)
            self._counted += 1
        value = cell.flag.rest
        if event is not None and cell.flag.rules:
            record, lineage = event[:2]
            key = record.key
            value = cell.flag.value_for(
                event_id(record, lineage).encode() if key is None else key,
                lambda: event_attributes(record, lineage),
            )
        cell.count(value)
        return value.get()

    @property
    def estimated_bytes(self) -> int:
        """About how many bytes the counts will take in the ledger."""
        return self._counted * _COUNT_BYTES

    def generations(self) -> set[str]:
        """Return the names of the documents that have decided what was read."""
        return {
            generation_name("flag", name, cell.flag.generation)
            for cells in self.by_run.values()
            for name, cell in cells.items()
            if cell.flag.generation is not None
        }

    def counts(self) -> dict[bytes, FlagCounts]:
        """Return the reads by run. A read for a list of events of several runs counts in each."""
        found: dict[bytes, FlagCounts] = {}
        for runs, cells in self.by_run.items():
            for run in (runs,) if isinstance(runs, bytes) else runs:
                for name, cell in cells.items():
                    counts = found.setdefault(run, {})
                    if cell.reads:
                        add_flag_count(counts, name, cell.flag.rest.text, cell.reads)
                    for value, reads in cell.by_value.items():
                        add_flag_count(counts, name, value, reads)
        return {run: counts for run, counts in found.items() if counts}
