"""What does a lane ask of Kafka, and what may Kafka answer?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from farandole.events.record import Partition, PartitionWrites, Record


class CommittedOffset(NamedTuple):
    """A committed offset: the next record to handle, and the metadata that the last owner of the
    partition wrote beside it."""

    offset: int
    metadata: str = ""


StateTables = Mapping[str, dict[bytes, bytes]]
"""By compacted topic, the newest value of each key in the lane's partition of it."""

PlacedOffsets = Mapping[Partition, Sequence[int]]
"""By partition, the offsets of the records that were written there, in their order."""


class LaneStoppedError(Exception):
    """The partition is being revoked or the process ends: end between two transactions."""


class FencedError(Exception):
    """A newer producer has our transactional id, or our transaction outlived its time-out."""

    published_name = "Fenced"


class ExpelledError(FencedError):
    """The group refuses our offsets: we are no member of it in the generation in which we got the
    partition. Its owner is another lane, which we may have fenced by mistake."""

    published_name = "Expelled"


class OutcomeUnknownError(Exception):
    """A deadline passed or the connection broke: what Kafka did with the request is unknown."""

    published_name = "Unknown"


class WriteRejectedError(Exception):
    """Kafka refuses a record that we want to write, and will refuse it again: it is too large."""

    published_name = "Rejected"


class OffsetLostError(Exception):
    """The offset is missing or no longer in the log. A person must decide at which offset the lane
    continues; the message says how."""

    published_name = "OffsetLost"


class LanePort(Protocol):
    """Kafka, as one lane sees it. Each async method may raise FencedError, OutcomeUnknownError or
    LaneStoppedError, unless it says that it never raises."""

    async def fence(self) -> None:
        """Start the producer. Afterwards no older producer with our transactional id can commit,
        and its open transaction is aborted or committed."""

    async def read_state(self) -> StateTables:
        """Return the lane's state, as the last owner committed it. Read after the fence, it is
        complete."""

    async def committed_offsets(self) -> Mapping[Partition, CommittedOffset]:
        """Return the committed offset of every input. Raises OffsetLostError if one is missing."""

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Read on from these offsets; discard what was fetched before."""

    async def wait_if_paused(self) -> bool:
        """Return True, after a moment, if the lane is to take no event now."""

    async def wait(self, at_most: float | None = None) -> None:
        """Wait a moment, or less if the lane is to end. `at_most`: in so many seconds an event may
        be taken that waits now; None if the lane waits for something else."""

    async def fetch(
        self,
        *,
        wait: bool = True,
        at_most: float | None = None,
        only: Collection[Partition] | None = None,
    ) -> Sequence[Record]:
        """Return the next records, in order within each input: none if none came for a while or,
        without `wait`, if none had been fetched. `at_most`: wait no longer than so many seconds.
        `only`: of these inputs, the others stay where they are. Raises LaneStoppedError if the lane
        is to end, OffsetLostError if the offset is out of range."""

    def unread(self) -> Mapping[Partition, int]:
        """Return how many offsets of each input `fetch` has not read yet, by the last fetch or the
        last answer of `ends`."""

    def positions(self) -> Mapping[Partition, int]:
        """Return how far `fetch` has read each input, past aborted records and transaction markers
        too."""

    async def offsets_of(self, group: str) -> Mapping[Partition, int | None]:
        """Return the committed offset of another group in every input; None where it has none."""

    async def ends(self) -> Mapping[Partition, int]:
        """Return, of every input, the offset behind all records that Kafka has acknowledged, also
        those of open transactions."""

    async def begin(self) -> None:
        """Begin a transaction."""

    async def send(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, CommittedOffset],
        placed: Collection[Partition] = (),
    ) -> PlacedOffsets:
        """Write the records and add the offsets to the transaction. Return, when Kafka has
        confirmed each, at which offsets the records of the partitions `placed` stand. Raises
        WriteRejectedError as well, and ExpelledError."""

    async def commit(self) -> None:
        """Commit the transaction."""

    async def force_close(self) -> None:
        """Close the producer at once, whatever it waits for. Never raises."""

    async def close(self) -> None:
        """Close the producer between transactions. Never raises."""

    async def withdraw(self) -> None:
        """Abort the open transaction, close the producer, and let the consumer join its group
        again: if the broker that refused us is the one that is wrong, it gets the partition anew.
        Never raises."""

    async def confirm_ownership(self) -> bool:
        """Return True if a heartbeat was accepted in the generation under which we own the
        partition, False if the partition is no longer ours or the lane is to end. Asks until Kafka
        answers."""

    async def wait_before_restart(self, failures: int) -> None:
        """Wait before the lane opens again: longer after more failures in a row that settled
        nothing, and not at all if the lane is to end."""

    def raise_if_stopping(self) -> None:
        """Raise LaneStoppedError if the lane is to end."""
