"""Do the topics of Kafka's coordinators stay small, and is their loading waited for?"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, GroupLoadInProgressError
from structlog.testing import capture_logs

from farandole.broker import admin_calls, kafka_node_config
from farandole.broker.admin_calls import call_until_final
from farandole.broker.aiokafka_internals import group_offsets
from farandole.broker.broker_errors import DeadlineExceededError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.internal_topics import keep_internal_topics_small, wait_until_loaded
from farandole.broker.settings import Settings
from tests.conftest import FEW_INTERNAL_PARTITIONS

INTERNAL = ("__consumer_offsets", "__transaction_state")
MIB = 1024 * 1024


@pytest.mark.kafka
async def test_their_segments_are_small_before_the_first_group(kafka: Settings) -> None:
    async with ClusterAdmin.open(kafka) as admin:
        configs = await admin.topic_configs(INTERNAL)
    for name in INTERNAL:
        assert int(configs[name]["segment.bytes"]) <= MIB
        assert int(configs[name]["delete.retention.ms"]) <= 60_000
        assert configs[name]["cleanup.policy"] == "compact"


@pytest.mark.kafka
async def test_topics_of_an_older_release_become_small(kafka: Settings) -> None:
    properties = kafka_node_config.server_properties(Path(), 9092, 9093)
    async with ClusterAdmin.open(kafka) as admin:
        await admin.configure_topics({"__consumer_offsets": {"segment.bytes": str(100 * MIB)}})
        await keep_internal_topics_small(kafka, {**properties, **FEW_INTERNAL_PARTITIONS})
        configs = await admin.topic_configs(INTERNAL)
    assert configs["__consumer_offsets"]["segment.bytes"] == str(MIB)


@pytest.mark.kafka
async def test_a_loaded_coordinator_is_not_waited_for(kafka: Settings) -> None:
    noticed: list[float] = []
    await wait_until_loaded(kafka, noticed.append)
    assert noticed == []


class Loading:
    """A coordinator that answers after some refusals."""

    def __init__(self, refusals: float) -> None:
        self.refusals = refusals

    async def ask(self) -> str:
        self.refusals -= 1
        if self.refusals >= 0:
            raise GroupLoadInProgressError
        return "answer"


async def test_a_coordinator_may_load_for_longer_than_a_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admin_calls, "_NOTICE_SECONDS", 0.1)
    with capture_logs() as logs:
        assert await call_until_final(Loading(20).ask, 0.05, "asking for offsets") == "answer"
    assert {entry["event"] for entry in logs} == {"kafka.loading"}
    assert {entry["what"] for entry in logs} == {"asking for offsets"}


async def test_a_coordinator_that_never_has_loaded_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admin_calls, "LOADING_SECONDS", 0.2)
    with pytest.raises(DeadlineExceededError, match="asking for offsets: no answer within"):
        await call_until_final(Loading(float("inf")).ask, 0.05, "asking for offsets")


@pytest.mark.parametrize(
    ("code", "error"), [(14, GroupLoadInProgressError), (30, GroupAuthorizationFailedError)]
)
async def test_an_error_of_the_whole_group_is_no_missing_offset(
    code: int, error: type[Exception]
) -> None:
    async def find_coordinator(_: str) -> int:
        return 1

    async def send(*_: Any) -> Any:
        return SimpleNamespace(error_code=code, topics=[])

    client: Any = SimpleNamespace(find_coordinator=find_coordinator, _send_request=send)
    with pytest.raises(error):
        await group_offsets(client, "g", [TopicPartition("t", 0)])
