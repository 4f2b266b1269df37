"""What is an event's id, and a run's?"""

from __future__ import annotations

import re
from functools import cache
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

_ALPHABET = b"abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 base32, lowercase, no padding
_LETTERS = bytes.maketrans(bytes(range(32)), _ALPHABET)

_GOLDEN_STEP = 0x9E3779B97F4A7C15
_MASK_64 = 2**64 - 1

RUN_ID_LENGTH = 13  # 65 bits, the first of them always 0
RUN_ID_PATTERN = re.compile(rb"[%b]{%d}" % (_ALPHABET, RUN_ID_LENGTH))
RUN_ID_BLOCK = 256
"""Consecutive offsets whose run ids are worked out together."""


class _BlockConstants(NamedTuple):
    """What the ids of a block are worked out with: integers in which each id has 13 bytes."""

    one: int
    """1 for each id."""
    steps: int
    """How far each id's bits are from those of the first."""
    mask: int
    moves: tuple[tuple[int, int, int], ...]
    """Which bits stay, which move, and how far, until each byte holds the five bits of a letter."""


@cache
def _block_constants() -> _BlockConstants:
    width = 8 * RUN_ID_LENGTH
    places = [width * (RUN_ID_BLOCK - 1 - i) for i in range(RUN_ID_BLOCK)]
    one = sum(1 << place for place in places)
    steps = sum(((i * _GOLDEN_STEP) & _MASK_64) << place for i, place in enumerate(places))
    moves = []
    now = [5 * letter for letter in range(RUN_ID_LENGTH)]  # where its bits stand, from the right
    for half in (8, 4, 2, 1):
        stay = sum(31 << now[n] for n in range(RUN_ID_LENGTH) if not n & half)
        move = sum(31 << now[n] for n in range(RUN_ID_LENGTH) if n & half)
        moves.append((one * stay, one * move, 3 * half))
        now = [at + 3 * half if n & half else at for n, at in enumerate(now)]
    return _BlockConstants(one, steps, one * _MASK_64, tuple(moves))


class RunIdGenerator:
    """The run ids of the roots in one topic.

    A run id is the base32 of 64 bits: a BLAKE2b of (installation id, topic, partition), and to it
    the offset as a Weyl sequence (odd steps of 2^64 / golden ratio), so that no two offsets of a
    partition share one and neighbours do not look alike. Short enough to type, and never the same
    in a broker that was wiped, because the installation differs.
    """

    def __init__(self, installation: UUID, topic: str) -> None:
        self._origin = installation.bytes + topic.encode()
        self._seeds: dict[int, int] = {}

    def run_id(self, partition: int, offset: int) -> str:
        return self.block_of_ids(partition, offset)[:RUN_ID_LENGTH].decode()

    def block_of_ids(self, partition: int, first: int) -> bytes:
        """The ids of BLOCK offsets from `first` on, as headers hold them, end to end.

        A topic of bare records needs one for every record, and one at a time they cost more than
        reading the record does; side by side in one long integer a twelfth of that.
        """
        try:
            seed = self._seeds[partition]
        except KeyError:
            seed = self._seeds[partition] = self._seed(partition)
        one, steps, mask, moves = _block_constants()
        bits = (one * ((seed + first * _GOLDEN_STEP) & _MASK_64) + steps) & mask
        for stay, move, by in moves:
            bits = (bits & stay) | ((bits & move) << by)
        return bits.to_bytes(RUN_ID_LENGTH * RUN_ID_BLOCK, "big").translate(_LETTERS)

    def _seed(self, partition: int) -> int:
        digest = blake2b(b"%b/%d" % (self._origin, partition), digest_size=8).digest()
        return int.from_bytes(digest, "big")


class EventPosition(NamedTuple):
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
    def parse(cls, text: str) -> EventPosition:
        """The position that an id names. Raises ValueError where `text` names none."""
        event_type, partition, causes, index = text.rsplit("/", 3)
        offset, _, more = causes.partition("+")
        return cls(event_type, int(partition), int(offset), int(index), int(more or 0))
