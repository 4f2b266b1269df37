"""How is a root published, so that it opens a run?"""

from __future__ import annotations

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
    """Publish a root; return when Kafka has acknowledged it. `version` is the one in force.

    Raises RefusedError (`record_refused`) if Kafka refuses the record, and BrokerError; after a
    DeadlineExceededError it is unknown whether it was published.
    """
    async with open_client(make_producer(settings), settings) as client:
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
                f"publishing to {root.topic}; whether it was published is unknown",
            )
        except KafkaError as error:
            raise RefusedError(
                "record_refused", f"Kafka refuses the event: {error}", topic=root.topic
            ) from None
    run_id = VersionIndex([version]).root_run(root.topic, sent.partition, sent.offset).decode()
    return PublishedRoot(root.event_id, run_id, root.topic, sent.partition, sent.offset)
