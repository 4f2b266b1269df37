"""What do others write into topics, by mistake or on purpose?

The simulations write such records among their own: none may cost anything but itself.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from farandole.events.header_codec import encode_headers
from farandole.events.record import Header, OutgoingRecord, Partition
from farandole.lanes.simulated_kafka import SimulatedKafka

KEYS = (None, b"foreign", b"\xff")
TIMES = (-1, 0, -(2**63), 2**63 - 1, 1_700_000_000_000_000, 253_402_300_799_001)
VALUES = (
    None,
    b"",
    b"\xff\xfe",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"{}",
    b'{"n": 1e999}',
    b"0" * 999,
)
HEADERS: tuple[Header, ...] = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"\xff"),
    ("ce_runid", b"a" * 65),
    ("ce_source", b"farandole://nobody/p/s"),
    ("ce_topologyversion", b"p@99"),
    ("dead_topic", b"\xff"),
    ("dead_partition", b"many"),
    ("dead_last_failed", b"yesterday"),
    ("", b""),
)


class Odd(NamedTuple):
    """A record of a foreigner, and its time in milliseconds of the epoch."""

    outgoing: OutgoingRecord
    timestamp: int


def odd_record(die: random.Random, *keys: bytes | None) -> Odd:
    """Return a record that no program of ours writes, with one of these keys."""
    headers = die.sample(HEADERS, die.randrange(len(HEADERS)))
    outgoing = OutgoingRecord(die.choice(keys or KEYS), die.choice(VALUES), encode_headers(headers))
    return Odd(outgoing, die.choice(TIMES))


def append_odd(
    kafka: SimulatedKafka, die: random.Random, partition: Partition, *keys: bytes | None
) -> None:
    """Write a record that no program of ours writes, or one that cannot be decoded."""
    if die.random() < 0.2:
        kafka.append_undecodable(partition)
    else:
        kafka.append(partition, *odd_record(die, *keys))
