"""What does a lane ask of Kafka, and what may Kafka answer?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from farandole.events.record import Partition, PartitionWrites, Record


class CommittedOffset(NamedTuple):
    """A committed offset: the next one to work, and what the last owner noted beside it."""

    offset: int
    metadata: str = ""


StateTables = Mapping[str, Mapping[bytes, bytes]]
"""By compacted topic, the newest value of each key in the lane's partition of it."""


class LaneStoppedError(Exception):
    """The partition is being taken away, or the process is going: end between transactions."""


class FencedError(Exception):
    """A younger producer holds our transactional id, or our transaction outlived its time-out."""

    published_name = "Fenced"


class OutcomeUnknownError(Exception):
    """A deadline passed or the connection broke: what Kafka did with the request is unknown."""

    published_name = "Unknown"


class WriteRejectedError(Exception):
    """Kafka refuses what we want to write and will refuse it again (a record too large)."""


class OffsetLostError(Exception):
    """The offset is missing or no longer in the log: a person must decide. The message says how."""


class LanePort(Protocol):
    """Kafka, as one lane sees it. Every method may raise Fenced, Unknown, or Stopped."""

    async def fence(self) -> None:
        """Start the producer: no older one with our transactional id can commit from here on, and
        its open transaction is settled."""

    async def read_state(self) -> StateTables:
        """The lane's state, as the last owner committed it: read after the fence, it is whole."""

    async def committed_offsets(self) -> Mapping[Partition, CommittedOffset]:
        """The offset of every input. Raises OffsetLostError where one is missing."""

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Read on from here; whatever was fetched before is thrown away."""

    async def wait_if_paused(self) -> bool:
        """Is the lane to take no event now? Then it has waited a moment before it answers."""

    async def wait(self) -> None:
        """A moment, less when the lane is to end."""

    async def fetch(self, *, wait: bool = True) -> Sequence[Record]:
        """The next records, in order within each input; none if there were none for a while, or,
        unless `wait`, are none at hand. Raises LaneStoppedError when the lane is to end,
        OffsetLostError when the offset is out of range."""

    def positions(self) -> Mapping[Partition, int]:
        """How far `fetch` has read each input, aborted records and transaction markers included."""

    async def begin(self) -> None: ...

    async def send(
        self, writes: PartitionWrites, offsets: Mapping[Partition, CommittedOffset]
    ) -> None:
        """Produce, and add the offsets to the transaction; returns when Kafka has confirmed each.
        Raises Refused as well."""

    async def commit(self) -> None: ...

    async def force_close(self) -> None:
        """Close hard: nothing of the producer is left, whatever it waited for. Never raises."""

    async def close(self) -> None:
        """Close between transactions. Never raises."""

    async def confirm_ownership(self) -> bool:
        """Is the partition still ours? True only once a heartbeat was accepted in the generation
        under which we hold it; returns when Kafka has answered."""

    async def wait_before_restart(self, fruitless: int) -> None:
        """Wait before the next life, longer after so many that settled nothing, and not at all when
        the lane is to end."""

    def raise_if_stopping(self) -> None:
        """Raises LaneStoppedError when the lane is to end."""
