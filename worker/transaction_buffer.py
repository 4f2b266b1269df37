"""Which records, counts and ledger accounts has a transaction collected so far?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from farandole.events.control_generations import united_generations
from farandole.events.outcome import UNTRIED, Outcome, OutcomeCounts
from farandole.events.record import OutgoingRecord, Partition, PartitionWrites, Record
from farandole.worker.counters import Counters
from farandole.worker.flag_reads import FlagReads
from farandole.worker.flag_snapshot import NO_FLAGS, FlagSnapshot
from farandole.worker.input_edge import InputEdge, Lineage
from farandole.worker.ledger_entries import EdgeAccount, TransactionAccounts

_RECORD_OVERHEAD = 32  # bytes, about, that a record takes besides its contents


def data_of(record: Record, lineage: Lineage) -> bytes:
    """Return the JSON text of an event's data; empty if there are none."""
    return (record.value if lineage.data is None else lineage.data) or b""


class OutputTooLargeError(ValueError):
    """An event caused more than one transaction can carry."""

    published_name = "TooMuch"


class BufferMark(NamedTuple):
    """How far a buffer was filled at some time."""

    lengths: dict[str, list[int]]
    outcomes: OutcomeCounts
    forwarded: int


class TransactionBuffer:
    """The records, counts and ledger accounts of one transaction of the stage `stage`."""

    __slots__ = (
        "_controls",
        "_topics",
        "accounts",
        "bytes",
        "counters",
        "died",
        "flags",
        "mended",
        "now",
        "open_paths",
        "stage",
    )

    def __init__(
        self,
        stage: str,
        now: float,
        flags: FlagSnapshot = NO_FLAGS,
        controls: Sequence[str] = (),
    ) -> None:
        """`now`: when the transaction begins, in seconds of the epoch. `flags`: what functions read
        in it. `controls`: the documents in force, without those of flags."""
        self.stage = stage
        self._controls = controls
        self.flags = FlagReads(flags)
        self.now = datetime.fromtimestamp(now, UTC)
        self.bytes = 0
        """About how many bytes the records take."""
        self.counters = Counters()
        self.accounts = TransactionAccounts(stage)
        self.open_paths: dict[InputEdge, Any] = {}
        """By edge, the `OpenPath` that writes into this buffer; only `EventPath.open` reads it."""
        self.died: list[tuple[Record, Lineage]] = []
        """The events whose first dead letter is written here."""
        self.mended: list[Record] = []
        """The events to which a person has given other data: those that waited for it, and those
        of replays."""
        self._topics: dict[str, list[list[OutgoingRecord]]] = {}

    def controls_in_force(self) -> Sequence[str]:
        """Return the names of the documents under which the transaction has worked: of flags, those
        that functions have read."""
        read = self.flags.generations()
        return united_generations(self._controls, read) if read else self._controls

    def close(self) -> PartitionWrites:
        """Return the records by partition, without the ledger entries."""
        self.open_paths.clear()  # they refer to the buffer: only the collector would free a cycle
        return {
            Partition(topic, number): records
            for topic, partitions in self._topics.items()
            for number, records in enumerate(partitions)
            if records
        }

    def write(self, topic: str, outgoing: OutgoingRecord, partition: int = 0) -> None:
        """Add a record as it is."""
        self.partition_lists(topic, partition + 1)[partition].append(outgoing)
        self.bytes += _RECORD_OVERHEAD + sum(len(content or b"") for content in outgoing)

    def partition_lists(self, topic: str, partitions: int) -> list[list[OutgoingRecord]]:
        """Return the records of a topic by partition, for `partitions` of them at least."""
        lists = self._topics.setdefault(topic, [])
        # Events of two versions in one transaction may know different partition counts.
        lists.extend([] for _ in range(partitions - len(lists)))
        return lists

    def account_for(self, record: Record, lineage: Lineage) -> EdgeAccount:
        """Return the ledger account of an event."""
        return self.accounts.account_for(lineage.edge, lineage.run, record, is_root=lineage.is_root)

    def emitting_account(self, record: Record, lineage: Lineage, edge: InputEdge) -> EdgeAccount:
        """Return the ledger account of what an event causes: that of the event, unless `edge`, of
        the version that handles it, is another."""
        if edge is lineage.edge:
            return self.account_for(record, lineage)
        return self.accounts.account_for(edge, lineage.run, record, is_root=lineage.is_root)

    def settle(self, record: Record, lineage: Lineage, outcome: Outcome) -> EdgeAccount:
        """Count the outcome of one event; returns its account."""
        account = self.account_for(record, lineage)
        account.settle(record, data_of(record, lineage))
        if outcome is not Outcome.HANDLED:
            account.count(outcome)
            self.counters.outcomes.count(outcome)
        return account

    def count_all(self, account: EdgeAccount, outcomes: dict[Outcome, int]) -> int:
        """Count events of `account` that had outcomes other than HANDLED, and clear `outcomes`.
        Returns for how many of them the function was not called."""
        untried = 0
        for outcome, number in outcomes.items():
            account.count(outcome, number)
            self.counters.outcomes.count(outcome, number)
            untried += number if outcome in UNTRIED else 0
        outcomes.clear()
        return untried

    def mark(self) -> BufferMark:
        """Return how far the buffer is filled now."""
        lengths = {topic: [len(each) for each in lists] for topic, lists in self._topics.items()}
        return BufferMark(lengths, OutcomeCounts(self.counters.outcomes), self.counters.forwarded)

    def written_since(self, mark: BufferMark) -> Iterator[tuple[str, OutgoingRecord]]:
        """Yield the records that were added since the mark, each with its topic."""
        for topic, lists in self._topics.items():
            before = mark.lengths.get(topic, ())
            for number, records in enumerate(lists):
                for record in records[before[number] if number < len(before) else 0 :]:
                    yield topic, record

    def outcomes_since(self, mark: BufferMark) -> OutcomeCounts:
        """Return how many events had an outcome other than HANDLED since the mark. A parked event
        that was settled is not counted as parked."""
        now, before = self.counters.outcomes, mark.outcomes
        if now == before:
            return OutcomeCounts()
        return OutcomeCounts({outcome: now[outcome] - before[outcome] for outcome in now})

    def has_forwarded_since(self, mark: BufferMark) -> bool:
        """Return True if an event was sent to the partition of its key since the mark."""
        return self.counters.forwarded > mark.forwarded
