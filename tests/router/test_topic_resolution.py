"""Does an event type get another topic when its partition count changes, and the old one back?"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.topic_spec import TopicSpec
from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.router.topic_resolution import resolve_topics
from farandole.router.topology_derivation import DerivedTopology

NAMES = KafkaNames("t")


def wanting(partitions: int) -> DerivedTopology:
    event = EventSpec(topic="t.p.a", partitions=partitions)
    stage = StageSpec(run="m:f", subscribes=("a",))
    spec = TopicSpec(partitions, {"retention.ms": "1"})
    return DerivedTopology("p", {"a": event}, {"s": stage}, {"t.p.a": spec})


def published(derived: DerivedTopology, number: int) -> Version:
    return Version(
        pipeline="p",
        version=number,
        installation=UUID(int=0),
        published=datetime(2026, 1, 1, tzinfo=UTC),
        published_by="ann",
        events=derived.events,
        stages=derived.stages,
    )


def test_the_first_topic_of_a_type_keeps_the_plain_name() -> None:
    assert resolve_topics(wanting(2), [], {}, NAMES) == wanting(2)


def test_another_partition_count_is_another_topic() -> None:
    found = resolve_topics(wanting(4), [published(wanting(2), 1)], {"t.p.a": 2}, NAMES)
    assert found.events["a"].topic == "t.p.a--4"
    assert found.topics == {"t.p.a--4": TopicSpec(4, {"retention.ms": "1"})}


def test_a_topic_that_an_operator_has_widened_stays_the_one_of_the_versions() -> None:
    """It is refused when topics are compared, and not silently replaced."""
    found = resolve_topics(wanting(2), [published(wanting(2), 1)], {"t.p.a": 4}, NAMES)
    assert found.events["a"].topic == "t.p.a"


def test_a_file_that_says_the_number_of_an_operator_accepts_the_widened_topic() -> None:
    found = resolve_topics(wanting(4), [published(wanting(2), 1)], {"t.p.a": 4}, NAMES)
    assert (found.events["a"].topic, found.events["a"].partitions) == ("t.p.a", 4)


def test_a_wide_topic_that_an_operator_has_widened_is_accepted_too() -> None:
    wide = resolve_topics(wanting(4), [published(wanting(2), 1)], {"t.p.a": 2}, NAMES)
    history = [published(wanting(2), 1), published(wide, 2)]
    found = resolve_topics(wanting(6), history, {"t.p.a": 2, "t.p.a--4": 6}, NAMES)
    assert found.events["a"].topic == "t.p.a--4"


def test_only_a_topic_that_was_created_again_may_get_its_missing_partitions() -> None:
    history = [published(wanting(4), 1)]
    assert resolve_topics(wanting(4), history, {"t.p.a": 2}, NAMES).topics["t.p.a"].grows
    assert not resolve_topics(wanting(4), history, {"t.p.a": 4}, NAMES).topics["t.p.a"].grows
    assert not resolve_topics(wanting(4), history, {"t.p.a": 6}, NAMES).topics["t.p.a"].grows
    assert not resolve_topics(wanting(4), [], {"t.p.a": 2}, NAMES).topics["t.p.a"].grows


def test_an_existing_topic_that_no_version_names_is_used() -> None:
    """Otherwise its roots, published before the first apply, would be lost without a message."""
    assert resolve_topics(wanting(4), [], {"t.p.a": 2}, NAMES).events["a"].topic == "t.p.a"


def test_without_versions_the_wide_topic_is_found_again() -> None:
    existing = {"t.p.a": 2, "t.p.a--4": 4}
    assert resolve_topics(wanting(4), [], existing, NAMES).events["a"].topic == "t.p.a--4"


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_each_partition_count_has_one_topic_for_ever(numbers: list[int]) -> None:
    history: list[Version] = []
    existing: dict[str, int] = {}
    by_number: dict[int, str] = {}
    for number in numbers:
        found = resolve_topics(wanting(number), history, existing, NAMES)
        topic = found.events["a"].topic
        assert existing.setdefault(topic, number) == number
        assert by_number.setdefault(number, topic) == topic
        history.append(published(found, len(history) + 1))
    assert by_number[numbers[0]] == "t.p.a"
