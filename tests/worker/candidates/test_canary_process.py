"""Do events go on where the process of a candidate hangs, exits or cannot be started?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from farandole.events.controls_in_force import StageMode
from farandole.worker.candidates import candidate_process
from farandole.worker.candidates.candidate_process import CandidateProcess, CandidateSpec
from farandole.worker.candidates.stage_candidates import StageCandidates
from tests.worker.made import PATIENT, RETRY, Lane, bare
from tests.worker.made_candidate import MadeControls, canary
from tests.worker.test_canary import KEYS, STATE, by_candidate, price

CODE = """
import os, time
from pydantic import BaseModel

class In(BaseModel):
    n: int

class Out(BaseModel):
    n: int
    household: int | None = None

def good(event: In) -> Out:
    return Out(n=event.n, household=1)

def hangs(event: In) -> Out:
    while event.n > 20:
        time.sleep(0.01)
    return good(event)

def leaves(event: In) -> Out:
    if event.n > 20:
        os._exit(7)
    return good(event)
"""
LOST = {
    "hangs": "no result within 0.4 s",
    "leaves": "exit code 7",
    "missing": "missing",
}


@pytest.mark.parametrize("function", ["good", *LOST])
async def test_each_event_is_emitted_once_whatever_the_candidate_does(
    function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate_process, "CALL_GRACE", 0.1)
    (tmp_path / "price2.py").write_text(CODE)
    ended: list[tuple[int, str]] = []

    async def end_switch(generation: int, why: str) -> None:
        ended.append((generation, why))

    def make_candidate(mode: StageMode) -> CandidateProcess:
        spec = CandidateSpec(tmp_path, "stage", mode.run, lane.version, takes_batch=False)
        return CandidateProcess(spec)

    candidates = StageCandidates(make_candidate, end_switch)
    controls = MadeControls(canary(1.0, run=f"price2:{function}"))
    lane = Lane(
        price,
        controls=controls.of_stage,
        candidates=candidates,
        clock=lambda: 1_000.0,
        retry=PATIENT,
        state=STATE,
        timeout=0.4,
    )
    lane.work.open({RETRY: {}, STATE: {}})
    try:
        done = await lane.handle(*[bare(offset=n, key=key) for n, key in enumerate(KEYS)])
    finally:
        await candidates.close()
    made: list[Any] = [json.loads(each.value or b"") for each in done.of("p.out")]
    assert sorted(each["n"] for each in made) == [*range(len(KEYS))]
    assert done.dead == []
    assert not [row for row in done.of(RETRY) if row.value]
    if function == "good":
        assert (by_candidate(done), ended) == (KEYS, [])
        return
    ((generation, why),) = ended
    assert generation == 7
    assert LOST[function] in why
    assert len(by_candidate(done)) <= 21
