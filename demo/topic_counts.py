"""What has one run written to the topics, as a reader counts it that does not use the books?"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version

_MESSAGE_HEADER = f"{DEAD_HEADER_PREFIX}message"


@dataclass(frozen=True, slots=True)
class RunCounts:
    """Committed events of one run."""

    edges: Mapping[str, int]
    """Emitted, by event type."""
    dead: Mapping[str, int]
    """Dead letters, by reason."""


async def topic_ends(settings: Settings, version: Version) -> dict[TopicPartition, int]:
    """Return the current end of each partition of the version's topics: a later run writes after
    these offsets. Raises BrokerError."""
    events = version.events.values()
    partitions = [TopicPartition(e.topic, i) for e in events for i in range(e.partitions)]
    partitions += [TopicPartition(topic, 0) for topic in _dead_topics(settings.names, version)]
    async with ClusterAdmin.open(settings) as admin:
        return await admin.end_offsets(partitions)


async def count_run_events(
    settings: Settings, version: Version, run: str, since: Mapping[TopicPartition, int]
) -> RunCounts:
    """Read what was written after the offsets `since`, at `read_committed`, and return the counts
    of the records with the run's id.

    Only counts are kept in memory. One process for each core is used, because reading takes the
    time, and the workers have nothing to do.
    """
    loop = asyncio.get_running_loop()
    topics = [version.events[t].topic for t in version.events if version.emitters(t)]
    pieces = [*([topic] for topic in topics), _dead_topics(settings.names, version)]
    plain = Settings(**settings.model_dump())  # of a class that another process can find
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        counted = await asyncio.gather(
            *(
                loop.run_in_executor(pool, _count_in_process, plain, version, run, since, piece)
                for piece in pieces
            )
        )
    edges = {t: 0 for t in version.events if version.emitters(t)}
    return RunCounts(
        edges | {t: n for each in counted for t, n in each.edges.items()},
        {reason: n for each in counted for reason, n in each.dead.items()},
    )


def _count_in_process(
    settings: Settings,
    version: Version,
    run: str,
    since: Mapping[TopicPartition, int],
    topics: list[str],
) -> RunCounts:
    return asyncio.run(_count_topics(settings, version, run, since, topics))


async def _count_topics(
    settings: Settings,
    version: Version,
    run: str,
    since: Mapping[TopicPartition, int],
    topics: list[str],
) -> RunCounts:
    types = {event.topic: event_type for event_type, event in version.events.items()}
    edges: Counter[str] = Counter()
    dead: Counter[str] = Counter()
    wanted = ("ce_runid", run.encode())
    async for records in scan(settings, topics, start=since):
        of_run = [record for record in records if wanted in record.headers]
        event_type = types.get(records[0].topic)
        if event_type is not None:
            edges[event_type] += len(of_run)
            continue
        for record in of_run:
            dead[dict(record.headers).get(_MESSAGE_HEADER, b"").decode(errors="replace")] += 1
    return RunCounts(dict(edges), dict(dead))


def _dead_topics(names: KafkaNames, version: Version) -> list[str]:
    return [names.dead_topic(version.pipeline, stage) for stage in version.stages]
