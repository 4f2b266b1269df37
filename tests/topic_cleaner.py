"""How are the topics of a thousand tests deleted, without making each test wait for it?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

from farandole.broker.kafka_clients import make_admin_client, open_client
from farandole.broker.settings import Settings

BATCH = 10
"""Finished tests whose topics are deleted together."""

Finished = SimpleQueue[str | None]
"""The prefixes of topics that may go; None is the end."""


@contextmanager
def open_topic_cleaner(settings: Settings) -> Iterator[Callable[[str], None]]:
    """Yield a function that has all topics of a prefix deleted, some tests at a time, by one client
    in a thread of its own. At the end the last ones stay: they end with the broker's folder."""
    finished: Finished = SimpleQueue()
    with ThreadPoolExecutor(1, "topic cleaner") as thread:
        cleaning = thread.submit(asyncio.run, _delete_finished(settings, finished))
        try:
            yield finished.put
        finally:
            finished.put(None)
            cleaning.result(timeout=100)


async def _delete_finished(settings: Settings, finished: Finished) -> None:
    # A broker that keeps the topics of a thousand tests is slow for the last of them.
    async with open_client(make_admin_client(settings), settings) as client:
        while prefixes := await asyncio.to_thread(_next_batch, finished):
            known = await client.list_topics()
            topics = [topic for topic in known if topic.startswith(prefixes)]
            if topics:
                await client.delete_topics(topics, timeout_ms=10_000)


def _next_batch(finished: Finished) -> tuple[str, ...]:
    """Wait for the next batch; an empty one is the end."""
    prefixes: list[str] = []
    while len(prefixes) < BATCH:
        prefix = finished.get()
        if prefix is None:
            return ()
        prefixes.append(prefix)
    return tuple(prefixes)
