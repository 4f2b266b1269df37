"""What is an event's id, and a run's?"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 base32, lowercase, no padding

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


@cache
def _pairs() -> tuple[bytes, ...]:
    """All two-letter base32 words: ten bits a look-up, and still in the processor's cache."""
    return tuple((a + b).encode() for a in _ALPHABET for b in _ALPHABET)


class RunIds:
    """The run ids of the roots in one topic.

    A run id is the base32 of 64 bits: a BLAKE2b of (installation id, topic, partition), and to it
    the offset as a Weyl sequence (odd steps of 2^64 / golden ratio), so that no two offsets of a
    partition share one and neighbours do not look alike. Short enough to type, and never the same
    in a broker that was wiped, because the installation differs.
    """

    def __init__(self, installation: UUID, topic: str) -> None:
        self._origin = installation.bytes + topic.encode()
        self._seeds: dict[int, int] = {}
        self._pairs = _pairs()

    def of(self, partition: int, offset: int) -> str:
        return self.as_bytes(partition, offset).decode()

    def as_bytes(self, partition: int, offset: int) -> bytes:
        """The id as a header holds it; every bare root needs one, so this is kept short."""
        try:
            seed = self._seeds[partition]
        except KeyError:
            seed = self._seeds[partition] = self._seed(partition)
        bits = (seed + offset * _GOLDEN) & _MASK
        high, low, pairs = bits >> 30, bits & 0x3FFFFFFF, self._pairs
        return b"".join(
            (
                pairs[high >> 30][1:],
                pairs[high >> 20 & 1023],
                pairs[high >> 10 & 1023],
                pairs[high & 1023],
                pairs[low >> 20],
                pairs[low >> 10 & 1023],
                pairs[low & 1023],
            )
        )

    def _seed(self, partition: int) -> int:
        digest = blake2b(b"%b/%d" % (self._origin, partition), digest_size=8).digest()
        return int.from_bytes(digest, "big")


class Position(NamedTuple):
    """Where an output's cause stands, and which of its outputs this is."""

    event_type: str
    partition: int
    offset: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody asks of an id
    more: int = 0
    """How many further events, after the one at `offset`, caused it together with that one."""

    def __str__(self) -> str:
        causes = f"{self.offset}+{self.more}" if self.more else f"{self.offset}"
        return f"{self.event_type}/{self.partition}/{causes}/{self.index}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position that an id names. Raises ValueError where `text` names none."""
        event_type, partition, causes, index = text.rsplit("/", 3)
        offset, _, more = causes.partition("+")
        return cls(event_type, int(partition), int(offset), int(index), int(more or 0))
