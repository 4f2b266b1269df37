"""Is the state of a stage the one that a person should know first?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from farandole.operations.control.control_query import PauseState, StageModeState
from farandole.operations.graph.pipeline_figures import (
    EdgeFacts,
    LaneFacts,
    PipelineFacts,
    Reading,
    StageCounts,
    lane_figures,
    pipeline_figures,
)
from farandole.operations.graph.stage_condition import (
    GateQueue,
    ShutRun,
    StageFacts,
    duration_text,
    lanes_at_work,
    stage_condition,
)
from farandole.operations.status.pipeline_status import ThrottledStage
from farandole.operations.status.waiting_events import OpenBreakerLane

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WELL = StageFacts(lanes=4, workers=1, owners=dict.fromkeys(range(4), "p.load"))
BEHIND = replace(WELL, unread=200, unread_lanes=(0, 1, 2, 3), oldest_seconds=76.0)
PAUSE = PauseState(by="ann", since=NOW, until=None, pipeline=False, comment="the table is copied")
OPEN = tuple(OpenBreakerLane(lane, NOW, "OperationalError: gone") for lane in (0, 2))


def test_a_gate_says_which_run_waits_longest_and_why() -> None:
    runs = [ShutRun("late", "b", NOW), ShutRun("first", "a", NOW - timedelta(hours=1))]
    found = stage_condition(replace(WELL, shut_runs=runs))
    assert (found.code, found.run, found.detail) == ("gated", "first", "a")
    assert found.why == "run first and 1 more failed checks"
    assert stage_condition(replace(WELL, shut_runs=runs, pause=PAUSE)).code == "hold"


def test_a_gate_that_only_waits_says_for_what() -> None:
    queue = GateQueue(1, "first", NOW, {"check": 2_000, "split": 1}, ("line/complete",))
    found = stage_condition(replace(WELL, gate_queue=queue))
    assert (found.code, found.why, found.since) == ("gate", "gate waits for run first", NOW)
    assert found.detail == "it is not worked yet: 2\u202f000 at check, 1 at split"
    worked = queue._replace(runs=3, upstream={})
    found = stage_condition(replace(WELL, gate_queue=worked))
    assert found.why == "gate waits for 3 runs"
    assert found.detail == "run first is not judged yet: line/complete"
    failed = [ShutRun("late", "b", NOW)]
    assert stage_condition(replace(WELL, gate_queue=queue, shut_runs=failed)).code == "gated"


def test_a_stage_that_works_has_nothing_to_say() -> None:
    assert stage_condition(WELL).model_dump() == {
        "code": "on", "why": "", "detail": "", "since": None, "until": None, "run": None,
    }  # fmt: skip


def test_a_stage_on_hold_says_by_whom_and_why() -> None:
    found = stage_condition(replace(BEHIND, pause=PAUSE))
    assert (found.code, found.why, found.detail) == ("hold", "by ann", "the table is copied")


def test_a_hold_counts_more_than_a_missing_worker() -> None:
    found = stage_condition(replace(BEHIND, workers=0, owners={}, pause=PAUSE))
    assert found.code == "hold"


def test_an_open_breaker_says_how_many_lanes_wait_and_for_what() -> None:
    found = stage_condition(replace(BEHIND, open_breakers=OPEN))
    assert (found.code, found.why) == ("waiting", "breaker open, 2 of 4 lanes")
    assert (found.detail, found.since) == ("OperationalError: gone", NOW)


def test_lanes_without_worker_are_named_if_something_waits_there() -> None:
    found = stage_condition(replace(BEHIND, owners={0: "p.load", 1: "p.load"}))
    assert (found.code, found.why) == ("unworked", "lanes 2-3 have no worker")
    assert found.detail == "200 unread"


def test_lanes_without_worker_and_without_events_are_no_trouble() -> None:
    assert stage_condition(replace(WELL, owners={0: "p.load"})).code == "on"


def test_a_stage_without_worker_and_without_events_is_no_trouble_and_says_so() -> None:
    assert stage_condition(replace(WELL, workers=0, owners={})).code == "no worker"


def test_a_program_that_does_not_run_is_named_by_its_group() -> None:
    found = stage_condition(replace(BEHIND, workers=0, owners={}, program="p.score"))
    assert found.why == "no program reads as p.score"


def test_a_throttled_stage_is_not_late() -> None:
    held = ThrottledStage(since=NOW, waiting=150, lanes=[1], rates=[])
    found = stage_condition(replace(BEHIND, age_limit=30, throttled=held))
    assert (found.code, found.detail) == ("throttled", "150 wait")


def test_a_stage_is_late_once_its_oldest_event_is_older_than_expected() -> None:
    found = stage_condition(replace(BEHIND, age_limit=30))
    assert (found.code, found.detail) == ("late", "expected age 30 s")
    assert stage_condition(replace(BEHIND, age_limit=80)).code == "on"


def test_a_lost_offset_comes_before_everything() -> None:
    found = stage_condition(replace(BEHIND, lost=(3,), pause=PAUSE))
    assert (found.code, found.why) == ("stopped", "the offset of lane 3 is lost")


def test_a_canary_says_its_share() -> None:
    mode = StageModeState(
        mode="canary", pipeline=False, generation=7, since=NOW, until=NOW + timedelta(hours=1),
        by="ann", run="work:new", share=0.1,
    )  # fmt: skip
    found = stage_condition(replace(WELL, mode=mode))
    assert (found.code, found.why) == ("canary", "10 % to work:new")


@pytest.mark.parametrize(
    ("facts", "lanes"),
    [
        (WELL, 4),
        (replace(WELL, open_breakers=OPEN), 2),
        (replace(WELL, pause=PAUSE), 0),
        (replace(WELL, owners={0: "a"}), 1),
    ],
)
def test_lanes_at_work_are_those_that_take_input(facts: StageFacts, lanes: int) -> None:
    assert lanes_at_work(facts) == lanes


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.24, "0.2 s"), (76, "1 min 16 s"), (3600, "1 h"), (51 * 60, "51 min"), (90061, "1 d 01 h")],
)
def test_durations_have_at_most_two_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def facts(**over: object) -> PipelineFacts:
    given: dict[str, object] = {
        "pipeline": "p",
        "at": NOW,
        "version": 7,
        "stages": {"load": replace(BEHIND, open_breakers=OPEN), "flag": WELL},
        "counts": {"load": StageCounts(parked=13, dead=2)},
        "readings": [
            Reading("load", "line.priced", 200, 63.0),
            Reading("flag", "line.priced", 0, None),
        ],
        "leaves": ["coupon.exceeded"],
    }
    return PipelineFacts(**given | over)  # type: ignore[arg-type]


def test_without_the_books_offsets_are_counted_and_rates_are_unknown() -> None:
    found = pipeline_figures(facts())
    edge = found.edges["line.priced>load"]
    assert (edge.in_flight, edge.exact, edge.rate_in, edge.oldest_seconds) == (200, False, None, 63)
    assert not found.has_rates


def test_the_books_say_how_many_events_are_in_flight() -> None:
    books = {"line.priced>load": EdgeFacts(in_flight=190, rate_in=40.0, rate_out=0.0)}
    found = pipeline_figures(facts(books=books))
    edge = found.edges["line.priced>load"]
    assert (edge.in_flight, edge.exact, edge.rate_in, edge.rate_out) == (190, True, 40.0, 0.0)


def test_what_is_parked_is_in_flight_also_before_the_books_know_it() -> None:
    books = {"line.priced>load": EdgeFacts(in_flight=0)}
    assert pipeline_figures(facts(books=books)).edges["line.priced>load"].in_flight == 13


def test_an_edge_is_in_trouble_if_its_reader_does_not_take_what_comes() -> None:
    edges = pipeline_figures(facts()).edges
    assert edges["line.priced>load"].trouble
    assert not edges["line.priced>flag"].trouble


def test_a_lane_has_its_own_state() -> None:
    stage = replace(BEHIND, open_breakers=OPEN)
    lanes = lane_figures(stage, [LaneFacts(0, 50, 63.0), LaneFacts(1, 50, 62.0)])
    assert [lane.condition.code for lane in lanes] == ["waiting", "on"]
    assert [lane.worker for lane in lanes] == ["p.load", "p.load"]
