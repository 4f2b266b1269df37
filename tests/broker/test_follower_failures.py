"""Does a follower go on after an error, and does whoever waits hear of it?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker import table_follower
from farandole.broker.broker_errors import BrokerError
from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower
from farandole.lanes.simulated_kafka import SimulatedRecord

TABLE = TopicPartition("table", 0)
ROWS = [SimulatedRecord("table", 0, n, b"%d" % n, b"key-%d" % n) for n in range(3)]


class Reader:
    """A consumer of a table with three rows. A poll at which an error is due first moves over a
    row, as aiokafka does."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.at = 0

    def assign(self, _: Sequence[TopicPartition]) -> None:
        pass

    async def seek_to_beginning(self, _: TopicPartition) -> None:
        self.at = 0

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.at = offset

    async def position(self, _: TopicPartition) -> int:
        return self.at

    async def getmany(self, *_: TopicPartition, **how: Any) -> dict[TopicPartition, Any]:
        await asyncio.sleep(0)
        if self.errors:
            self.at += 1
            raise self.errors.pop(0)
        found, self.at = ROWS[self.at :], len(ROWS)
        return {TABLE: found}


@asynccontextmanager
async def following(reader: Any) -> AsyncIterator[TableFollower]:
    follower = TableFollower(Settings(), reader, TABLE.topic)
    running = asyncio.create_task(follower.run())
    try:
        async with asyncio.timeout(60):
            yield follower
    finally:
        running.cancel()
        await asyncio.wait({running})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_follower, "_RETRY_PAUSE", 0.0)


@pytest.mark.parametrize(
    "wait", [TableFollower.next_change, lambda follower: follower.read_up_to(len(ROWS))]
)
async def test_whoever_waits_gets_an_unexpected_error(
    wait: Callable[[TableFollower], Awaitable[object]],
) -> None:
    async with following(Reader(RuntimeError("of all things"))) as follower:
        with pytest.raises(BrokerError, match="of all things"):
            while True:
                await wait(follower)


@pytest.mark.parametrize("error", [RuntimeError("of all things"), KafkaError("away")])
async def test_after_an_error_all_rows_are_read(error: Exception) -> None:
    async with following(Reader(error)) as follower:
        while len(follower.rows) < len(ROWS):
            await asyncio.sleep(0)
        assert [*follower.rows] == [row.key for row in ROWS]


async def test_an_error_of_kafka_ends_no_wait() -> None:
    async with following(Reader(KafkaError("away"))) as follower:
        while len(await follower.next_change()) < len(ROWS):
            pass
