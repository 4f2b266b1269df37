"""What does a Kafka record look like to everything that reads one?"""

from __future__ import annotations

from collections.abc import Sequence
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
    """A record that is to be written; sizes in bytes count against the transaction's cap."""

    key: bytes | None
    value: bytes | None
    headers: bytes = b"\0"
    """As `farandole.events.header_codec.encoded` gives them; by default none."""


class UndecodableRecord(NamedTuple):
    """A record that the client cannot decode; all that can be known of it is where it stands."""

    topic: str
    partition: int
    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[Header] = ()
