"""Are topics and offsets on the cluster as they were requested?"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import NotCoordinatorForGroupError
from aiokafka.structs import OffsetAndMetadata

from farandole.broker.broker_errors import BrokerError, TopicMismatchError
from farandole.broker.cluster_admin import ClusterAdmin, TopicMissingError
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from tests.books.clean import until

pytestmark = pytest.mark.kafka


async def test_a_topic_is_created_once(settings: Settings) -> None:
    topic = settings.names.event_topic("p", "a")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(3)})
        await admin.create_topics({topic: TopicSpec(3)})
        assert (await admin.all_topics())[topic] == 3


async def test_a_topic_that_differs_stops_all_of_the_others(settings: Settings) -> None:
    topic, other = settings.names.event_topic("p", "a"), settings.names.event_topic("p", "b")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(1)})
        with pytest.raises(TopicMismatchError, match=topic):
            await admin.create_topics({other: TopicSpec(1), topic: TopicSpec(2)})
        assert other not in await admin.all_topics()


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


async def test_a_broker_that_does_not_coordinate_a_group_is_asked_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers as if the group had no member."""
    answers = [(NotCoordinatorForGroupError.errno, []), (0, ["one", "two"])]

    async def describe(groups: list[str]) -> list[SimpleNamespace]:
        code, members = answers.pop(0)
        return [SimpleNamespace(groups=[(code, *groups, "", "", "", members)])]

    async with ClusterAdmin.open(settings) as admin:
        monkeypatch.setattr(admin._client, "describe_consumer_groups", describe)
        assert await admin.count_members("g") == 2


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
            assert (await admin.all_topics())[name] == there


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


async def test_the_owner_of_a_lane_is_known_by_its_client_id(settings: Settings) -> None:
    topic, group = settings.names.event_topic("p", "a"), f"{settings.names.prefix}p.read"
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(2)})
        reader = make_consumer(
            settings, group=group, client_id="p.read-1-0123abcd", auto_offset_reset="earliest"
        )
        async with open_client(reader, settings):
            reader.subscribe([topic])

            async def is_assigned() -> bool:
                await reader.getmany(timeout_ms=100)
                return len(reader.assignment()) == 2

            await until(is_assigned, "the consumer got no partitions", 30)
            (member,) = await admin.group_members(group)
    assert member.client_id == "p.read-1-0123abcd"
    assert {each.partition for each in member.partitions} == {0, 1}
