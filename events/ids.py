"""What is an event's id, and a run's?"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 base32, lowercase, no padding
RUN_ID_LENGTH = 13


@cache
def _triplets() -> tuple[bytes, ...]:
    """All three-letter base32 words: fifteen bits a look-up."""
    return tuple((a + b + c).encode() for a in _ALPHABET for b in _ALPHABET for c in _ALPHABET)


class RunIds:
    """The run ids of the roots in one topic.

    A run id is the base32 of a 64-bit BLAKE2b of (installation id, topic, partition, offset): short
    enough to type, and never the same in a broker that was wiped, because the installation differs.
    """

    def __init__(self, installation: UUID, topic: str) -> None:
        self._seed = blake2b(installation.bytes + topic.encode(), digest_size=8)
        self._words = _triplets()

    def of(self, partition: int, offset: int) -> str:
        return self.as_bytes(partition, offset).decode()

    def as_bytes(self, partition: int, offset: int) -> bytes:
        """The id as a header holds it; a bare root costs one, so this is kept short."""
        digest = self._seed.copy()
        digest.update(b"%d/%d" % (partition, offset))
        bits = int.from_bytes(digest.digest(), "big")
        high, low, words = bits >> 30, bits & 0x3FFFFFFF, self._words
        return b"".join(
            (
                words[high >> 30][-1:],
                words[high >> 15 & 32767],
                words[high & 32767],
                words[low >> 15],
                words[low & 32767],
            )
        )


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
