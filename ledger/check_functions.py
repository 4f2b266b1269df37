"""What do the functions of checks say of profiles, as found out by a process of their own?

A function of a user's may hang, end its process, take all memory or print without end. So a child
process imports and calls it, and the bookkeeper waits for it for a limited time. A child answers
the questions of one transaction: so it always runs the code that is in the folder now.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import orjson
import structlog

from farandole.ledger.function_questions import FunctionQuestion
from farandole.quality.checks.function_answers import MAX_TEXT, FunctionAnswer

CALL_SECONDS = 20.0
"""How long one call may take, with the start of the process and the import of the module."""
TRANSACTION_SECONDS = 60.0  # for all calls of one transaction
REST_SECONDS = 300.0  # in which a function is not called that has cost a process
MEBIBYTES = 512  # of memory that the process may hold
_END_SECONDS = 2.0  # in which a process that was killed, or has closed its pipe, ends
_ANSWER_BYTES = 64 * 1024  # of the longest answer
_PROFILE_BYTES = 400 * 1024  # as much of it as `farandole.quality` keeps

log = structlog.get_logger()


class CheckFunctions:
    """Calls functions of checks, whose modules are in a folder. One process at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        call_seconds: float = CALL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder.resolve()
        self._call_seconds = call_seconds
        self._clock = clock
        self._free = asyncio.Lock()
        self._resting: dict[tuple[str, str, str], tuple[float, str]] = {}
        """Until when a function of a check is not called, and why."""

    async def answer(self, questions: Sequence[FunctionQuestion]) -> Sequence[FunctionAnswer]:
        """Return the answer to each question. Raises nothing."""
        async with self._free:
            ends = self._clock() + TRANSACTION_SECONDS
            answers: list[FunctionAnswer] = []
            child: asyncio.subprocess.Process | None = None
            try:
                for question in questions:
                    answer = self._refusal(question, ends)
                    if answer is None:
                        child = child or await self._start()
                        try:
                            answer = await self._ask(child, question)
                        except _NoAnswerError as error:
                            lost, child = child, None
                            answer = self._rest(question, str(error) or await _how_ended(lost))
                            await _end(lost)
                    answers.append(answer)
            except OSError as error:
                problem = f"no process can be started that calls its function: {error}"
                missing = len(questions) - len(answers)
                answers += [FunctionAnswer(problem=problem)] * missing
            finally:
                if child is not None:
                    await _end(child)
            return answers

    def _refusal(self, question: FunctionQuestion, ends: float) -> FunctionAnswer | None:
        """Return why a function is not called now; None if it is."""
        now = self._clock()
        until, why = self._resting.get(_name(question), (0.0, ""))
        if now < until:
            rest = math.ceil((until - now) / 60)
            return FunctionAnswer(problem=f"{why}; it is called again in {rest} min")
        self._resting.pop(_name(question), None)
        if now >= ends:
            return FunctionAnswer(
                problem=f"its function was not called: those before it took more than"
                f" {TRANSACTION_SECONDS:g} s"
            )
        return None

    async def _start(self) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the current folder must not hide our own packages
            "-m",
            "farandole.ledger.check_function_main",
            str(self._folder),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_ANSWER_BYTES,
            start_new_session=True,  # Ctrl-C is for this process only
        )

    async def _ask(
        self, child: asyncio.subprocess.Process, question: FunctionQuestion
    ) -> FunctionAnswer:
        """Return the answer of a process. Raises _NoAnswerError."""
        assert child.stdin is not None
        assert child.stdout is not None
        profile = question.profile.to_delta(_PROFILE_BYTES)
        line = b""
        try:
            async with asyncio.timeout(self._call_seconds):
                child.stdin.write(
                    b'{"run":%b,"profile":%b}\n' % (orjson.dumps(question.run), profile)
                )
                await child.stdin.drain()
                line = await child.stdout.readline()
            if line:
                return _read(line)
        except TimeoutError:
            why = f"its function has not answered within {self._call_seconds:g} s"
            raise _NoAnswerError(why) from None
        except ConnectionError:
            pass
        except ValueError:  # a line without end, or one that is no answer
            raise _NoAnswerError("its function has written where answers are written") from None
        raise _NoAnswerError

    def _rest(self, question: FunctionQuestion, why: str) -> FunctionAnswer:
        """Return that a function has cost a process; it is not called for a while."""
        log.error("check.function", pipeline=question.pipeline, check=question.check, why=why)
        now = self._clock()
        self._resting = {key: each for key, each in self._resting.items() if each[0] > now}
        self._resting[_name(question)] = (now + REST_SECONDS, why)
        return FunctionAnswer(problem=why)


class _NoAnswerError(Exception):
    """A process has given no answer. Its text says why; it is empty if the process has ended."""


def _name(question: FunctionQuestion) -> tuple[str, str, str]:
    return question.pipeline, question.check, question.run


def _read(line: bytes) -> FunctionAnswer:
    """Return the answer on a line. Raises ValueError if it is none."""
    found = orjson.loads(line)
    if not isinstance(found, dict):
        raise ValueError("an answer is an object")
    value, text, problem = found.get("value"), found.get("text", ""), found.get("problem", "")
    if type(value) not in (bool, int, float, type(None)):
        raise ValueError("a function returns a number, True or False")
    if not (isinstance(text, str) and isinstance(problem, str)):
        raise ValueError("why is a text")
    return FunctionAnswer(value, text[:MAX_TEXT], problem[:MAX_TEXT])


async def _how_ended(child: asyncio.subprocess.Process) -> str:
    with suppress(TimeoutError):
        async with asyncio.timeout(
            _END_SECONDS
        ):  # its pipe is closed, so it has ended or is about to
            await child.wait()
    if child.returncode is not None and child.returncode < 0:
        return f"its function has ended its process by signal {-child.returncode}"
    return f"its function has ended its process with exit code {child.returncode}"


async def _end(child: asyncio.subprocess.Process) -> None:
    """End a process and all that the function has started in its session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_SECONDS):  # what left the session may hold its pipes open
            await child.wait()
