"""How is a record written to `farandole.actions`?"""

from __future__ import annotations

from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.events.action_record import ActionRecord, serialize_action


class MissingActionsTopicError(BrokerError):
    """The topic does not exist: nothing was applied, or an older release has applied it and no
    router of this release has started since."""


async def write_action(settings: Settings, action: ActionRecord) -> None:
    """Write a record, and return when Kafka has acknowledged it. Raises BrokerError."""
    topic = settings.names.actions_topic
    async with ClusterAdmin.open(settings) as admin:  # a producer would wait for the topic
        if topic not in await admin.topics([topic]):
            raise MissingActionsTopicError(
                f"there is no topic {topic}; `farandole up`, `route` and `apply` create it"
            )
    async with open_client(make_producer(settings), settings) as writer:
        sent = writer.send_and_wait(
            topic, serialize_action(action), key=action.id.encode(), partition=0
        )
        await with_deadline(sent, settings.deadline, f"writing to {topic}")
