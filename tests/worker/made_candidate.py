"""The candidate of a made stage, called in this process and without an event loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from farandole.events.controls_in_force import ON, StageMode
from farandole.events.topology_version import RetryPolicy, StageSpec
from farandole.stages.function_loader import StageFunction
from farandole.stages.function_signature import read_signature
from farandole.worker.candidates.candidate_process import (
    CandidateAnswer,
    CandidateCall,
    CandidateLostError,
)
from farandole.worker.candidates.function_caller import FunctionCaller
from farandole.worker.control_state import ControlState
from farandole.worker.stage_controls import StageControls

RUN = "stages.other:price"


def canary(share: float = 0.5, generation: int = 7, run: str = RUN) -> StageMode:
    return StageMode("canary", run, share, generation=generation, since=datetime.now(UTC))


class MadeCandidates:
    """Stands for `farandole.worker.candidates.stage_candidates.StageCandidates`, and for the
    candidate that it returns."""

    takes_context = True

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        emits: Sequence[str] = ("out",),
        retry: RetryPolicy | None = None,
    ) -> None:
        settings = StageSpec(
            run="m:f", subscribes=("in",), emits=tuple(emits), retry=retry or RetryPolicy()
        )
        code = StageFunction(function, read_signature(function))
        self._caller = FunctionCaller("p", "stage", settings, code)
        self._lost: set[int | None] = set()
        self._generation: int | None = None
        self.calls: list[CandidateCall] = []
        self.requests = 0
        self.lost_in: int | None = None
        """After how many more requests it is lost."""

    def current(self, mode: StageMode) -> MadeCandidates | None:
        if mode.mode != "canary" or mode.generation in self._lost:
            return None
        self._generation = mode.generation
        return self

    @property
    def is_lost(self) -> bool:
        return self._generation in self._lost

    def lose(self) -> None:
        """Be lost, as if another lane had noticed it."""
        self._lost.add(self._generation)

    async def call(self, calls: list[CandidateCall]) -> list[CandidateAnswer]:
        if self.lost_in == 0:
            self.lose()
            raise CandidateLostError("it exited")
        if self.lost_in is not None:
            self.lost_in -= 1
        self.calls += calls
        self.requests += 1
        return [
            CandidateAnswer(
                await self._caller.call(each.version, each.events, each.attempt, each.flags)
            )
            for each in calls
        ]


class MadeControls:
    """Controls of the stage whose mode and cancelled runs a test sets."""

    def __init__(self, mode: StageMode = ON) -> None:
        self.now = mode
        self.of_stage: StageControls = ControlState(None, "p").of_stage("stage")
        self.of_stage.mode = lambda: self.now  # type: ignore[method-assign]
        self.cancelled: set[bytes] = set()
        self.of_stage.cancelled_runs = lambda: self.cancelled  # type: ignore[method-assign]
