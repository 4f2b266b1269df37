"""Which sums of the topics and of the books differ, and which one or two ids explain it?

For each edge, a side keeps a count and a hash of the events, not the events. In a first pass, runs
are summed in groups, so that memory is bounded for any number of runs. The hashes of a run are
multiplied by an odd number that depends on the run, so that a difference is also found if two runs
of one group have exchanged events.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from xxhash import xxh3_64_intdigest

from farandole.events.ledger_entry import HASH_MASK, LedgerEntry

RUN_GROUPS = 4096
"""The number of groups in the first pass."""


class AuditEdge(NamedTuple):
    """Events of one type that were emitted, or that a stage has consumed."""

    event_type: str
    stage: str | None
    """None for emitted events: they are summed over all stages."""

    def __str__(self) -> str:
        return self.event_type if self.stage is None else f"{self.event_type}>{self.stage}"


AuditCell = tuple[Hashable, AuditEdge]
"""A run or a group of runs, and an edge."""


class EdgeSum(NamedTuple):
    n: int = 0
    hash: int = 0
    earliest: int = 0
    """When the earliest event was written, in milliseconds of the epoch; 0 if there is none."""


class EdgeSums:
    """The counts and hashes of one side, topics or ledger."""

    def __init__(self, group_of: Callable[[str], Hashable | None]) -> None:
        """`group_of` returns the group in which a run is summed; None for a run that is left
        out."""
        self._group_of = group_of
        self._cells: dict[AuditCell, list[int]] = {}

    def add(self, run: str, edge: AuditEdge, n: int, hash_: int, at: int) -> None:
        """Add `n` events with the sum of their hashes. `at` is the earliest time of them."""
        group = self._group_of(run)
        if group is None:
            return
        weighted = hash_ * run_weight(run)
        cell = self._cells.get((group, edge))
        if cell is None:
            self._cells[group, edge] = [n, weighted & HASH_MASK, at]
            return
        cell[0] += n
        cell[1] = (cell[1] + weighted) & HASH_MASK
        cell[2] = min(cell[2], at)

    def __getitem__(self, cell: AuditCell) -> EdgeSum:
        found = self._cells.get(cell)
        return EdgeSum(*found) if found is not None else EdgeSum()

    def __iter__(self) -> Iterator[AuditCell]:
        return iter(self._cells)

    def emitted_count(self) -> int:
        """Return the number of events that were emitted."""
        return sum(cell[0] for (_, edge), cell in self._cells.items() if edge.stage is None)


def run_weight(run: str) -> int:
    """Return the factor of a run's hashes. It is odd, so that it has an inverse modulo 2^64."""
    return xxh3_64_intdigest(run.encode()) | 1


def remove_run_weight(hash_: int, run: str) -> int:
    """Return the sum of hashes before it was multiplied by the run's weight."""
    return hash_ * pow(run_weight(run), -1, 2**64) & HASH_MASK


def run_group(run: str) -> int:
    """Return the group that a run belongs to."""
    return (xxh3_64_intdigest(run.encode()) >> 32) % RUN_GROUPS


def add_entry_sums(sums: EdgeSums, entry: LedgerEntry) -> None:
    """Add the counts and hashes of a valid entry."""
    at, stage = entry["at"], entry["stage"]
    for part in entry["runs"]:
        run = part["run"]
        for event_type, consumed in part["in"].items():
            edge = AuditEdge(event_type, stage)
            sums.add(run, edge, consumed["n"], consumed["hash"], at)
        for event_type, emitted in part["out"].items():
            sums.add(run, AuditEdge(event_type, None), emitted["n"], emitted["hash"], at)


def differing_cells(topics: EdgeSums, books: EdgeSums) -> list[AuditCell]:
    """Return the cells in which count or hash of the two sides differ."""
    cells = dict.fromkeys([*topics, *books])
    return [cell for cell in cells if topics[cell][:2] != books[cell][:2]]


class LossReason(NamedTuple):
    """Why two sums cannot be compared: retention has deleted records of that time."""

    code: Literal["events_expired", "entries_expired"]
    event_type: str = ""
    """The type of the deleted events; empty if entries are deleted."""

    def text(self) -> str:
        """Return the reason as a sentence for people."""
        records = self.event_type if self.code == "events_expired" else "entries"
        return f"retention has taken {records} of that time"


@dataclass(frozen=True, slots=True)
class RetentionLoss:
    """Up to which time retention has deleted records, in milliseconds of the epoch."""

    topics: Mapping[str, int] = field(default_factory=dict)
    """By event type."""
    books: int | None = None
    """Of ledger entries; None if none are deleted."""

    def reason_for(self, edge: AuditEdge, topics: EdgeSum, books: EdgeSum) -> LossReason | None:
        """Return why a difference proves nothing: retention can explain it. None if it cannot."""
        if topics.n < books.n and books.earliest <= self.topics.get(edge.event_type, -1):
            return LossReason("events_expired", edge.event_type)
        if topics.n > books.n and self.books is not None and topics.earliest <= self.books:
            return LossReason("entries_expired")
        return None


def explain_difference(
    n: int, hash_: int, hashes: Mapping[int, str]
) -> tuple[list[str], list[str]] | None:
    """Return the ids of the one or two events that explain the difference of two sides: those that
    only the first has, and those that only the second has. `hashes` are the known ids by hash. None
    if no one or two of them explain it."""
    want = hash_ & HASH_MASK
    if n == 0:
        for one, name in hashes.items():
            other = hashes.get((one - want) & HASH_MASK)
            if other is not None and one != (one - want) & HASH_MASK:
                return [name], [other]
        return None
    sign = 1 if n > 0 else -1
    want = (want * sign) & HASH_MASK
    found = None
    if abs(n) == 1 and want in hashes:
        found = [hashes[want]]
    elif abs(n) == 2:
        for one, name in hashes.items():
            other = hashes.get((want - one) & HASH_MASK)
            if other is not None:
                found = [name, other]
                break
    if found is None:
        return None
    return (found, []) if n > 0 else ([], found)
