"""Which versions does a worker find, whatever else stands among them?"""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.catalog.published_versions import read_versions
from tests.worker.made import version

pytestmark = pytest.mark.kafka


async def test_a_foreign_record_among_the_versions_is_passed_over(settings: Settings) -> None:
    ours = version()
    topic = settings.names.topology_topic
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(1, {"cleanup.policy": "compact"})})
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(topic, ours.model_dump_json().encode(), key=b"p@1")
        await writer.send_and_wait(topic, b"nonsense", key=b"theirs")
    with capture_logs() as logs:
        assert await read_versions(settings, "p") == {1: ours}
    assert [(e["event"], e["key"]) for e in logs] == [("topology.foreign", "theirs")]
