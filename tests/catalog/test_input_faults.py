"""Are inputs found that can no longer be read as the version says?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import InputLag
from farandole.broker.topic_ids import FoundTopic
from farandole.catalog.input_faults import ChangedTopic, changed_topics, lost_inputs
from farandole.events.topology_version import EventSpec
from tests.catalog.made import version


class Cluster:
    """The answers of a cluster."""

    def __init__(
        self, topics: Mapping[str, int], ids: Mapping[str, str] | None = None, first: int = 0
    ) -> None:
        self._topics, self._ids, self._first = topics, ids or {}, first
        self.questions: list[str] = []

    async def find_topics(self, topics: Collection[str]) -> dict[str, FoundTopic]:
        self.questions.append("find_topics")
        return {
            topic: FoundTopic(count, self._ids.get(topic, ""))
            for topic, count in self._topics.items()
            if topic in topics
        }

    async def start_offsets(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(tps, self._first)

    @property
    def admin(self) -> ClusterAdmin:
        return cast(ClusterAdmin, self)


async def change_of(partitions: int | None, id_: str | None = "one") -> str | None:
    event = EventSpec(topic="p.a", partitions=4, topic_id="one")
    topics = {} if partitions is None else {"p.a": partitions}
    cluster = Cluster(topics, {} if id_ is None else {"p.a": id_})
    found = (await changed_topics(cluster.admin, version(1, {"a": event})))["a"]
    return found and found.change


async def test_a_topic_is_compared_with_what_its_version_knows() -> None:
    assert await change_of(4) is None
    assert await change_of(4, None) is None
    assert await change_of(6) == "widened"
    assert await change_of(3) == await change_of(3, None) == "recreated"
    assert await change_of(4, "two") == await change_of(6, "two") == "recreated"
    assert await change_of(None) == "gone"


def lag(committed: int | None, end: int = 10) -> InputLag:
    return InputLag("a", TopicPartition("p.a", 0), committed, end)


@given(st.none() | st.integers(0, 20))
async def test_an_offset_is_lost_outside_of_the_records_that_are_kept(
    committed: int | None,
) -> None:
    cluster = Cluster({"p.a": 1}, first=3)
    lost = await lost_inputs(cluster.admin, [lag(committed)], {})
    assert bool(lost) is (committed is None or not 3 <= committed <= 10)


async def test_offsets_of_a_topic_that_was_created_again_are_no_case_of_their_own() -> None:
    cluster = Cluster({"p.a": 1})
    again = ChangedTopic("a", "p.a", "recreated", 1, 1)
    assert await lost_inputs(cluster.admin, [lag(None)], {"a": again}) == []
    wider = again._replace(change="widened")
    assert await lost_inputs(cluster.admin, [lag(None)], {"a": wider}) == [lag(None)]


def test_all_is_unread_where_the_offset_is_that_of_an_earlier_topic() -> None:
    assert [lag(each).lag for each in (None, 0, 10, 11)] == [10, 10, 0, 10]
