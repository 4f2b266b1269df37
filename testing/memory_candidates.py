"""How is a candidate called in a pipeline in memory?

It is called in the test's own process: a test must see what it raises, and can stop in it."""

from __future__ import annotations

from farandole.events.controls_in_force import StageMode
from farandole.events.switch_document import EndSwitchDocument
from farandole.events.topology_version import Version
from farandole.stages.function_loader import StageFunction
from farandole.testing.memory_controls import MemoryControls
from farandole.worker.candidates.candidate_fit import UnfitCandidateError, load_candidate
from farandole.worker.candidates.candidate_process import (
    CandidateAnswer,
    CandidateCall,
    CandidateLostError,
)
from farandole.worker.candidates.function_caller import FunctionCaller
from farandole.worker.candidates.output_comparison import OutputComparison
from farandole.worker.candidates.stage_candidates import StageCandidates


class MemoryCandidate:
    """The `farandole.worker.candidates.stage_candidates.Candidate` of a stage in memory."""

    takes_context = True

    def __init__(self, run: str, stage: str, version: Version, *, takes_batch: bool) -> None:
        self._run = run
        self._stage = stage
        self._version = version
        self._takes_batch = takes_batch

    async def start(self) -> None:
        """Import the candidate. Raises CandidateLostError if it cannot take the stage's place."""
        version, stage = self._version, self._stage
        try:
            code = load_candidate(self._run, stage, version, takes_batch=self._takes_batch)
        except UnfitCandidateError as error:
            raise CandidateLostError(str(error)) from None
        self._caller = FunctionCaller(version.pipeline, stage, version.stages[stage], code)
        self._comparison = OutputComparison(code.signature)

    async def call(self, calls: list[CandidateCall]) -> list[CandidateAnswer]:
        """Return the answers to some calls."""
        return [await self._answer(each) for each in calls]

    async def close(self) -> None:
        """End it: there is nothing to end."""

    async def _answer(self, call: CandidateCall) -> CandidateAnswer:
        result = await self._caller.call(call.version, call.events, call.attempt, call.flags)
        if call.compare_with is None:
            return CandidateAnswer(result)
        compared = self._comparison.compare(call.version, call.events, call.compare_with, result)
        return CandidateAnswer(result, compared)


def memory_candidates(
    stage: str, version: Version, code: StageFunction, controls: MemoryControls
) -> StageCandidates:
    """Return the candidates of a stage, whose ends are written to `controls`."""
    takes_batch = code.signature.takes_batch

    async def end_switch(generation: int, why: str) -> None:
        controls.write(
            EndSwitchDocument(
                pipeline=version.pipeline, stage=stage, generation=generation, why=why
            )
        )

    def make_candidate(mode: StageMode) -> MemoryCandidate:
        return MemoryCandidate(mode.run, stage, version, takes_batch=takes_batch)

    return StageCandidates(make_candidate, end_switch)
