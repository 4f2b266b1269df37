"""Which topic is it really: the one of before, or another one of the same name?

Kafka gives each topic an id of its own when it is created. A broker older than Kafka 2.8 tells no
ids.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, NamedTuple

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
        name: _text(id_) for error, name, id_, *_ in answer.topics if not error and id_ != NO_ID
    }


class FoundTopic(NamedTuple):
    """A topic that exists."""

    partitions: int
    id: str
    """Kafka's; empty if the broker tells no ids."""


async def find_topics(
    client: AIOKafkaAdminClient, settings: Settings, topics: Collection[str]
) -> dict[str, FoundTopic] | None:
    """Return those of the topics that exist and that we may describe; None if the broker tells no
    ids."""
    if not topics:
        return {}
    asking = partial(send_admin_request, client, TopicMetadata(topics))
    try:
        answer = await call_until_final(asking, settings.deadline, "asking for topics")
    except NotImplementedError:
        return None
    return {
        name: FoundTopic(len(partitions), _text(id_))
        for error, name, id_, _, partitions, *_ in answer.topics
        if not error
    }


async def existing_partitions(
    client: AIOKafkaAdminClient, settings: Settings, topics: Collection[str]
) -> dict[str, int]:
    """Return the number of partitions of those of the topics that exist and that we may describe.
    A broker that tells no ids is asked for all topics: asked for one by name it could create it."""
    found = await find_topics(client, settings, topics)
    if found is not None:
        return {name: topic.partitions for name, topic in found.items()}
    described = await call_until_final(
        client.describe_topics, settings.deadline, "asking for the topics"
    )
    every = {topic["topic"]: len(topic["partitions"]) for topic in described}
    return {name: every[name] for name in topics if name in every}


def _text(id_: bytes) -> str:
    return "" if id_ == NO_ID else urlsafe_b64encode(id_).rstrip(b"=").decode()
