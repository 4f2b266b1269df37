"""Which calls of a lane are compared, and with what?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from farandole.events.controls_in_force import ON, StageMode
from farandole.events.shadow_counts import chosen_key, counts_key
from farandole.stages.contract import Context, Reject
from farandole.worker.candidates.candidate_process import CandidateCall
from farandole.worker.candidates.stage_candidates import Answered, StageCandidates
from tests.worker.made import In, Lane, Other, Out, bare, controls_with, emitted


class Offered:
    """A candidate that keeps what it is offered."""

    takes_context = False

    def __init__(self) -> None:
        self.calls: list[CandidateCall] = []
        self.mode = StageMode("shadow", "m:g", 1.0, generation=3)

    def current(self, mode: StageMode) -> Offered | None:
        return self if mode.mode == "shadow" else None

    def offer(self, call: CandidateCall, size: int, answered: Answered) -> bool:
        self.calls.append(call)
        return True

    def lane(self, function: Callable[..., Any], **how: Any) -> Lane:
        controls: Any = controls_with()
        controls.mode = lambda: self.mode
        how.setdefault("state", "p.stage.state")
        return Lane(function, controls=controls, candidates=cast(StageCandidates, self), **how)

    async def handle(self, lane: Lane, *records: Any) -> None:
        """Handle records and commit, transaction by transaction."""
        left = list(records)
        while left:
            done = await lane.work.handle(left)
            assert not self.calls or self.calls[-1].events[0].offset < left[0].offset
            lane.work.on_commit(done, {})
            left = left[done.settled :]

    @property
    def seen(self) -> list[tuple[str, list[bytes | None]]]:
        stable = [call.compare_with for call in self.calls]
        return [(s.outcome, [o.value for o in s.outputs]) for s in stable if s is not None]

    @property
    def offsets(self) -> list[list[int]]:
        return [[event.offset for event in call.events] for call in self.calls]


def double(event: In) -> Out | None:
    if event.n == 1:
        return None
    if event.n == 2:
        raise Reject("two")
    return Out(n=2 * event.n)


async def threaded(event: In) -> Out | None:
    return double(event)


@pytest.mark.parametrize("kind", ["straight", "awaited", "in a thread"])
async def test_each_outcome_is_handed_over_after_the_commit(kind: str) -> None:
    shadow = Offered()
    threads = ThreadPoolExecutor(1) if kind == "in a thread" else None
    lane = shadow.lane(threaded if kind == "awaited" else double, threads=threads)
    await shadow.handle(lane, *(bare(offset=n) for n in range(4)))
    assert shadow.seen == [
        ("handled", [b'{"n":0,"household":null}']),
        ("dropped", []),
        ("dead", []),
        ("handled", [b'{"n":6,"household":null}']),
    ]
    stable = shadow.calls[2].compare_with
    assert stable is not None
    assert stable.error == "Reject"
    (event,) = shadow.calls[3].events
    assert (event.event_type, event.offset, event.value) == ("in", 3, b'{"n": 3}')
    assert event.is_root


async def test_results_of_a_generator_stand_in_their_order() -> None:
    def several(event: In) -> Iterator[Out | Other]:
        for n in range(5):
            yield Out(n=n) if n % 2 else Other(said=str(n))

    shadow = Offered()
    lane = shadow.lane(several, emits=["out", "other"])
    await shadow.handle(lane, emitted(4), emitted(5, run="b" * 13))
    for call in shadow.calls:
        assert call.compare_with is not None
        types = [output.event_type for output in call.compare_with.outputs]
        assert types == ["other", "out", "other", "out", "other"]
    assert shadow.calls[1].events[0].run == b"b" * 13
    assert not shadow.calls[1].events[0].is_root


async def test_a_list_is_compared_call_by_call() -> None:
    def batch(events: list[In]) -> list[Out]:
        if len(events) > 1 and any(event.n == 2 for event in events):
            raise ValueError("not with two")
        if events[0].n == 3:
            raise Reject("three")
        return [Out(n=event.n) for event in events]

    shadow = Offered()
    lane = shadow.lane(batch)
    records = [emitted(n) for n in range(4)]
    await shadow.handle(lane, *records)
    assert shadow.offsets == [[0, 1], [2], [3]]
    assert [outcome for outcome, _ in shadow.seen] == ["handled", "handled", "dead"]


async def test_a_share_is_chosen_by_the_id_of_the_event() -> None:
    shadow, again = Offered(), Offered()
    chosen: list[set[int]] = []
    for offered, share in ((shadow, 0.05), (again, 0.3)):
        offered.mode = offered.mode._replace(share=share)
        await offered.handle(offered.lane(double), *(bare(offset=n) for n in range(3, 4003)))
        chosen.append({offset for offsets in offered.offsets for offset in offsets})
        assert share * 4000 * 0.8 < len(chosen[-1]) < share * 4000 * 1.2
    assert chosen[0] < chosen[1]
    repeated = sum(call.repeats_stable for call in again.calls)
    assert 0 < repeated < 40


async def test_events_for_which_no_function_was_called_are_not_chosen() -> None:
    shadow = Offered()
    lane = shadow.lane(double, when={"in": "data.n > 4"})
    await shadow.handle(lane, *(bare(offset=n) for n in range(8)))
    assert shadow.offsets == [[5], [6], [7]]


async def test_a_function_with_effects_is_not_called_again() -> None:
    def sink(event: In) -> None:
        pass

    shadow = Offered()
    await shadow.handle(shadow.lane(sink, emits=[]), *(bare(offset=n) for n in range(1000)))
    assert len(shadow.calls) == 1000
    assert not any(call.repeats_stable for call in shadow.calls)


async def test_headers_are_sent_only_where_they_are_asked_for() -> None:
    def asks(event: In, context: Context) -> Out:
        return Out(n=event.n)

    shadow = Offered()
    lane = shadow.lane(asks)
    await shadow.handle(lane, emitted(1))
    shadow.takes_context = True
    await shadow.handle(lane, emitted(2))
    assert [bool(call.events[0].headers) for call in shadow.calls] == [False, True]


async def test_a_transaction_that_was_not_committed_is_forgotten() -> None:
    shadow = Offered()
    lane = shadow.lane(double)
    await lane.work.handle([bare(offset=0)])
    lane.work.open({"p.stage.state": {}})
    await shadow.handle(lane, bare(offset=0))
    assert shadow.offsets == [[0]]
    assert lane.work.state.get(chosen_key(3)) == b"1"


async def test_nothing_is_chosen_without_a_shadow_or_a_state() -> None:
    shadow = Offered()
    await shadow.handle(shadow.lane(double, state=None), bare(offset=0))
    for mode in (ON, StageMode("canary", "m:g", 1.0, generation=3)):
        shadow.mode = mode
        lane = shadow.lane(double)
        await shadow.handle(lane, bare(offset=0))
        assert lane.work.state.get(chosen_key(3)) is None
    assert shadow.calls == []


async def test_a_hold_of_the_pipeline_keeps_what_was_counted() -> None:
    shadow = Offered()
    lane = shadow.lane(double)
    await shadow.handle(lane, bare(offset=0))
    shadow.mode, was = StageMode("hold", generation=9), shadow.mode
    lane.work.on_hold()
    shadow.mode = was
    await shadow.handle(lane, bare(offset=3))
    assert lane.work.state.get(chosen_key(3)) == b"2"
    assert lane.work.state.get(counts_key(9)) is None
