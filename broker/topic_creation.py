"""How are topics created, with which partitions and configs?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import (
    InvalidPartitionsError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from farandole.broker.admin_calls import POLL_INTERVAL, call_until_final, raise_for_code
from farandole.broker.aiokafka_internals import ConfigResource, ConfigResourceType, new_topic
from farandole.broker.broker_errors import TopicMismatchError
from farandole.broker.kafka_clients import with_deadline
from farandole.broker.missing_rights import Right
from farandole.broker.settings import Settings
from farandole.broker.topic_ids import existing_partitions
from farandole.broker.topic_spec import TopicSpec

T = TypeVar("T")

_CONFIG_VISIBLE_SECONDS = 2.0  # within which a config that was set can be read
_TOPIC_CONFIG_SOURCE = 1  # the source of a config that is set on the topic itself


async def create_topics(
    client: AIOKafkaAdminClient, settings: Settings, topics: Mapping[str, TopicSpec]
) -> None:
    """Create those of `topics` that are missing, add partitions where they grow, and return
    when each partition has a leader.

    Of an existing topic only the number of partitions is compared. Raises TopicMismatchError,
    and then nothing was created."""
    if not topics:
        return
    existing = await existing_partitions(client, settings, topics)
    check_partition_counts(topics, existing)
    missing = {name: spec for name, spec in topics.items() if name not in existing}
    if missing:
        await _create_missing(client, settings, missing)
    for name, spec in topics.items():
        if spec.grows and existing.get(name, spec.partitions) < spec.partitions:
            await _add_partitions(client, settings, name, spec.partitions)
    await with_deadline(
        _await_leaders(client, settings, topics),
        settings.deadline,
        f"waiting for {len(topics)} topics",
    )


async def _add_partitions(
    client: AIOKafkaAdminClient, settings: Settings, name: str, partitions: int
) -> None:
    adding = partial(client.create_partitions, {name: NewPartitions(partitions)})
    with suppress(InvalidPartitionsError):  # another process has added them
        await _call(settings, adding, f"adding partitions to the topic {name}")


async def _create_missing(
    client: AIOKafkaAdminClient, settings: Settings, topics: Mapping[str, TopicSpec]
) -> None:
    factor = settings.replication_factor
    new = [new_topic(name, spec.partitions, factor, spec.configs) for name, spec in topics.items()]
    # Kafka's time-out is shorter than ours, so that Kafka can report what is late.
    patience = int(settings.deadline * 900)
    answer = await _call(
        settings,
        lambda: client.create_topics(new, timeout_ms=patience),
        f"creating {len(new)} topics",
    )
    for name, code, message in answer.topic_errors:
        error = for_code(code)
        # Another process has created it; `_await_leaders` compares the topic.
        if error is not TopicAlreadyExistsError:
            right = Right("Create", "topic", name)
            raise_for_code(error, f"cannot create the topic {name}", message, right)


async def _await_leaders(
    client: AIOKafkaAdminClient, settings: Settings, topics: Mapping[str, TopicSpec]
) -> None:
    names = list(topics)
    while True:
        described = await _call(
            settings, lambda: client.describe_topics(names), "asking for the topics"
        )
        led = {
            topic["topic"]: len(topic["partitions"])
            for topic in described
            if topic["partitions"] and all(p["leader"] >= 0 for p in topic["partitions"])
        }
        check_partition_counts(topics, led)
        if len(led) == len(topics) and all(s.accepts_width(led[n]) for n, s in topics.items()):
            return
        await asyncio.sleep(POLL_INTERVAL)


async def topic_configs(
    client: AIOKafkaAdminClient, settings: Settings, topics: Collection[str]
) -> dict[str, dict[str, str]]:
    """Return the configs that are set on each topic itself, by Kafka's names. A topic that does not
    exist is not in the result."""
    if not topics:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
    answers = await _call(
        settings, lambda: client.describe_configs(asked), "asking for the topics' configs"
    )
    found = {}
    for answer in answers:
        for code, message, _, topic, entries in answer.resources:
            error = for_code(code)
            if error is UnknownTopicOrPartitionError:
                continue
            right = Right("DescribeConfigs", "topic", topic)
            raise_for_code(error, f"cannot read the configs of the topic {topic}", message, right)
            found[topic] = {
                name: value
                for name, value, _, source, *_ in entries
                if source == _TOPIC_CONFIG_SOURCE and value is not None
            }
    return found


async def configure_topics(
    client: AIOKafkaAdminClient, settings: Settings, topics: Mapping[str, Mapping[str, str]]
) -> None:
    """Set configs of existing topics, and keep the others that are set on them. What another client
    sets at the same moment is lost: the client has only the request that replaces all of them."""
    if not topics:
        return
    before = await topic_configs(client, settings, list(topics))
    wanted = [
        ConfigResource(ConfigResourceType.TOPIC, name, {**before.get(name, {}), **configs})
        for name, configs in topics.items()
    ]
    answers = await _call(
        settings, lambda: client.alter_configs(wanted), f"configuring {len(topics)} topics"
    )
    for answer in answers:
        for code, message, _, topic in answer.resources:
            right = Right("AlterConfigs", "topic", topic)
            raise_for_code(for_code(code), f"cannot configure the topic {topic}", message, right)
    with suppress(TimeoutError):
        async with asyncio.timeout(_CONFIG_VISIBLE_SECONDS):
            await _await_configs(client, settings, topics)


async def _await_configs(
    client: AIOKafkaAdminClient, settings: Settings, topics: Mapping[str, Mapping[str, str]]
) -> None:
    """Wait until the configs can be read. The broker gets them from its controller, and the next
    call of `configure_topics` would undo a config that it cannot read yet."""
    while True:
        found = await topic_configs(client, settings, list(topics))
        if all(found.get(name, {}).items() >= set_.items() for name, set_ in topics.items()):
            return
        await asyncio.sleep(POLL_INTERVAL)


async def _call(settings: Settings, call: Callable[[], Awaitable[T]], what: str) -> T:
    return await call_until_final(call, settings.deadline, what)


def check_partition_counts(wanted: Mapping[str, TopicSpec], existing: Mapping[str, int]) -> None:
    """Compare the partition counts of existing topics with the wanted ones. Raises
    TopicMismatchError if one differs."""
    for name, spec in wanted.items():
        count = existing.get(name, spec.partitions)
        if not spec.grows and count != spec.partitions:
            raise TopicMismatchError(
                f"the topic {name} has {count} partitions and should have {spec.partitions};"
                f" write `partitions: {count}` for its event in topology.yaml to take it as it is,"
                " or give the event another name"
            )
