"""When does a candidate begin and end, and who hears that it is lost?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from farandole.events.controls_in_force import ON, StageMode
from farandole.worker.candidates import stage_candidates
from farandole.worker.candidates.candidate_messages import CallResult
from farandole.worker.candidates.candidate_process import (
    CandidateAnswer,
    CandidateCall,
    CandidateLostError,
)
from farandole.worker.candidates.stage_candidates import StageCandidates
from tests.worker.candidates.test_candidate_process import call

SHADOW = StageMode("shadow", "m:f", generation=5)


class Made:
    """A candidate whose calls end when they are let through."""

    takes_context = False

    def __init__(self, mode: StageMode) -> None:
        self.mode = mode
        self.started = self.closed = 0
        self.called: list[int] = []
        self.passes = asyncio.Event()
        self.fails_at_start = self.fails = ""

    async def start(self) -> None:
        self.started += 1
        if self.fails_at_start:
            raise CandidateLostError(self.fails_at_start)

    async def call(self, calls: list[CandidateCall]) -> list[CandidateAnswer]:
        if calls:
            await self.passes.wait()
        if self.fails:
            raise CandidateLostError(self.fails)
        self.called.append(len(calls))
        return [CandidateAnswer(CallResult("handled"), {}) for _ in calls]

    async def close(self) -> None:
        self.closed += 1


class Stage:
    def __init__(self) -> None:
        self.made: list[Made] = []
        self.ended: list[tuple[int, str]] = []
        self.answers: list[Any] = []
        self.why_forbidden: str | None = None
        self.fails_at_start = ""
        self.candidates = StageCandidates(self._make, self._end, lambda _: self.why_forbidden)

    def _make(self, mode: StageMode) -> Made:
        self.made.append(Made(mode))
        self.made[-1].fails_at_start = self.fails_at_start
        return self.made[-1]

    async def _end(self, generation: int, why: str) -> None:
        self.ended.append((generation, why))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    await made.candidates.close()
    assert all(each.closed for each in made.made)


async def _until(condition: Any) -> None:
    async with asyncio.timeout(180):
        while not condition():
            await asyncio.sleep(0)


async def test_a_candidate_lives_as_long_as_its_switch(stage: Stage) -> None:
    assert stage.candidates.current(ON) is None
    candidate = stage.candidates.current(SHADOW)
    assert candidate is not None
    assert stage.candidates.current(SHADOW) is candidate
    assert stage.candidates.current(StageMode("hold", generation=6)) is None
    assert stage.candidates.current(SHADOW) is candidate  # it outlives a hold
    other = stage.candidates.current(SHADOW._replace(generation=7))
    assert other is not candidate
    await _until(lambda: stage.made[0].closed)
    assert stage.candidates.current(ON) is None
    await _until(lambda: stage.made[1].closed)
    assert stage.ended == []


async def test_who_calls_a_candidate_that_has_not_started_hears_that_it_ends(stage: Stage) -> None:
    candidate = stage.candidates.current(SHADOW)
    assert candidate is not None
    asking = asyncio.create_task(candidate.call([call(1)]))
    await candidate.close()
    with pytest.raises(CandidateLostError):
        await asking


async def test_waiting_calls_are_made_together(stage: Stage) -> None:
    candidate = stage.candidates.current(SHADOW)
    assert candidate is not None
    for n in range(100):
        assert candidate.offer(call(n), 10, stage.answers.append)
    await _until(lambda: stage.made[0].called == [0])
    stage.made[0].passes.set()
    await _until(lambda: len(stage.answers) == 100)
    assert stage.made[0].called == [0, 64, 36]
    assert None not in stage.answers


async def test_over_the_bound_nothing_waits(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_candidates, "MAX_WAITING_CALLS", 3)
    monkeypatch.setattr(stage_candidates, "MAX_WAITING_BYTES", 100)
    candidate = stage.candidates.current(SHADOW)
    assert candidate is not None
    assert not candidate.offer(call(1), 101, stage.answers.append)
    taken = [candidate.offer(call(n), 30, stage.answers.append) for n in range(5)]
    assert taken == [True, True, True, False, False]
    stage.made[0].passes.set()
    await _until(lambda: len(stage.answers) == 3)
    assert candidate.offer(call(1), 100, stage.answers.append)


@pytest.mark.parametrize("when", ["at the start", "in a call"])
async def test_a_lost_candidate_ends_its_switch_once(stage: Stage, when: str) -> None:
    stage.fails_at_start = "no such module" if when == "at the start" else ""
    candidate = stage.candidates.current(SHADOW)
    assert candidate is not None
    stage.made[0].fails = "it hung"
    for n in range(70):
        candidate.offer(call(n), 10, stage.answers.append)
    stage.made[0].passes.set()
    await _until(lambda: len(stage.answers) == 70)
    assert {*stage.answers} == {None}
    with pytest.raises(CandidateLostError):
        await candidate.call([call(1)])
    assert candidate.offer(call(1), 10, stage.answers.append)
    assert stage.answers[70:] == [None]
    assert stage.candidates.current(SHADOW) is None
    await _until(lambda: stage.ended)
    assert stage.ended == [(5, stage.fails_at_start or "it hung")]
    assert stage.candidates.current(SHADOW._replace(generation=6)) is not None


async def test_a_candidate_that_is_not_allowed_is_never_made(stage: Stage) -> None:
    stage.why_forbidden = "the stage has effects"
    for _ in range(3):
        assert stage.candidates.current(SHADOW) is None
    await _until(lambda: stage.ended)
    assert stage.ended == [(5, "the stage has effects")]
    assert stage.made == []
