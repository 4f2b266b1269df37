"""Are topics and offsets on the cluster as they were requested?"""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from farandole.broker.broker_errors import BrokerError, TopicMismatchError
from farandole.broker.cluster_admin import ClusterAdmin, TopicMissingError
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec

pytestmark = pytest.mark.kafka


async def test_a_topic_is_created_once(settings: Settings) -> None:
    topic = settings.names.event_topic("p", "a")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(3)})
        await admin.create_topics({topic: TopicSpec(3)})
        assert (await admin.topics())[topic] == 3


async def test_a_topic_that_differs_stops_all_of_the_others(settings: Settings) -> None:
    topic, other = settings.names.event_topic("p", "a"), settings.names.event_topic("p", "b")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(1)})
        with pytest.raises(TopicMismatchError, match=topic):
            await admin.create_topics({other: TopicSpec(1), topic: TopicSpec(2)})
        assert other not in await admin.topics()


async def test_an_open_transaction_delays_only_the_stable_end(settings: Settings) -> None:
    topic = settings.names.event_topic("p", "a")
    partition = TopicPartition(topic, 0)
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(1)})
        writer = make_producer(settings, transactional_id=topic)
        async with open_client(writer, settings):
            await writer.begin_transaction()
            await (await writer.send(topic, b"1", partition=0))
            assert await admin.end_offsets([partition]) == {partition: 1}
            assert await admin.end_offsets([partition], stable=True) == {partition: 0}
            await writer.abort_transaction()


async def test_the_offsets_of_a_group_carry_their_metadata(settings: Settings) -> None:
    topic = settings.names.event_topic("p", "a")
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    group = settings.names.stage_group("p", "s")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(2)})
        writer = make_producer(settings, transactional_id=topic)
        async with open_client(writer, settings), writer.transaction():
            await writer.send_offsets_to_transaction({first: OffsetAndMetadata(7, "note")}, group)
        # The commit is acknowledged before the offsets are to be seen; the next fence settles it.
        async with open_client(make_producer(settings, transactional_id=topic), settings):
            pass
        found = await admin.committed_offsets(group, [first, second])
    assert found == {first: OffsetAndMetadata(7, "note"), second: None}


async def test_a_partition_that_does_not_exist_is_named(settings: Settings) -> None:
    async with ClusterAdmin.open(settings) as admin:
        with pytest.raises(TopicMissingError, match="nothing-here/0"):
            await admin.end_offsets([TopicPartition("nothing-here", 0)])


async def test_configs_are_set_beside_those_that_others_have_set(settings: Settings) -> None:
    topic = settings.names.event_topic("p", "a")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(1, {"retention.ms": "1000"})})
        await admin.configure_topics({topic: {"segment.ms": "60000"}})
        await admin.configure_topics({topic: {"retention.ms": "2000"}})
        assert await admin.topic_configs([topic, "nothing-here"]) == {
            topic: {"retention.ms": "2000", "segment.ms": "60000"}
        }


async def test_a_config_that_kafka_does_not_know_is_named(settings: Settings) -> None:
    topic = settings.names.event_topic("p", "a")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(1)})
        with pytest.raises(BrokerError, match=f"cannot configure the topic {topic}"):
            await admin.configure_topics({topic: {"no.such.config": "1"}})


async def test_a_topic_that_grows_gets_more_partitions_and_never_has_too_many(
    settings: Settings,
) -> None:
    name = settings.names.retry_topic("p", "s")
    async with ClusterAdmin.open(settings) as admin:
        for wanted, there in ((2, 2), (5, 5), (3, 5)):
            await admin.create_topics({name: TopicSpec(wanted, grows=True)})
            assert (await admin.topics())[name] == there


async def test_a_topic_that_is_created_again_has_another_id(settings: Settings) -> None:
    topic, other = settings.names.event_topic("p", "a"), settings.names.event_topic("p", "b")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(1), other: TopicSpec(2)})
        first = await admin.topic_ids([topic, other, "missing"])
        assert set(first) == {topic, other}
        await admin.delete_topics([topic])
        assert set(await admin.topic_ids([topic, other])) == {other}
        await admin.create_topics({topic: TopicSpec(1)})
        second = await admin.topic_ids([topic, other])
    assert second[topic] != first[topic]
    assert second[other] == first[other]
