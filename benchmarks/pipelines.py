"""Which pipelines are measured, and how are they published?"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata
from pydantic import BaseModel

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.events.record import Header
from farandole.events.topology_version import (
    INSTALLATION_KEY,
    EventSpec,
    Installation,
    StageSpec,
    Version,
)

PARTITIONS = 4


class Line(BaseModel):
    """An order line of about 130 bytes of JSON."""

    household_id: int
    store_id: int
    basket_id: int
    product_id: int
    quantity: int
    sales_cents: int
    discount_cents: int

    paid_cents: int | None = None


def price(line: Line) -> Line:
    line.paid_cents = line.sales_cents - line.discount_cents
    return line


def line(number: int, household: int | None = None) -> bytes:
    """Return a JSON line of 130 bytes, of this household or, if it is None, of one of 2,469."""
    if household is None:
        household = 1 + number % 2469
    return (
        b'{"household_id":%d,"store_id":%d,"basket_id":%d,"product_id":%d,'
        b'"quantity":1,"sales_cents":%d,"discount_cents":%d}'
        % (household, 100 + number % 300, 31198570044 + number, 1000000 + number % 92331,
           100 + number % 900, number % 50)
    )  # fmt: skip


def chain(settings: Settings, hops: int) -> Version:
    """Return a version with `hops` stages in a row, each from `line.N` to `line.N+1`."""
    events = {
        f"line.{n}": EventSpec(
            topic=settings.names.event_topic("bench", f"line.{n}"),
            partitions=PARTITIONS,
            boundaries=(0,) * PARTITIONS,
        )
        for n in range(hops + 1)
    }
    stages = {
        f"hop{n}": StageSpec(
            run="benchmarks.pipelines:price", subscribes=(f"line.{n}",), emits=(f"line.{n + 1}",)
        )
        for n in range(hops)
    }
    return Version(
        pipeline="bench",
        version=1,
        installation=uuid.uuid4(),
        published=datetime.now(UTC),
        published_by="bench",
        events=events,
        stages=stages,
    )


async def publish(settings: Settings, version: Version, extra: Mapping[str, int]) -> None:
    """Create topics, commit first offsets and write the version, without the checks of a router."""
    names = settings.names
    topics = {e.topic: TopicSpec(e.partitions) for e in version.events.values()}
    topics |= {names.dead_topic("bench", s): TopicSpec(1) for s in version.stages}
    topics |= {t: TopicSpec(n) for t, n in extra.items()}
    topics[names.topology_topic] = TopicSpec(1, {"cleanup.policy": "compact"})
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics(topics)
    installation = Installation(id=version.installation, created=version.published)
    for stage, bound in version.stages.items():
        client = make_producer(settings, transactional_id=names.router_transactional_id)
        async with open_client(client, settings), client.transaction():
            for key, document in (
                (version.name.encode(), version),
                (INSTALLATION_KEY, installation),
            ):
                await client.send_and_wait(
                    names.topology_topic, key=key, value=document.model_dump_json().encode()
                )
            await client.send_offsets_to_transaction(
                {
                    TopicPartition(version.events[e].topic, p): OffsetAndMetadata(0, "")
                    for e in bound.subscribes
                    for p in range(version.events[e].partitions)
                },
                names.stage_group("bench", stage),
            )


async def fill(
    settings: Settings,
    topic: str,
    lines: int,
    headers: Callable[[int, int], list[Header]] = lambda partition, number: [],
    make_line: Callable[[int], bytes] = line,
) -> None:
    """Write `lines` JSON lines, evenly over the partitions. `headers` returns the headers for a
    partition and number; by default there are none. `make_line` returns the line of a number."""
    client = make_producer(settings)
    async with open_client(client, settings):
        for partition in range(PARTITIONS):
            sent = []
            batch = client.create_batch()
            for number in range(partition, lines, PARTITIONS):
                record = {"value": make_line(number), "headers": headers(partition, number)}
                if batch.append(key=None, timestamp=None, **record) is None:
                    sent.append(await client.send_batch(batch, topic, partition=partition))
                    batch = client.create_batch()
                    batch.append(key=None, timestamp=None, **record)
            sent.append(await client.send_batch(batch, topic, partition=partition))
            for future in sent:
                await future
