"""Which topic is it really: the one of before, or another one of the same name?

Kafka gives each topic an id of its own when it is created. A broker older than Kafka 2.8 tells no
ids.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from farandole.broker.admin_calls import call_until_final
from farandole.broker.aiokafka_internals import send_admin_request, send_consumer_request
from farandole.broker.settings import Settings
from farandole.broker.topic_metadata import NO_ID, TopicMetadata


async def topic_ids(
    client: AIOKafkaAdminClient, settings: Settings, topics: Collection[str]
) -> dict[str, str]:
    """Return Kafka's id of each topic, as Kafka's own tools print it. A topic that does not exist
    is not in the result; it is empty if the broker tells no ids."""
    return await _ids(partial(send_admin_request, client), settings, topics)


async def consumer_topic_ids(
    consumer: AIOKafkaConsumer, settings: Settings, topics: Collection[str]
) -> dict[str, str]:
    """Return the same as `topic_ids`, over a connection that a consumer has already."""
    return await _ids(partial(send_consumer_request, consumer), settings, topics)


async def _ids(
    send: Callable[[Any], Awaitable[Any]], settings: Settings, topics: Collection[str]
) -> dict[str, str]:
    if not topics:
        return {}
    asking = partial(send, TopicMetadata(topics))
    try:
        answer = await call_until_final(asking, settings.deadline, "asking for the topics' ids")
    except NotImplementedError:  # so aiokafka says that the broker is too old
        return {}
    return {
        name: urlsafe_b64encode(id_).rstrip(b"=").decode()
        for error, name, id_, *_ in answer.topics
        if not error and id_ != NO_ID
    }
