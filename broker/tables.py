"""What does a topic hold, from here to its end?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from broker.clients import consumer, opened, within
from broker.errors import Unanswered
from broker.settings import Settings

Start = Literal["earliest", "latest"] | Mapping[TopicPartition, int]


async def read_table(settings: Settings, topic: str) -> dict[bytes, bytes]:
    """A compacted topic's live rows, as of now; empty where the topic does not exist.

    Raises Unanswered, Unreachable, Refused.
    """
    table: dict[bytes, bytes] = {}
    async for records in scan(settings, [topic]):
        for record in records:
            if record.key is None:
                continue
            if record.value is None:
                table.pop(record.key, None)
            else:
                table[record.key] = record.value
    return table


async def scan(
    settings: Settings,
    topics: Sequence[str],
    *,
    start: Start = "earliest",
    follow: bool = False,
) -> AsyncIterator[list[ConsumerRecord]]:
    """The committed records of topics, in order within each partition; without `follow`, up to the
    ends as they are now. Topics that do not exist are passed over."""
    async with opened(consumer(settings, auto_offset_reset="earliest"), settings) as client:
        deadline = settings.deadline
        tps = await within(_partitions(client, topics), deadline, "reading the topics' partitions")
        if not tps:
            return
        client.assign(tps)
        first = await within(client.beginning_offsets(tps), deadline, "reading the first offsets")
        # The last stable offset: what an open transaction holds back is not there yet.
        ends = await within(client.end_offsets(tps), deadline, "reading the last offsets")
        for tp in tps:
            if start == "earliest":
                client.seek(tp, first[tp])
            elif start == "latest":
                client.seek(tp, ends[tp])
            else:
                client.seek(tp, max(first[tp], start.get(tp, first[tp])))
        positions = {tp: await client.position(tp) for tp in tps}
        silent_since = asyncio.get_running_loop().time()
        while follow or any(positions[tp] < ends[tp] for tp in tps):
            batches: dict[Any, list[ConsumerRecord]]
            try:
                batches = await client.getmany(timeout_ms=200)
            except KafkaError as error:
                raise Unanswered(f"reading {', '.join(topics)}: {error}") from None
            moved = False
            for tp in tps:
                # Not the last record's offset: behind it may stand markers and aborted records.
                reached = await client.position(tp)
                moved = moved or reached != positions[tp]
                positions[tp] = reached
            now = asyncio.get_running_loop().time()
            if moved or follow:
                silent_since = now
            elif now - silent_since > deadline:
                raise Unanswered(f"reading {', '.join(topics)}: no answer within {deadline:g} s")
            for tp, records in batches.items():
                if not follow:
                    records = [r for r in records if r.offset < ends[tp]]  # noqa: PLW2901
                if records:
                    yield records


async def _partitions(client: AIOKafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    known = await client.topics()
    return [
        TopicPartition(topic, number)
        for topic in topics
        if topic in known
        for number in sorted(client.partitions_for_topic(topic) or ())
    ]
