"""Somebody who replays dead letters and kills himself at a point of the protocol."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from farandole.broker.clients import producer
from farandole.broker.settings import Settings
from farandole.console.dead_letters import settling
from farandole.console.dead_letters.letters import Selection
from tests.console.buried import replaying

POINT, LETTERS, AT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
settling.LETTERS = LETTERS


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(settings: Settings, **how: Any) -> AIOKafkaProducer:
    """The real client, until its transaction of that number."""
    client = producer(settings, **how)
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
    yard = await settling.graveyard(settings, "p")
    chosen, _ = await settling.survey(yard, "load", Selection(every=True), fence=True)
    settling.producer = dying
    await settling.carry_out(yard, await replaying(yard, chosen))


if __name__ == "__main__":
    asyncio.run(main())
