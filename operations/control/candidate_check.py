"""Does a candidate fit a stage, as far as this machine can tell?

A process that lives on asks another one, `candidate_check_main`: it would not read a module again
that it has imported.
"""

from __future__ import annotations

import asyncio
import sys
from importlib.util import find_spec
from pathlib import Path

from pydantic import BaseModel, ValidationError

from farandole.events.topology_version import Version
from farandole.operations.errors import RefusedError
from farandole.stages.function_loader import (
    UnusableFunctionError,
    add_to_import_path,
    load_stage_function,
    own_module,
)
from farandole.worker.candidates.candidate_fit import UnfitCandidateError, load_candidate

CHECK_SECONDS = 60.0
"""For how long the module of a candidate may be imported."""


class CandidateVerdict(BaseModel):
    """Whether a candidate fits."""

    checked: bool
    """False if its package, or that of the stage's own function, is not on this machine: then the
    workers alone can tell."""
    problem: str = ""
    """Why it does not fit; empty if it does."""


async def check_here(folder: Path, version: Version, stage: str, run: str) -> bool:
    """Return True if the candidate fits the stage, and False if this machine cannot tell. Raises
    RefusedError (`unfit_switch`)."""
    return _require_fitting(judge_candidate(folder, version, stage, run), stage, run)


async def check_apart(folder: Path, version: Version, stage: str, run: str) -> bool:
    """As `check_here`, in a process of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the current folder must not hide our own packages
        "-m",
        "farandole.operations.control.candidate_check_main",
        str(folder),
        stage,
        run,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for this process only
    )
    answer = b""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            answer, _ = await child.communicate(version.model_dump_json().encode())
        verdict = CandidateVerdict.model_validate_json(answer)
    except TimeoutError:
        problem = f"the module of {run} cannot be imported within {CHECK_SECONDS:g} s"
        verdict = CandidateVerdict(checked=True, problem=problem)
    except ValidationError:
        problem = f"the process that imported {run} ended with {child.returncode}"
        verdict = CandidateVerdict(checked=True, problem=problem)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return _require_fitting(verdict, stage, run)


def judge_candidate(folder: Path, version: Version, stage: str, run: str) -> CandidateVerdict:
    """Return whether a candidate fits: its module is imported."""
    add_to_import_path(folder)
    if not _is_here(run):
        return CandidateVerdict(checked=False)
    try:
        own = load_stage_function(version.stages[stage].run)
    except UnusableFunctionError:
        return CandidateVerdict(checked=False)
    try:
        load_candidate(run, stage, version, takes_batch=own.signature.takes_batch)
    except UnfitCandidateError as error:
        return CandidateVerdict(checked=True, problem=str(error))
    return CandidateVerdict(checked=True)


def _require_fitting(verdict: CandidateVerdict, stage: str, run: str) -> bool:
    if verdict.problem:
        raise RefusedError("unfit_switch", verdict.problem, stage=stage, run=run)
    return verdict.checked


def _is_here(run: str) -> bool:
    """Return whether the package of a function is on this machine: then its modules are, too."""
    module = run.partition(":")[0]
    try:
        return (own_module(module) or find_spec(module.partition(".")[0])) is not None
    except ValueError:  # a module without a spec, such as `__main__`, is loaded
        return True
