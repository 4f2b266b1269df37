"""Is everything called what the documentation says, and apart by namespace?"""

from __future__ import annotations

import pytest

from farandole.events.names import EVENT_TYPE, PIPELINE, STAGE, Names


def test_without_a_namespace_names_are_bare() -> None:
    names = Names()
    assert names.topic("order-lines", "line.ingested") == "order-lines.line.ingested"
    assert names.dead("order-lines", "load") == "order-lines.load.dead"
    assert names.group("order-lines", "load") == "order-lines.load"
    assert names.transactional_id("order-lines", "load", 2) == "order-lines.load:2"
    assert names.topology == "farandole.topology"
    assert names.router == "farandole.router"


def test_a_namespace_stands_before_every_name() -> None:
    names = Names("blue")
    every = (
        names.topic("p", "e"),
        names.dead("p", "s"),
        names.group("p", "s"),
        names.transactional_id("p", "s", 0),
        names.topology,
        names.router,
    )
    assert all(name.startswith("blue.") for name in every)


@pytest.mark.parametrize("namespace", ["Blue", "a.b", "a_b", "-a", "a-", "a--b", " ", "ä", "a\n"])
def test_a_namespace_that_no_topic_can_have_is_refused(namespace: str) -> None:
    with pytest.raises(ValueError, match="lowercase letters, digits and single dashes"):
        Names(namespace)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (EVENT_TYPE, "line.validated", "line..validated"),
        (EVENT_TYPE, "a-b.c", "a_b"),
        (PIPELINE, "order-lines", "order.lines"),
        (STAGE, "flag_coupon", "2nd"),
    ],
)
def test_a_name_is_matched_whole(pattern: object, good: str, bad: str) -> None:
    assert pattern.fullmatch(good)  # type: ignore[attr-defined]
    assert not pattern.fullmatch(bad)  # type: ignore[attr-defined]
