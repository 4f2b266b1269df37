"""Somebody who replays dead letters and kills himself at a point of the protocol."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from farandole.broker import transactions
from farandole.broker.kafka_clients import make_producer
from farandole.broker.settings import Settings
from farandole.operations.dead_letters import dead_letter_store, settlement_writer
from farandole.operations.dead_letters.letter_selection import LetterSelection
from tests.operations.buried import replaying

POINT, LETTERS, AT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
settlement_writer.MAX_TRANSACTION_LETTERS = LETTERS


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(settings: Settings, **how: Any) -> AIOKafkaProducer:
    """The real client, until its transaction of that number."""
    client = make_producer(settings, **how)
    start, begin, commit = client.start, client.begin_transaction, client.commit_transaction
    begun = 0

    async def started() -> None:
        await start()
        if POINT == "after the fence":
            die()

    async def begins() -> None:
        nonlocal begun
        begun += 1
        await begin()

    async def commits() -> None:
        here = begun == AT
        if here and POINT == "before the commit":
            die()
        if here and POINT == "while it commits":
            task = asyncio.ensure_future(commit())
            await asyncio.wait([task], timeout=0.002)
            die()
        await commit()
        if here and POINT == "after the commit":
            die()

    client.start, client.begin_transaction, client.commit_transaction = started, begins, commits
    return client


async def main() -> None:
    settings = Settings.load(Path())
    store = await dead_letter_store.open_dead_letter_store(settings, "p")
    chosen, _ = await settlement_writer.find_open_letters(
        store, "load", LetterSelection(all_letters=True), fence=True
    )
    transactions.make_producer = dying  # type: ignore[attr-defined]
    await settlement_writer.settle_letters(store, await replaying(store, chosen))


if __name__ == "__main__":
    asyncio.run(main())
