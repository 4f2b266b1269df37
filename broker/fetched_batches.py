"""How large do fetched record batches become when they are decompressed, and which fit in memory?

A producer may compress 400 MiB into 400 kB, and Kafka checks only the compressed size. aiokafka
decompresses a batch whole, and all batches of a partition that it has fetched at once. So a reader
gets at most MAX_DECOMPRESSED_BYTES of each partition at once: what is behind is fetched again. A
batch that alone is larger is never decompressed; reading it raises OversizedBatchError.

The format is that of record batches (KIP-98), magic 2.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from struct import Struct
from typing import Any, NamedTuple, NoReturn

import cramjam

from farandole.broker.aiokafka_internals import MemoryRecords

MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024
"""Bytes of one partition that are decompressed at once."""
_CHUNK = 1024 * 1024
_HEADER_BYTES = 61
_BATCH_HEADER = Struct(">qiibIhi")  # up to the last offset's delta
_AFTER_LENGTH = 12  # where the bytes begin that the length counts
_CODEC_MASK = 0x07


class OversizedBatchError(ValueError):
    """A batch would become too large when it is decompressed. It has the offsets from `first` up to
    but without `end`."""

    def __init__(self, first: int, end: int) -> None:
        super().__init__(
            f"it is in a compressed batch, of the offsets {first} to {end - 1}, that becomes larger"
            f" than {MAX_DECOMPRESSED_BYTES // 2**20} MiB when it is decompressed"
        )
        self.first = first
        self.end = end


class _Batch(NamedTuple):
    codec: int
    base_offset: int
    starts: int
    """In the fetched bytes, as is `ends`."""
    ends: int


class BoundedRecords:
    """What aiokafka reads the batches of one partition from, instead of its `MemoryRecords`.

    `raw`: complete batches, and perhaps the beginning of another one.
    """

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._records = MemoryRecords(raw)
        self._oversized: frozenset[int] | None = None

    def size_in_bytes(self) -> int:
        size: int = self._records.size_in_bytes()
        return size

    def has_next(self) -> bool:
        more: bool = self._records.has_next()
        return more

    def next_batch(self) -> Any:
        if self._oversized is None:  # not before: aiokafka's fetch task survives no error
            ends, self._oversized = bound_batches(self._raw)
            if ends < len(self._raw):
                self._records = MemoryRecords(self._raw[:ends])
        batch = self._records.next_batch()
        return _OversizedBatch(batch) if batch.base_offset in self._oversized else batch


class _OversizedBatch:
    """A batch that must not be decompressed: it may be an aborted one, which nobody reads."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> NoReturn:
        raise OversizedBatchError(self._batch.base_offset, self._batch.next_offset)


def bound_batches(raw: bytes, limit: int = MAX_DECOMPRESSED_BYTES) -> tuple[int, frozenset[int]]:
    """Return how many of the fetched bytes may be read now, and the first offset of each batch in
    them that alone is larger than `limit` bytes when it is decompressed."""
    batches = [*_batches(raw)]
    if sum(_largest_size(batch) for batch in batches) <= limit:
        return len(raw), frozenset()
    oversized: set[int] = set()
    total = 0
    for batch in batches:
        size = _decompressed_size(batch, raw, limit)
        if size > limit:
            oversized.add(batch.base_offset)
            continue
        if total and total + size > limit:
            return batch.starts, frozenset(oversized)
        total += size
    return len(raw), frozenset(oversized)


def _batches(raw: bytes) -> Iterator[_Batch]:
    at = 0
    while at + _HEADER_BYTES <= len(raw):
        base_offset, length, _, magic, _, attributes, _ = _BATCH_HEADER.unpack_from(raw, at)
        ends = at + _AFTER_LENGTH + length
        if magic != 2 or ends > len(raw) or length < _HEADER_BYTES - _AFTER_LENGTH:
            return
        yield _Batch(attributes & _CODEC_MASK, base_offset, at, ends)
        at = ends


def _largest_size(batch: _Batch) -> int:
    """Return the size that a batch cannot exceed when it is decompressed."""
    return (batch.ends - batch.starts) * _LARGEST_RATIO.get(batch.codec, 1)


def _decompressed_size(batch: _Batch, raw: bytes, limit: int) -> int:
    """Return the size of a batch when it is decompressed; a larger number than `limit` if that is
    exceeded. At most `limit` bytes are decompressed, and kept nowhere."""
    largest, measure = _largest_size(batch), _MEASURES.get(batch.codec)
    if measure is None or largest <= _CHUNK:
        return largest
    return measure(memoryview(raw)[batch.starts + _HEADER_BYTES : batch.ends], limit)


def _gzip_size(data: memoryview, limit: int) -> int:
    total, left = 0, bytes(data)
    try:
        while left and total <= limit:
            member = zlib.decompressobj(wbits=31)
            while not member.eof and total <= limit:
                part = member.decompress(left, _CHUNK)
                left = member.unconsumed_tail
                total += len(part)
                if not part and not left:
                    return total  # it is cut: the client says so
            left = member.unused_data.lstrip(b"\0") if member.eof else b""
    except zlib.error:
        pass  # it is broken: the client says so
    return total


def _block_size(codec: Any) -> Callable[[memoryview, int], int]:
    def measure(data: memoryview, limit: int) -> int:
        try:
            size: int = codec.decompress_into(bytes(data), bytearray(limit))
        except cramjam.DecompressionError:  # it does not fit, or is broken
            return limit + 1
        return size

    return measure


_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
_LARGEST_RATIO: Mapping[int, int] = {_GZIP: 1032, _SNAPPY: 22, _LZ4: 256, _ZSTD: 2**15}
_MEASURES: Mapping[int, Callable[[memoryview, int], int]] = {
    _GZIP: _gzip_size,
    _LZ4: _block_size(cramjam.lz4),
    _ZSTD: _block_size(cramjam.zstd),
}
