"""Which facts hinder a pipeline from being drained?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from aiokafka import TopicPartition

from farandole.broker.consumer_lag import InputLag
from farandole.events.controls_in_force import TimedDocument
from farandole.events.drain_document import Acknowledgement
from farandole.events.run_row import RunRow, new_edge, new_run_row
from farandole.events.throttle_document import ThrottleDocument
from farandole.operations.drain.drain_state import (
    ParkedEvents,
    behind_roots,
    beyond_roots,
    in_flight_reasons,
    lanes_behind,
    missing_lanes,
    required_lanes,
    throttle_reasons,
)
from tests.catalog.test_root_inputs import FIRST, made

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def row(run: str, closed: int | None = None, **edges: dict[str, int]) -> RunRow:
    found: Any = {**new_run_row(run, "p", 1, 1), "closed": closed}
    found["edges"] = {f"a>{stage}": {**new_edge(), **counts} for stage, counts in edges.items()}
    return found  # type: ignore[no-any-return]


def lag(topic: str, committed: int, end: int = 9) -> InputLag:
    return InputLag(topic, TopicPartition(f"p.{topic}", 0), committed, end)


def test_what_the_books_have_in_flight_is_summed_by_stage() -> None:
    rows = [
        row("r1", s={"emitted": 5, "consumed": 3, "parked": 1}, t={"emitted": 5, "consumed": 5}),
        row("r2", s={"emitted": 1}),
    ]
    found = [*in_flight_reasons(rows, {"s": 7}, {"s": ParkedEvents(1, NOW)})]
    assert [(each.code, each.fields) for each in found] == [
        ("drain_in_flight", {"stage": "s", "runs": ["r1", "r2"], "events": 3, "more": False}),
        ("drain_parked", {"stage": "s", "runs": ["r1", "r2"], "events": 1, "until": NOW}),
    ]


def test_a_replay_is_in_flight_again_though_its_run_is_closed() -> None:
    replayed = row("r1", closed=5, s={"emitted": 5, "consumed": 5, "parked": 1})
    assert [each.code for each in in_flight_reasons([replayed], {}, {})] == ["drain_parked"]


def test_what_no_books_know_hinders_as_well() -> None:
    found = [*in_flight_reasons([], {"s": 2}, {"t": ParkedEvents(1)})]
    assert [(each.code, each.fields["stage"], each.fields["events"]) for each in found] == [
        ("drain_unread", "s", 2),
        ("drain_parked", "t", 1),
    ]


def test_lanes_with_roots_must_have_acknowledged_this_drain_of_these_topics() -> None:
    required = required_lanes([FIRST], {"s": [lag("a", 3)], "v": [lag("b", 3)]})
    assert required == {"s": {0: frozenset({"p.a"})}}
    of_lane = {
        None: [0],
        Acknowledgement(6, frozenset({"p.a"})): [0],
        Acknowledgement(7, frozenset({"p.other"})): [0],
        Acknowledgement(7, frozenset({"p.a", "p.b"})): [],
    }
    for acknowledged, missing in of_lane.items():
        known = {} if acknowledged is None else {0: acknowledged}
        assert missing_lanes(required["s"], known, 7) == missing, acknowledged


def test_roots_that_wait_are_not_unread_and_all_else_is() -> None:
    lags = {"s": [lag("a", 3)], "v": [lag("b", 3)]}
    left = beyond_roots([FIRST], lags)
    assert [left[stage][0].lag for stage in ("s", "v")] == [0, 6]
    assert behind_roots([FIRST], lags) == {}


def test_events_of_an_older_version_may_stand_behind_roots() -> None:
    older = made(1, {"old": ("x", "a")})
    newer = made(2, {"s": ("a", "b")}, boundary=7)
    lags = {"s": [lag("a", 3)]}
    assert behind_roots([older, newer], lags) == lags
    assert behind_roots([older, newer], {"s": [lag("a", 9)]}) == {}


def test_a_stage_that_is_behind_another_reader_of_its_roots_still_takes_some() -> None:
    assert lanes_behind([FIRST], {"s": [lag("a", 3)], "t": [lag("a", 5)]}) == {"s": 2}
    assert lanes_behind([FIRST], {"s": [lag("a", 5)], "t": [lag("a", 5)]}) == {}


def test_a_stage_that_is_throttled_to_nothing_hinders() -> None:
    def held(**fields: Any) -> list[tuple[str, Any]]:
        document = ThrottleDocument(pipeline="p", stage="s", by="bob", **fields)
        known = [TimedDocument(document, NOW - timedelta(seconds=9), 7)]
        found = throttle_reasons(known, "p", ["s", "v"], [FIRST], NOW)
        return [(each.code, each.fields) for each in found]

    expected = [("stage_throttled", {"stage": "s", "by": "bob", "until": None})]
    assert held(rate="0") == expected
    assert held(rate="0 between 11:00 and 13:00 UTC") == expected
    assert held(rate="0 between 13:00 and 14:00 UTC") == []
    assert (
        held(rate="1/h")
        == held(rate="off")
        == held(per_key="1/h")
        == held(rate="0", until=NOW)
        == []
    )
