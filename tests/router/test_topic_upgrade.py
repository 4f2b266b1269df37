"""Does a router bring the topics of an older release up to date?"""

from __future__ import annotations

import time
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from farandole.broker.broker_errors import AccessDeniedError, UnreachableError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.broker.topic_spec import TopicSpec
from farandole.events.kafka_names import KafkaNames
from farandole.router.system_topics import BROKER_TIME, system_topic_specs
from farandole.router.topic_upgrade import upgrade_topics

NAMES = KafkaNames()


class Cluster:
    """A cluster with these configs of the control topic, which refuses to change them if it has an
    error."""

    def __init__(self, configs: dict[str, str] | None, error: Exception | None = None) -> None:
        self.configs, self.error = configs, error
        self.changes = 0
        self.created: list[str] = []

    async def create_topics(self, topics: dict[str, TopicSpec]) -> None:
        self.created += topics

    async def topic_configs(self, topics: list[str]) -> dict[str, dict[str, str]]:
        assert topics == [NAMES.control_topic]
        return {} if self.configs is None else {topics[0]: self.configs}

    async def configure_topics(self, topics: dict[str, dict[str, str]]) -> None:
        if self.error is not None:
            raise self.error
        self.changes += 1
        assert self.configs is not None
        self.configs |= topics[NAMES.control_topic]


async def upgraded(cluster: Cluster) -> list[Any]:
    with capture_logs() as logs:
        await upgrade_topics(cast(ClusterAdmin, cluster), NAMES)
    return [(each["event"], each.get("why")) for each in logs]


async def test_the_control_topic_is_changed_once() -> None:
    cluster = Cluster({"cleanup.policy": "compact"})
    assert await upgraded(cluster) == [("topic.upgraded", None)]
    assert await upgraded(cluster) == []
    assert cluster.changes == 1
    assert system_topic_specs(NAMES)[NAMES.control_topic].configs.items() >= cluster.configs.items()  # type: ignore[union-attr]


async def test_a_topic_that_does_not_exist_is_left_to_apply() -> None:
    cluster = Cluster(None)
    assert (await upgraded(cluster), cluster.changes, cluster.created) == ([], 0, [])


async def test_the_topics_are_created_that_an_older_release_does_not_have() -> None:
    cluster = Cluster(dict(BROKER_TIME))
    new = [
        NAMES.shares_topic, NAMES.schedules_topic, NAMES.firings_topic, NAMES.quality_topic,
        NAMES.quality_history_topic, NAMES.quality_state_topic, NAMES.gates_topic,
        NAMES.actions_topic,
    ]  # fmt: skip
    assert (await upgraded(cluster), cluster.created) == ([], new)


async def test_a_missing_right_is_only_logged() -> None:
    ((event, why),) = await upgraded(Cluster({}, AccessDeniedError("Kafka denies us AlterConfigs")))
    assert event == "topic.outdated"
    assert why == (
        "it should have message.timestamp.type=LogAppendTime: Kafka denies us AlterConfigs"
    )
    with pytest.raises(UnreachableError):
        await upgraded(Cluster({}, UnreachableError("down")))


@pytest.mark.kafka
async def test_the_broker_says_when_a_document_was_written(settings: Settings) -> None:
    topic = settings.names.control_topic
    configs = {"cleanup.policy": "compact", "segment.ms": "60000"}
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(1, configs)})
        await upgrade_topics(admin, settings.names)
        found = await admin.topic_configs([topic])
    assert found[topic] == configs | {"message.timestamp.type": "LogAppendTime"}
    began = time.time() * 1000
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(topic, b"{}", key=b"k", timestamp_ms=1)
    (record,) = [each async for records in scan(settings, [topic]) for each in records]
    assert abs(record.timestamp - began) < 3_600_000
