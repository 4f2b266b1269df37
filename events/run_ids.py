"""How is the id of a run computed?"""

from __future__ import annotations

import re
from functools import cache
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from farandole.events.event_position import living_name

_ALPHABET = b"abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648 base32, lowercase, no padding
_LETTERS = bytes.maketrans(bytes(range(32)), _ALPHABET)

_GOLDEN_STEP = 0x9E3779B97F4A7C15
_MASK_64 = 2**64 - 1

RUN_ID_LENGTH = 13  # 65 bits
RUN_ID_PATTERN = re.compile(rb"[%b]{%d}" % (_ALPHABET, RUN_ID_LENGTH))
RUN_ID_BLOCK = 256
"""How many consecutive offsets get their run ids in one computation."""

PLACED_AS_KEYS = 3
"""The first format of versions whose runs are placed as Kafka's default partitioner places their
ids. The first bit of such an id is 1, so that the id alone says where entries and rows are."""
_FIRST_BIT = 1 << 64


class _BlockConstants(NamedTuple):
    """Constants of the computation: integers in which each id of a block takes 13 bytes."""

    one: int
    """1 for each id."""
    steps: int
    """The difference of each id's bits from those of the first."""
    mask: int
    moves: tuple[tuple[int, int, int], ...]
    """Which bits stay, which move, and how far, until each byte has the five bits of a letter."""


@cache
def _block_constants() -> _BlockConstants:
    width = 8 * RUN_ID_LENGTH
    places = [width * (RUN_ID_BLOCK - 1 - i) for i in range(RUN_ID_BLOCK)]
    one = sum(1 << place for place in places)
    steps = sum(((i * _GOLDEN_STEP) & _MASK_64) << place for i, place in enumerate(places))
    moves = []
    now = [
        5 * letter for letter in range(RUN_ID_LENGTH)
    ]  # the position of its bits, from the right
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
    in a broker that was wiped, because the installation differs; nor in a topic that was created
    again, because its life differs. The bit before the 64 says how the run is placed.
    """

    def __init__(self, installation: UUID, topic: str, life: int = 1) -> None:
        """`life` is that of the topic, as the published version says."""
        self._origin = installation.bytes + living_name(topic, life).encode()
        self._seeds: dict[int, int] = {}

    def run_id(self, partition: int, offset: int, version_format: int) -> str:
        """Return the id of the run that the root at this position opens, under a version of this
        format."""
        return self.block_of_ids(partition, offset, version_format)[:RUN_ID_LENGTH].decode()

    def block_of_ids(self, partition: int, first: int, version_format: int) -> bytes:
        """Return the ids of RUN_ID_BLOCK offsets from `first` on, concatenated, under a version of
        this format.

        A topic of bare records needs an id for every record. Computed one by one they cost more
        than reading the records; side by side in one long integer they cost a twelfth of that.
        """
        try:
            seed = self._seeds[partition]
        except KeyError:
            seed = self._seeds[partition] = self._seed(partition)
        one, steps, mask, moves = _block_constants()
        bits = (one * ((seed + first * _GOLDEN_STEP) & _MASK_64) + steps) & mask
        if version_format >= PLACED_AS_KEYS:
            bits |= one * _FIRST_BIT
        for stay, move, by in moves:
            bits = (bits & stay) | ((bits & move) << by)
        return bits.to_bytes(RUN_ID_LENGTH * RUN_ID_BLOCK, "big").translate(_LETTERS)

    def _seed(self, partition: int) -> int:
        digest = blake2b(b"%b/%d" % (self._origin, partition), digest_size=8).digest()
        return int.from_bytes(digest, "big")


def is_placed_as_key(run: bytes) -> bool:
    """Return True if Kafka's default partitioner says where the entries and the row of a run are;
    False if its id was given under a version before PLACED_AS_KEYS."""
    return not b"a" <= run[:1] <= b"p"  # the 16 letters whose first bit is 0
