"""Is a fetch bounded by what it becomes when it is decompressed, for each codec?"""

from __future__ import annotations

from typing import Any

import cramjam
import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker import fetched_batches
from farandole.broker.fetched_batches import BoundedRecords, OversizedBatchError, bound_batches

MIB = 2**20
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def batch(first: int, *sizes: int, codec: str = "gzip") -> bytes:
    """Return a batch as Kafka gives it, with records of these many zeros from offset `first` on."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=CODECS[codec], is_transactional=False, producer_id=-1,
        producer_epoch=-1, base_sequence=-1, batch_size=2**30,
    )  # fmt: skip
    for offset, size in enumerate(sizes):
        builder.append(offset, timestamp=0, key=None, value=bytes(size), headers=[])
    return first.to_bytes(8, "big") + bytes(builder.build())[8:]


def read(records: BoundedRecords) -> list[Any]:
    found: list[Any] = []
    while records.has_next():
        one = records.next_batch()
        try:
            found += [(record.offset, len(record.value)) for record in one]
        except OversizedBatchError as error:
            found.append((error.first, error.end))
    return found


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_batch_that_becomes_too_large_is_not_decompressed(codec: str) -> None:
    large = batch(5, *[16 * MIB] * 5, codec=codec)
    assert len(large) < MIB
    raw = batch(4, 10, codec=codec) + large + batch(10, 20, codec=codec)
    assert read(BoundedRecords(raw)) == [(4, 10), (5, 10), (10, 20)]


@pytest.mark.parametrize("codec", CODECS)
def test_a_fetch_ends_before_the_batch_with_which_it_would_become_too_large(codec: str) -> None:
    raw = b"".join(batch(n, MIB // 2, codec=codec) for n in range(10))
    ends, oversized = bound_batches(raw, limit=2 * MIB)
    assert oversized == frozenset()
    if codec in ("gzip", "lz4", "zstd"):
        assert ends == 3 * len(raw) // 10
    assert [found[0] for found in read(BoundedRecords(raw))] == list(range(10))


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_batch_that_is_not_read_whole_may_have_any_size(codec: str) -> None:
    whole = batch(0, 10, codec=codec)
    raw = whole + batch(1, *[MIB] * 9, codec=codec)[:-1]
    assert bound_batches(raw, limit=MIB) == (len(raw), frozenset())
    assert read(BoundedRecords(raw)) == [(0, 10)]


def test_a_gzip_of_many_members_is_counted_whole() -> None:
    member = bytes(cramjam.gzip.compress(bytes(MIB)))
    assert fetched_batches._gzip_size(memoryview(member * 5), 64 * MIB) == 5 * MIB
    assert fetched_batches._gzip_size(memoryview(member * 5), 2 * MIB) > 2 * MIB


@given(st.binary(max_size=200), st.booleans())
def test_bytes_of_any_kind_are_left_to_the_client(noise: bytes, behind: bool) -> None:
    raw = batch(0, 10) + noise if behind else noise
    assert bound_batches(raw) == (len(raw), frozenset())


@given(st.binary(max_size=300))
def test_a_broken_stream_ends_the_measuring(noise: bytes) -> None:
    assert fetched_batches._gzip_size(memoryview(noise), 64 * MIB) <= 64 * MIB
