"""How does a control document reach the running system?"""

from __future__ import annotations

from collections.abc import Sequence

from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.events.control_documents import ControlDocument, serialize_control


async def publish_control(
    settings: Settings, document: ControlDocument, removed_keys: Sequence[bytes] = ()
) -> None:
    """Write a document to `farandole.control` and delete the documents under `removed_keys`.
    Raises BrokerError."""
    rows = [
        (document.key, serialize_control(document)),
        *((key, None) for key in removed_keys if key != document.key),
    ]
    async with open_client(make_producer(settings), settings) as writer:
        for key, value in rows:
            await with_deadline(
                writer.send_and_wait(settings.names.control_topic, value, key=key, partition=0),
                settings.deadline,
                f"writing to {settings.names.control_topic}",
            )
