"""Does a router say once that others have changed a topic?"""

from __future__ import annotations

from structlog.testing import capture_logs

from farandole.catalog.input_faults import ChangedTopic
from farandole.events.topology_version import EventSpec
from farandole.services.router_service import report_changed_topics
from tests.catalog.made import version
from tests.catalog.test_input_faults import Cluster


async def test_a_changed_topic_is_reported_once_until_it_changes_again() -> None:
    versions = [version(3, {"a": EventSpec(topic="p.a", partitions=4)})]
    reported: frozenset[ChangedTopic] = frozenset()
    said: list[list[str]] = []
    for partitions in (4, 6, 6, 8, 4, 8):
        with capture_logs() as logs:
            admin = Cluster({"p.a": partitions}).admin
            reported = await report_changed_topics(admin, versions, reported)
        said.append([f"{note['version']}: {note['why']}; {note['remedy']}" for note in logs])
    assert [len(each) for each in said] == [0, 1, 0, 1, 0, 1]
    assert said[1] == [
        "p@3: the topic p.a has 6 partitions, and the version in force knows 4: what stands in the"
        " others is not read; write `partitions: 6` for a in the file, then: farandole apply"
        " --allow keys"
    ]


async def test_the_topics_of_all_pipelines_are_read_by_one_question() -> None:
    versions = [
        version(1, {"a": EventSpec(topic=f"{pipeline}.a", partitions=4)}, pipeline=pipeline)
        for pipeline in ("p", "q", "r")
    ]
    cluster = Cluster({"p.a": 4, "q.a": 6})
    reported = await report_changed_topics(cluster.admin, versions, set())
    assert sorted((each.topic, each.change) for each in reported) == [
        ("q.a", "widened"), ("r.a", "gone"),
    ]  # fmt: skip
    assert cluster.questions == ["find_topics"]
