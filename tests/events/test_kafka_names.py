"""Are names as documented, and different for each namespace?"""

from __future__ import annotations

import pytest

from farandole.events.kafka_names import (
    EVENT_TYPE_PATTERN,
    PIPELINE_PATTERN,
    STAGE_PATTERN,
    KafkaNames,
)


def test_without_a_namespace_names_are_bare() -> None:
    names = KafkaNames()
    assert names.event_topic("order-lines", "line.ingested") == "order-lines.line.ingested"
    assert names.dead_topic("order-lines", "load") == "order-lines.load.dead"
    assert names.stage_group("order-lines", "load") == "order-lines.load"
    assert names.lane_transactional_id("order-lines", "load", 2) == "order-lines.load:2"
    assert names.topology_topic == "farandole.topology"
    assert names.router_transactional_id == "farandole.router"


def test_a_namespace_is_the_prefix_of_every_name() -> None:
    names = KafkaNames("blue")
    every = (
        names.event_topic("p", "e"),
        names.dead_topic("p", "s"),
        names.stage_group("p", "s"),
        names.lane_transactional_id("p", "s", 0),
        names.topology_topic,
        names.router_transactional_id,
    )
    assert all(name.startswith("blue.") for name in every)


@pytest.mark.parametrize("namespace", ["Blue", "a.b", "a_b", "-a", "a-", "a--b", " ", "ä", "a\n"])
def test_a_namespace_that_no_topic_can_have_is_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="lowercase letters, digits and single dashes"):
        KafkaNames(namespace)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (EVENT_TYPE_PATTERN, "line.validated", "line..validated"),
        (EVENT_TYPE_PATTERN, "a-b.c", "a_b"),
        (PIPELINE_PATTERN, "order-lines", "order.lines"),
        (STAGE_PATTERN, "flag_coupon", "2nd"),
    ],
)
def test_a_name_is_matched_whole(pattern: object, good: str, bad: str) -> None:
    assert pattern.fullmatch(good)  # type: ignore[attr-defined]
    assert not pattern.fullmatch(bad)  # type: ignore[attr-defined]
