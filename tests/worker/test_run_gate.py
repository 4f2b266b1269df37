"""Does a gate let in the runs that may enter, and nothing of the others?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.controls_in_force import TimedDocument, released_runs
from farandole.events.gate_row import gate_key, gate_row
from farandole.events.release_document import ReleaseDocument
from farandole.events.topology_version import QUALITY_FORMAT, StageSpec, Version
from farandole.lanes.lane_port import OutcomeUnknownError
from tests.events.made import Made
from tests.worker.made import In, Lane, Out, controls_with, emitted, version

RUNS = ["a" * 13, "b" * 13, "c" * 13]


def echo(event: In) -> Out:
    return Out(n=event.n)


def gated(number: int = 1, *, gate: bool = True) -> Version:
    stage = StageSpec(run="m:f", subscribes=("in", "in2"), emits=("out",), gate=gate)
    return version(number, stages={"stage": stage}, format=QUALITY_FORMAT if gate else 3)


def open_to(*runs: str) -> Mapping[bytes, bytes]:
    return {gate_key("p", "stage", run.encode()): gate_row(1, 0) for run in runs}


def events(runs: Sequence[str]) -> list[Made]:
    return [emitted(offset, run=run) for offset, run in enumerate(runs)]


@given(st.lists(st.sampled_from(RUNS), min_size=1, max_size=12), st.sets(st.sampled_from(RUNS)))
def test_all_events_before_the_first_run_that_waits_are_taken(
    runs: list[str], may_enter: set[str]
) -> None:
    lane = Lane(echo, versions=[gated()], gates=lambda: open_to(*may_enter))
    done = asyncio.run(lane.work.handle(events(runs)))
    wanted = next((at for at, run in enumerate(runs) if run not in may_enter), len(runs))
    assert done.settled == wanted


def test_a_gate_without_its_topic_is_shut() -> None:
    lane = Lane(echo, versions=[gated()], gates=lambda: None)
    assert asyncio.run(lane.work.handle(events(RUNS))).settled == 0


def test_events_of_a_version_without_a_gate_pass() -> None:
    lane = Lane(echo, versions=[gated(1, gate=False), gated(2)], gates=dict)
    mixed = [emitted(0, of="p@1"), emitted(1, of="p@2")]
    assert asyncio.run(lane.work.handle(mixed)).settled == 1


def test_what_cannot_be_read_passes_and_becomes_a_dead_letter() -> None:
    lane = Lane(echo, versions=[gated()], gates=dict)
    done = asyncio.run(lane.handle(emitted(0, of="p@x")))
    assert [letter["error"] for letter in done.dead] == ["Unreadable"]


def test_a_cancelled_run_passes_and_is_settled_as_such() -> None:
    controls = controls_with(lambda: {RUNS[0].encode()})
    lane = Lane(echo, versions=[gated()], gates=dict, controls=controls)
    assert asyncio.run(lane.work.handle(events(RUNS))).settled == 1


def test_a_released_run_passes() -> None:
    controls = controls_with()
    controls.released_runs = lambda: {RUNS[0].encode()}  # type: ignore[method-assign]
    lane = Lane(echo, versions=[gated()], gates=dict, controls=controls)
    assert asyncio.run(lane.work.handle(events(RUNS))).settled == 1


def test_a_version_with_a_gate_that_nobody_knew_lets_the_lane_begin_anew() -> None:
    lane = Lane(echo, versions=[gated(1, gate=False)], later=[gated(2)], gates=dict)
    event = emitted(0, of="p@2")

    async def handled() -> int:
        with pytest.raises(OutcomeUnknownError):
            await lane.work.handle([event])
        return (await lane.work.handle([event])).settled

    assert asyncio.run(handled()) == 0


def test_an_input_whose_first_event_waits_holds_up_no_other_input() -> None:
    lane = Lane(echo, versions=[gated()], gates=lambda: open_to(RUNS[1]))
    waits, passes = events(RUNS[:2])
    passes = passes._replace(topic="p.in2")
    assert lane.gate is not None
    assert lane.gate.shut_topics([waits, passes]) == {"p.in"}
    assert lane.gate.shut_topics([passes, waits._replace(topic="p.in2")]) == set()


def _written(document: ReleaseDocument) -> TimedDocument:
    return TimedDocument(document, datetime(2026, 11, 1, tzinfo=UTC), 0)


@pytest.mark.parametrize(
    ("document", "is_released"),
    [
        (ReleaseDocument(pipeline="p", run="r"), True),
        (ReleaseDocument(pipeline="p", run="r", stage="load"), True),
        (ReleaseDocument(pipeline="p", run="r", stage="other"), False),
        (ReleaseDocument(pipeline="q", run="r"), False),
        (ReleaseDocument(pipeline="p", run="r", until=datetime(2026, 11, 2, tzinfo=UTC)), False),
    ],
)
def test_a_release_is_of_one_stage_or_of_all(document: ReleaseDocument, is_released: bool) -> None:
    now = datetime(2026, 11, 3, tzinfo=UTC)
    found = released_runs([_written(document)], "p", "load", now)
    assert found == ({"r"} if is_released else set())
