"""Is every lost, doubled and wrong result counted?"""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import pipelines
from benchmarks.peers.lines import Auditor, fill, paid_cents
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.broker.topic_spec import TopicSpec
from farandole.events.key_partitioner import partition_for_key
from tests.benchmarks.made import result

LINES = 50


@given(st.lists(st.integers(0, LINES - 1)))
def test_each_line_is_counted_once_and_each_record_too(numbers: list[int]) -> None:
    auditor = Auditor(LINES)
    auditor.see(map(result, numbers))
    audit = auditor.audit()
    assert (audit.count, audit.distinct, audit.wrong) == (len(numbers), len(set(numbers)), 0)
    assert audit.paid_cents == sum(map(paid_cents, numbers))


def test_a_result_of_another_sum_key_or_line_is_wrong() -> None:
    key, value = result(7)
    line = orjson.loads(value)
    auditor = Auditor(LINES)
    auditor.see(
        [
            (key, orjson.dumps({**line, "paid_cents": line["paid_cents"] + 1})),
            (key, pipelines.line(7)),
            (None, value),
            result(LINES),
            (key, b"no JSON"),
            (key, b"[]"),
            (key, None),
        ]
    )
    audit = auditor.audit()
    assert (audit.count, audit.distinct, audit.wrong) == (7, 0, 7)


def test_what_has_to_be_paid_is_what_the_line_says() -> None:
    for number in range(2000):
        line = orjson.loads(pipelines.line(number))
        assert paid_cents(number) == line["sales_cents"] - line["discount_cents"]


@pytest.mark.kafka
async def test_each_line_stands_once_where_its_key_belongs(settings: Settings) -> None:
    topic = settings.names.event_topic("bench", "peers")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(pipelines.PARTITIONS)})
    await fill(settings, topic, 20_000)
    found: list[bytes] = []
    async for records in scan(settings, [topic]):
        for record in records:
            assert record.key is not None
            assert record.value is not None
            assert record.partition == partition_for_key(record.key, pipelines.PARTITIONS)
            assert int(record.key) == orjson.loads(record.value)["household_id"]
            found.append(record.value)
    assert sorted(found) == sorted(map(pipelines.line, range(20_000)))
