"""How are roots published, so that each opens a run?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka.errors import KafkaError

from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.catalog.ownership import VersionIndex
from farandole.events.root_record import RootRecord
from farandole.events.topology_version import Version
from farandole.operations.errors import RefusedError


@dataclass(frozen=True, slots=True)
class PublishedRoot:
    """The position of a root, and the run that it opens."""

    id: str
    """The event's id; "" where the record carries none."""
    run: str
    topic: str
    partition: int
    offset: int


async def publish_root(settings: Settings, version: Version, root: RootRecord) -> PublishedRoot:
    """Publish one root; as `publish_roots`."""
    (published,) = await publish_roots(settings, version, [root])
    return published


async def publish_roots(
    settings: Settings, version: Version, roots: Sequence[RootRecord]
) -> list[PublishedRoot]:
    """Publish roots one by one, in their order; return when Kafka has acknowledged all of them.
    `version` is the one in force.

    Raises RefusedError (`record_refused`) if Kafka refuses a record, and BrokerError; after a
    DeadlineExceededError it is unknown whether that root was published. The message says how many
    were published before.
    """
    index = VersionIndex([version])
    published: list[PublishedRoot] = []
    async with open_client(make_producer(settings), settings) as client:
        for root in roots:
            before = (
                f"; {len(published)} of {len(roots)} were published before" if published else ""
            )
            try:
                sent = await with_deadline(
                    client.send_and_wait(
                        root.topic,
                        value=root.value,
                        key=root.key,
                        partition=root.partition,
                        headers=[*root.headers],
                    ),
                    settings.deadline,
                    f"publishing to {root.topic}; whether it was published is unknown{before}",
                )
            except KafkaError as error:
                raise RefusedError(
                    "record_refused",
                    f"Kafka refuses the event: {error}{before}",
                    topic=root.topic,
                    published=len(published),
                ) from None
            run_id = index.root_run(root.topic, sent.partition, sent.offset).decode()
            published.append(
                PublishedRoot(root.event_id, run_id, root.topic, sent.partition, sent.offset)
            )
    return published
