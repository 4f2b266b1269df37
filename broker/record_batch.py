"""How are records encoded as a batch?

In Kafka's record batch format, version 2, https://kafka.apache.org/documentation/#recordbatch, as a
transactional producer writes it: not compressed, with the time of creation. aiokafka's builder
returns the same bytes, but encodes each header of each record again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from farandole.broker.aiokafka_internals import calc_crc32c
from farandole.events.header_codec import NULL_LENGTH, SMALL_VARINTS, length_prefixed, varint_bytes
from farandole.events.record import OutgoingRecord

MAX_BATCH_BYTES = 900_000  # bytes; below Kafka's default of 1 MiB for what a topic takes at once

_BATCH_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_FROM = 12  # the length of the batch counts the bytes from this offset on
_CHECKED_FROM = 21  # the checksum covers the bytes from this offset on
_CHECKSUM = struct.Struct(">I")
_CHECKSUM_AT = 17
_NO_LEADER_EPOCH = -1
_VERSION = 2
_TRANSACTIONAL = 0x10


class RecordBatch:
    """A closed batch, with the methods of `BatchBuilder` that aiokafka's accumulator and sender
    call. aiokafka numbers the batch when it takes it, then asks for its bytes, and again at each
    retry."""

    def __init__(self, parts: list[bytes], timestamp: int) -> None:
        """`parts` are space for the header of the batch, then the length and the body of each
        record."""
        self._parts = parts
        self._count = len(parts) // 2
        self._timestamp = timestamp
        self._producer = -1, -1, -1
        self._buffer: bytearray | None = None

    def record_count(self) -> int:
        return self._count

    def close(self) -> None: ...

    def closed(self) -> bool:
        return True

    def _set_producer_state(self, producer_id: int, epoch: int, sequence: int) -> None:
        self._producer = producer_id, epoch, sequence

    def _build(self) -> bytearray:
        if self._buffer is None:
            self._buffer = self._joined()
            self._parts = []
        return self._buffer

    def _joined(self) -> bytearray:
        buffer = bytearray().join(self._parts)
        _BATCH_HEADER.pack_into(
            buffer,
            0,
            0,  # the offset; Kafka sets it
            len(buffer) - _LENGTH_FROM,
            _NO_LEADER_EPOCH,
            _VERSION,
            0,  # the checksum; not known yet
            _TRANSACTIONAL,
            self._count - 1,
            self._timestamp,
            self._timestamp,
            *self._producer,
            self._count,
        )
        checksum = calc_crc32c(memoryview(buffer)[_CHECKED_FROM:])
        _CHECKSUM.pack_into(buffer, _CHECKSUM_AT, checksum)
        return buffer


def build_batches(
    outgoing: Sequence[OutgoingRecord], timestamp: int, largest: int = MAX_BATCH_BYTES
) -> Iterator[RecordBatch]:
    """Yield the records of one partition in batches of at most `largest` bytes, or of one record
    that is larger. `timestamp` is that of all records, in milliseconds.

    This loop runs for every record: it is written for speed.
    """
    join, small, null = b"".join, SMALL_VARINTS, NULL_LENGTH
    head = bytes(_BATCH_HEADER.size)
    parts, size, number = [head], len(head), 0
    for key, value, headers in outgoing:
        while True:
            try:
                body = join(
                    (
                        b"\0\0",  # no attributes; the timestamp of the first record
                        small[number],
                        null if key is None else small[len(key)] + key,
                        null if value is None else small[len(value)],
                        value or b"",
                        headers,
                    )
                )
                length = small[len(body)]
            except IndexError:  # something is not small
                body = join(
                    (
                        b"\0\0",
                        varint_bytes(number),
                        length_prefixed(key),
                        length_prefixed(value),
                        headers,
                    )
                )
                length = varint_bytes(len(body))
            grown = size + len(length) + len(body)
            if grown <= largest or not number:
                break
            yield RecordBatch(parts, timestamp)
            parts, size, number = [head], len(head), 0
        parts.append(length)
        parts.append(body)
        size = grown
        number += 1
    if number:
        yield RecordBatch(parts, timestamp)
