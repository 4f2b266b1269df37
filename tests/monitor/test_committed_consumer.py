"""Does the monitor commit everything that it has counted?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import faust
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP

from farandole.monitor.committed_consumer import CommittedApp

LEDGER = TP("ledger", 0)


@dataclass(eq=False)
class ReadRecord:
    """What Faust's consumer needs of a message."""

    offset: int
    acked: bool = False
    tp: TP = LEDGER
    topic: str = LEDGER.topic


async def committable(app: faust.App, offsets: Sequence[int]) -> int | None:
    """Return the offset that a commit would write after Faust has read the records at these
    offsets and the agent has acknowledged them."""
    consumer: Any = app.consumer
    consumer._committed_offset[LEDGER] = consumer._read_offset[LEDGER] = offsets[0]
    topics: Any = app.topics
    topics._acking_topics.add(LEDGER.topic)
    read: list[Any] = []

    async def fetched(timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        for offset in offsets:
            yield LEDGER, ReadRecord(offset)
        fetcher._stopped.set()

    async def keep(message: Any) -> None:
        read.append(message)

    fetcher = SimpleNamespace(_stopped=asyncio.Event())
    consumer.getmany, consumer.callback = fetched, keep
    await consumer._drain_messages(fetcher)
    assert [message.offset for message in read] == list(offsets)
    for message in read:
        consumer.ack(message)
    offset: int | None = consumer._new_offset(LEDGER)
    return offset


MARKED = range(100, 200, 2)
"""Entries with a transaction marker after each."""


async def test_a_commit_takes_in_all_that_is_acknowledged() -> None:
    app = CommittedApp("m", broker="kafka://nowhere:1")
    assert await committable(app, MARKED) == MARKED[-1] + 1


async def test_nothing_is_committed_twice() -> None:
    app = CommittedApp("m", broker="kafka://nowhere:1")
    await committable(app, MARKED)
    consumer: Any = app.consumer
    assert consumer._new_offset(LEDGER) is None


async def test_faust_itself_still_needs_the_correction() -> None:
    """If this fails, Faust commits what it has read: remove `_add_gap` and `_new_offset` of
    `CommittedConsumer`, if Faust is also fast enough without them."""
    app = faust.App("m", broker="kafka://nowhere:1")
    assert type(app.consumer) is Consumer
    assert await committable(app, MARKED) != MARKED[-1] + 1
