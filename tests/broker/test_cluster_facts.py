"""Does a cluster tell its release, its clock and our rights?"""

from __future__ import annotations

import secrets

import pytest

from farandole.broker.broker_errors import AccessDeniedError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from tests.broker.test_missing_rights import DESCRIBE, READ, TOPIC, allow

pytestmark = pytest.mark.kafka


@pytest.fixture
def bob(guarded: Settings) -> Settings:
    return Settings(**guarded.model_dump() | {"sasl_username": "bob", "sasl_password": "poor"})


async def test_release_and_clock_are_told(guarded: Settings) -> None:
    async with ClusterAdmin.open(guarded) as admin:
        assert await admin.oldest_release() == (4, 0)
        skew = await admin.clock_skew()
    assert skew is not None
    assert abs(skew) < 60  # both clocks are this machine's, which may be busy


async def test_rights_are_told_by_topic(guarded: Settings, bob: Settings) -> None:
    topic = f"t{secrets.token_hex(4)}"
    async with ClusterAdmin.open(guarded) as admin:
        await admin.create_topics({topic: TopicSpec(1)})
        everything = (await admin.allowed_operations([topic]))[topic]
        assert everything is not None
        assert {"Read", "Write", "Describe"} <= everything
        assert await admin.writable_partitions([topic, "nothing"]) == {topic: 1}
    await allow(guarded, TOPIC, topic, READ, DESCRIBE)
    async with ClusterAdmin.open(bob) as admin:
        assert await admin.writable_partitions([topic]) == {}
        assert await admin.allowed_operations([topic, "nothing"]) == {
            topic: frozenset({"Read", "Describe"})
        }


async def test_nothing_is_created_to_see_whether_it_could_be(
    guarded: Settings, bob: Settings
) -> None:
    topic = f"t{secrets.token_hex(4)}"
    async with ClusterAdmin.open(guarded) as admin:
        await admin.require_creatable(topic)
        assert topic not in await admin.all_topics()
    async with ClusterAdmin.open(bob) as admin:
        with pytest.raises(AccessDeniedError, match=f"Create on the topic {topic}"):
            await admin.require_creatable(topic)
        with pytest.raises(AccessDeniedError, match="on the cluster"):
            await admin.clock_skew()
