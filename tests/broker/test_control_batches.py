"""Are control batches read that compaction has emptied?"""

from __future__ import annotations

import struct

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from farandole.broker.aiokafka_internals import calc_crc32c

PRODUCER = 77
CONTROL_AND_TRANSACTIONAL = 0x30
LENGTHS = struct.Struct(">qi")
FROM_EPOCH = struct.Struct(">ib")
CHECKED = struct.Struct(">hiqqqhii")


def empty_control_batch(base_offset: int) -> bytes:
    """Return a record batch (format 2) of the log whose only record, a marker, was removed."""
    checked = CHECKED.pack(CONTROL_AND_TRANSACTIONAL, 0, -1, -1, PRODUCER, 0, -1, 0)
    body = FROM_EPOCH.pack(0, 2) + struct.pack(">I", calc_crc32c(checked)) + checked
    return LENGTHS.pack(base_offset, len(body)) + body


def data_batch(base_offset: int, value: bytes) -> bytes:
    """Return a batch of one record of the same producer, outside of a transaction."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, PRODUCER, 0, 0, 2**16)
    builder.append(0, timestamp=1, key=b"k", value=value, headers=[])
    built = builder.build()
    return struct.pack(">q", base_offset) + bytes(built[8:])


@pytest.mark.parametrize("isolation", [READ_COMMITTED, READ_UNCOMMITTED])
def test_records_around_an_empty_control_batch_are_read(isolation: int) -> None:
    log = MemoryRecords(data_batch(3, b"before") + empty_control_batch(7) + data_batch(9, b"after"))
    records = PartitionRecords(TopicPartition("t", 0), log, [], 3, None, None, True, isolation)
    assert [record.value for record in records] == [b"before", b"after"]
    assert records.next_fetch_offset == 10
