"""Are data valid for the stages that read them, as seen by a process of its own?

A console that runs for weeks must not import users' functions: they could hang it, end it or change
it, and it would not see that they have changed. So a child process imports them, checks, and ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from farandole.events.topology_version import Version
from farandole.stages.function_loader import UnusableFunctionError
from farandole.worker.data_acceptance import DataProblem, data_problems

CHECK_TIMEOUT_SECONDS = 30.0  # seconds for a check, which imports users' modules


@dataclass(frozen=True, slots=True)
class DataQuestion:
    """What a child is asked."""

    folder: Path
    version: Version
    event_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class DataAnswer:
    """What a child answers."""

    problems: tuple[DataProblem, ...] = ()
    unusable: str = ""
    """Why a function cannot be imported; empty if all can."""
    remedy: str = ""


_QUESTION = TypeAdapter(DataQuestion)
_ANSWER = TypeAdapter(DataAnswer)


async def check_data(
    folder: Path, version: Version, event_type: str, data: bytes
) -> tuple[DataProblem, ...]:
    """Return what the stages that read an event type refuse of its data. `folder` is where their
    functions are imported from. Raises UnusableFunctionError."""
    question = _QUESTION.dump_json(DataQuestion(folder, version, event_type, data))
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the current folder must not hide our own packages
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for this process only
    )
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            written, _ = await child.communicate(question)
    except TimeoutError:
        raise UnusableFunctionError(
            f"the functions that read {event_type} cannot be imported within "
            f"{CHECK_TIMEOUT_SECONDS:g} s",
            "do nothing at the top level of their modules that waits",
        ) from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode or not written:
        raise UnusableFunctionError(
            f"the process that imported the functions which read {event_type} ended with "
            f"{child.returncode}",
            "see what their modules do at their top level",
        )
    answer = _ANSWER.validate_json(written)
    if answer.unusable:
        raise UnusableFunctionError(answer.unusable, answer.remedy)
    return answer.problems


def answer_question(question: DataQuestion) -> DataAnswer:
    """Check data in this process."""
    try:
        found = data_problems(question.folder, question.version, question.event_type, question.data)
        return DataAnswer(tuple(found))
    except UnusableFunctionError as error:
        return DataAnswer(unusable=error.problem, remedy=error.remedy)


def main() -> None:
    """Read one question from standard input, and write the answer to standard output."""
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what users' modules print must not mix with the answer
        answer.write(
            _ANSWER.dump_json(answer_question(_QUESTION.validate_json(sys.stdin.buffer.read())))
        )
        answer.flush()
    os._exit(0)  # users' modules may have started threads


if __name__ == "__main__":
    main()
