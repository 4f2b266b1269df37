"""Are busy and quiet partitions followed by a reader each, as if there were one?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from aiokafka import TopicPartition

from farandole.broker.broker_errors import BrokerError
from farandole.broker.split_reader import SplitReader
from farandole.broker.undecodable_records import Batches
from farandole.events.record import UndecodableRecord

RUNS, LETTERS = TopicPartition("runs", 0), TopicPartition("dead", 0)


class FakeReader:
    """Returns what was sent to it, once it is polled; at most one record each time."""

    def __init__(self) -> None:
        self.positions: dict[TopicPartition, int] = {}
        self.ends: dict[TopicPartition, int] = {}
        self.error: BrokerError | None = None
        self.sent = asyncio.Event()

    def read_from(self, positions: Mapping[TopicPartition, int]) -> None:
        self.positions = dict(positions)

    def send(self, partition: TopicPartition) -> None:
        self.ends[partition] = self.ends.get(partition, 0) + 1
        self.sent.set()

    async def poll(self, wait: float) -> Batches:
        while True:
            if self.error is not None:
                raise self.error
            for partition, offset in self.positions.items():
                if offset < self.ends.get(partition, 0):
                    self.positions[partition] = offset + 1
                    return {
                        partition: [UndecodableRecord(partition.topic, partition.partition, offset)]
                    }
            self.sent.clear()
            await self.sent.wait()


class Stand:
    """A split reader that reads both partitions from their beginning."""

    def __init__(self) -> None:
        self.busy, self.quiet = FakeReader(), FakeReader()
        self.reader = SplitReader(self.busy, self.quiet, lambda partition: partition == LETTERS)
        self.reader.read_from({RUNS: 0, LETTERS: 0})

    async def read(self) -> list[tuple[str, int]]:
        async with asyncio.timeout(60):
            found = await self.reader.poll(1.0)
        return [(record.topic, record.offset) for each in found.values() for record in each]


async def test_each_partition_is_read_by_one_reader() -> None:
    stand = Stand()
    assert stand.busy.positions == {RUNS: 0}
    assert stand.quiet.positions == {LETTERS: 0}


async def test_busy_partitions_do_not_wait_for_quiet_ones() -> None:
    stand = Stand()
    stand.busy.send(RUNS)
    assert await stand.read() == [("runs", 0)]
    stand.busy.send(RUNS)
    assert await stand.read() == [("runs", 1)]
    stand.quiet.send(LETTERS)
    assert await stand.read() == [("dead", 0)]


async def test_positions_tell_of_what_was_returned_alone() -> None:
    stand = Stand()
    stand.busy.send(RUNS)
    stand.quiet.send(LETTERS)
    (first,) = await stand.read()
    assert stand.busy.positions == {RUNS: 1}
    assert stand.quiet.positions == {LETTERS: 1}
    returned = RUNS if first[0] == "runs" else LETTERS
    assert stand.reader.positions == {RUNS: 0, LETTERS: 0, returned: 1}
    await stand.read()
    assert stand.reader.positions == {RUNS: 1, LETTERS: 1}


async def test_what_was_read_and_not_returned_is_read_again_from_the_positions() -> None:
    stand = Stand()
    stand.busy.send(RUNS)
    stand.quiet.send(LETTERS)
    first = await stand.read()
    stand.reader.read_from(stand.reader.positions)
    assert sorted(first + await stand.read()) == [("dead", 0), ("runs", 0)]


async def test_an_error_of_one_reader_loses_nothing_of_the_other() -> None:
    stand = Stand()
    stand.quiet.error = BrokerError("gone")
    stand.busy.send(RUNS)
    found, errors = [], 0
    for _ in range(2):
        try:
            found += await stand.read()
        except BrokerError:
            errors += 1
    assert (found, errors) == ([("runs", 0)], 1)
    stand.quiet.error = None
    stand.quiet.send(LETTERS)
    assert await stand.read() == [("dead", 0)]


async def test_without_records_a_poll_of_a_caller_that_goes_away_is_left() -> None:
    stand = Stand()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await stand.reader.poll(1.0)
    stand.busy.send(RUNS)
    assert await stand.read() == [("runs", 0)]
