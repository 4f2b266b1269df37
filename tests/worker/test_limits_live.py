"""Do processes share a limit by a real Kafka, and give it back when they end?"""

from __future__ import annotations

import asyncio

import pytest

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.events.rate import parse_rate_rule
from farandole.events.share_row import WHOLE
from farandole.events.throttles_in_force import RateInForce
from farandole.router.system_topics import system_topic_specs
from farandole.worker.dependency_limits.process_limits import ProcessLimits
from farandole.worker.dependency_limits.share_exchange import KafkaShareExchange, limit_key
from tests.rewiring.test_live import until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


class Rates:
    def limit(self, name: str) -> RateInForce:
        return RateInForce(parse_rate_rule("200/s"))

    def limit_names(self) -> list[str]:
        return ["crm"]


async def test_processes_share_a_limit_and_leave_nothing_behind(settings: Settings) -> None:
    topic = settings.names.shares_topic
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: system_topic_specs(settings.names)[topic]})
    exchanges = [KafkaShareExchange(settings) for _ in range(2)]
    limits = [ProcessLimits(Rates(), exchange) for exchange in exchanges]
    passed = [0, 0]

    async def call(index: int) -> None:
        stage = limits[index].of_stage()
        while True:
            await stage.wait("crm")
            passed[index] += 1

    callers = [asyncio.create_task(call(index)) for index in range(2)]
    await until(lambda: min(passed) > 20, "a process gets no share")

    def claims() -> list[int]:
        return [seen.row.claim for seen in exchanges[0].rows("crm").values()]

    # Each has read what the other wants, and wants no more than is left.
    await until(lambda: len(claims()) == 2 and WHOLE * 0.9 < sum(claims()) <= WHOLE, "not shared")
    callers[1].cancel()
    await limits[1].close()
    keys = {limit_key("crm", exchanges[0].member)}
    assert (await read_table(settings, topic)).keys() == keys
    await until(lambda: claims() == [WHOLE], "the share that is left is not used")
    callers[0].cancel()
    await limits[0].close()
    assert await read_table(settings, topic) == {}
