"""What does a Kafka record look like to everything that reads one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

Header = tuple[str, bytes]


class Record(Protocol):
    """A record as it was read; `aiokafka.ConsumerRecord` is one."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[Header]: ...


class OutgoingRecord(NamedTuple):
    """A record to write. Its size in bytes counts against the cap of a transaction."""

    key: bytes | None
    value: bytes | None
    headers: bytes = b"\0"
    """What `farandole.events.header_codec.encode_headers` returns; by default no header."""


class Partition(NamedTuple):
    """One partition of one topic; equal to aiokafka's `TopicPartition`, field by field."""

    topic: str
    partition: int


PartitionWrites = Mapping[Partition, Sequence[OutgoingRecord]]
"""The records that one transaction writes, by the partition that they go to."""


NOT_UTF8 = "a header's name is not UTF-8"
"""Why aiokafka cannot decode a record."""


class UndecodableRecord(NamedTuple):
    """A record that the client cannot decode: only its position is known."""

    topic: str
    partition: int
    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[Header] = ()
    why: str = NOT_UTF8
