"""How does a person's wish reach the running system?"""

from __future__ import annotations

from collections.abc import Sequence

from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.events.control_documents import ControlDocument, serialize_control


async def publish_control(
    settings: Settings, wish: ControlDocument, gone: Sequence[bytes] = ()
) -> None:
    """Write it to `farandole.control`, and take away what stands there under the keys `gone`.
    Raises BrokerError."""
    rows = [(wish.key, serialize_control(wish)), *((key, None) for key in gone if key != wish.key)]
    async with open_client(make_producer(settings), settings) as writer:
        for key, value in rows:
            await with_deadline(
                writer.send_and_wait(settings.names.control_topic, value, key=key, partition=0),
                settings.deadline,
                f"writing to {settings.names.control_topic}",
            )
