"""Does each refusal of Kafka name the operation and the resource that are missing?"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
from aiokafka.protocol.admin import CreateAclsRequest

from farandole.broker.broker_errors import AccessDeniedError, WriteDeniedError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_admin_client, make_producer, open_client
from farandole.broker.missing_rights import Right, missing_right
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.broker.topic_spec import TopicSpec
from farandole.broker.transactions import translated_errors
from farandole.catalog.published_versions import read_versions

TOPIC, GROUP, TRANSACTIONAL_ID = 2, 3, 5
READ, WRITE, DESCRIBE = 3, 4, 8
LITERAL, ALLOW = 3, 3


@pytest.mark.parametrize(
    ("error", "right"),
    [
        (TopicAuthorizationFailedError({"b", "a"}), Right("Write", "topic", "a, b")),
        (GroupAuthorizationFailedError("g"), Right("Read", "group", "g")),
        (
            GroupAuthorizationFailedError("Unable to get coordinator id for g"),
            Right("Read", "group", "g"),
        ),
        (TransactionalIdAuthorizationFailed(), Right("Write", "transactional id")),
        (NotLeaderForPartitionError("t"), None),
    ],
)
def test_an_error_tells_which_right_is_missing(error: KafkaError, right: Right | None) -> None:
    assert missing_right(error, "Write") == right


@pytest.fixture
async def topic(guarded: Settings) -> str:
    name = f"t{secrets.token_hex(4)}"
    async with ClusterAdmin.open(guarded) as admin:
        await admin.create_topics({name: TopicSpec(1)})
    return name


@pytest.fixture
def bob(guarded: Settings) -> Settings:
    return Settings(**guarded.model_dump() | {"sasl_username": "bob", "sasl_password": "poor"})


async def allow(ann: Settings, kind: int, name: str, *operations: int) -> None:
    """Let bob do this with a resource."""
    async with open_client(make_admin_client(ann), ann) as client:
        for operation in operations:
            acl = (kind, name, LITERAL, "User:bob", "*", operation, ALLOW)
            await client._send_request(CreateAclsRequest(*acl))


async def reading(bob: Settings, topic: str) -> None:
    await read_table(bob, topic)


async def creating(bob: Settings, topic: str) -> None:
    async with ClusterAdmin.open(bob) as admin:
        await admin.create_topics({f"{topic}.new": TopicSpec(1)})


async def seeing_configs(bob: Settings, topic: str) -> None:
    async with ClusterAdmin.open(bob) as admin:
        await admin.topic_configs([topic])


async def setting_configs(bob: Settings, topic: str) -> None:
    async with ClusterAdmin.open(bob) as admin:
        await admin.configure_topics({topic: {"retention.ms": "1000"}})


async def asking_for_ends(bob: Settings, topic: str) -> None:
    async with ClusterAdmin.open(bob) as admin:
        await admin.end_offsets([TopicPartition(topic, 0)])


async def asking_for_offsets(bob: Settings, topic: str) -> None:
    async with ClusterAdmin.open(bob) as admin:
        await admin.committed_offsets(topic, [TopicPartition(topic, 0)])


async def starting_a_producer(bob: Settings, topic: str) -> None:
    async with open_client(make_producer(bob, transactional_id=topic), bob):
        pass


async def asking_for_versions(bob: Settings, topic: str) -> None:
    await read_versions(bob.model_copy(update={"namespace": topic}), "p")


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("request_of", "right"),
    [
        (reading, "Describe on the topic {}"),
        (asking_for_ends, "Describe on the topic {}"),
        (asking_for_versions, "Describe on the topic {}.farandole.topology"),
        (creating, "Create on the topic {}.new"),
        (seeing_configs, "DescribeConfigs on the topic {}"),
        (setting_configs, "DescribeConfigs on the topic {}"),
        (asking_for_offsets, "Read on the group {}"),
        (starting_a_producer, "Write on the transactional id {}"),
    ],
)
async def test_who_may_do_nothing_is_told_what_is_missing(
    bob: Settings, topic: str, request_of: Callable[[Settings, str], Awaitable[Any]], right: str
) -> None:
    with pytest.raises(AccessDeniedError) as caught:
        await request_of(bob, topic)
    assert f"Kafka denies us {right.format(topic)}" in str(caught.value)


@pytest.mark.kafka
async def test_a_topic_that_may_be_described_and_not_read_is_named(
    guarded: Settings, bob: Settings, topic: str
) -> None:
    await allow(guarded, TOPIC, topic, DESCRIBE, WRITE)
    await allow(guarded, TRANSACTIONAL_ID, topic, WRITE)
    producer = make_producer(bob, transactional_id=topic)
    async with open_client(producer, bob), producer.transaction():
        await producer.send_and_wait(topic, b"1", key=b"a")
    with pytest.raises(AccessDeniedError, match=f"Kafka denies us Read on the topic {topic}"):
        await read_table(bob, topic)


@pytest.mark.kafka
async def test_a_transaction_that_may_not_write_a_topic_names_it(
    guarded: Settings, bob: Settings, topic: str
) -> None:
    await allow(guarded, TOPIC, topic, DESCRIBE)
    await allow(guarded, TRANSACTIONAL_ID, topic, WRITE)
    async with open_client(make_producer(bob, transactional_id=topic), bob) as producer:
        with pytest.raises(WriteDeniedError) as caught, translated_errors("no answer"):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, b"1")
    assert f"Kafka denies us Write on the topic {topic}" in str(caught.value)
