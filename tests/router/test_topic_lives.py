"""Is a topic that was created again told from the one that the versions know?"""

from __future__ import annotations

import pytest

from farandole.broker.broker_errors import TopicMismatchError
from farandole.events.topology_version import EventSpec, Version
from farandole.router.topic_lives import recreated_topics, require_settled_topics, with_lives
from tests.catalog.made import version

A = EventSpec(topic="p.a", partitions=2, topic_id="one")
NONE: frozenset[str] = frozenset()


def history(*events: EventSpec) -> list[Version]:
    return [version(number, {"a": event}) for number, event in enumerate(events, 1)]


@pytest.mark.parametrize(
    ("partitions", "id_"), [(0, None), (2, "two"), (1, "one"), (1, None), (3, "two")]
)
def test_a_topic_is_another_one_if_it_is_gone_narrower_or_has_another_id(
    partitions: int, id_: str | None
) -> None:
    existing = {"p.a": partitions} if partitions else {}
    ids = {"p.a": id_} if id_ else {}
    assert recreated_topics(["p.a"], history(A), existing, ids) == {"p.a"}


@pytest.mark.parametrize("id_", ["one", None])
def test_a_topic_that_others_have_widened_is_the_same_one(id_: str | None) -> None:
    ids = {"p.a": id_} if id_ else {}
    assert recreated_topics(["p.a"], history(A), {"p.a": 5}, ids) == NONE


def test_nothing_is_said_of_a_topic_whose_id_no_version_knows() -> None:
    old = A.model_copy(update={"topic_id": None})
    assert recreated_topics(["p.a"], history(old), {"p.a": 2}, {"p.a": "two"}) == NONE
    assert recreated_topics(["p.b"], history(A), {"p.b": 2}, {"p.b": "two"}) == NONE


def test_each_time_that_a_topic_is_created_again_begins_another_life() -> None:
    versions, lives = history(A), []
    for again in (NONE, frozenset({"p.a"}), NONE, frozenset({"p.a"})):
        event = with_lives({"a": A.as_described}, versions, again, {"p.a": "now"})["a"]
        assert event.topic_id == "now"
        lives.append(event.life)
        versions.append(version(len(versions) + 1, {"a": event}))
    assert lives == [1, 2, 2, 3]


def test_no_two_topics_of_an_event_type_are_in_one_life() -> None:
    """An id has the event type, not the topic."""
    narrow = EventSpec(topic="p.a--1", partitions=1)
    versions, lives = history(A), []
    for event, again in [
        (narrow, NONE),
        (A, NONE),
        (A, {"p.a"}),
        (narrow, NONE),
        (narrow, {"p.a--1"}),
    ]:
        made = with_lives({"a": event}, versions, frozenset(again), {})["a"]
        lives.append((made.topic, made.life))
        versions.append(version(len(versions) + 1, {"a": made}))
    assert lives == [("p.a--1", 2), ("p.a", 1), ("p.a", 3), ("p.a--1", 2), ("p.a--1", 4)]


LEAVING = [
    {},
    {"a": EventSpec(topic="p.a--1", partitions=1)},
    {"a": EventSpec(topic="p.a", partitions=1)},
]


@pytest.mark.parametrize("events", LEAVING)
@pytest.mark.parametrize(
    ("existing", "recreated"), [({}, {"p.a"}), ({"p.a": 2}, {"p.a"}), ({"p.a": 3}, ())]
)
def test_a_file_cannot_leave_a_topic_that_others_have_changed(
    events: dict[str, EventSpec], existing: dict[str, int], recreated: set[str]
) -> None:
    """Events under the version in force still go through it."""
    with pytest.raises(TopicMismatchError, match=r"in which a still has 2 partitions first"):
        require_settled_topics(events, history(A), existing, frozenset(recreated))


@pytest.mark.parametrize("partitions", [2, 3])
def test_a_file_with_the_changed_topic_settles_it(partitions: int) -> None:
    kept = {"a": A.model_copy(update={"partitions": partitions})}
    require_settled_topics(kept, history(A), {"p.a": partitions}, frozenset({"p.a"}))


@pytest.mark.parametrize("events", LEAVING)
def test_a_file_may_leave_a_topic_that_is_as_it_was(events: dict[str, EventSpec]) -> None:
    require_settled_topics(events, history(A), {"p.a": 2}, NONE)
    require_settled_topics(events, [], {}, NONE)
