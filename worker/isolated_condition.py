"""Is an expression true of data, as found out by a process that may take as long as it likes?

An expression cannot be interrupted, and nothing else of its process runs meanwhile: a regular
expression over a long text in a loop takes seconds, and a loop that builds texts takes gigabytes.
So a child process works it out, which is killed when it takes too long or too much.
"""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import orjson

from farandole.events.json_text import parse_json
from farandole.stages.cel_expression import Undecided, compile_expression
from farandole.stages.memory_limit import limit_memory

Condition = Callable[[bytes | None, Mapping[str, str]], bool]
"""Takes the data of an event and its CloudEvents attributes. What is no JSON is text. Raises
Undecided."""

_FIRST_SECONDS = 30.0  # for the first answer: before it the process imports the language
_SECONDS = 1.0  # for each other answer
_MEBIBYTES = 512  # of memory that the process may hold


class CostlyExpressionError(Exception):
    """An expression takes too much time or memory for one event."""


def condition_of(source: str) -> Condition:
    """Return the condition that an expression says, worked out in this process. Raises
    ExpressionError."""
    is_true = compile_expression(source)

    def condition(data: bytes | None, attributes: Mapping[str, str]) -> bool:
        try:
            value = parse_json(data or b"null")
        except ValueError:
            value = (data or b"").decode(errors="replace")
        return is_true(value, attributes)

    return condition


@contextmanager
def isolated_condition(source: str, seconds: float = _SECONDS) -> Iterator[Condition]:
    """Yield the condition that an expression says, worked out in a process of its own while the
    block runs. A call blocks its thread, for `seconds` at most, and raises CostlyExpressionError if
    that is not enough, also if the block has ended."""
    child = subprocess.Popen(  # noqa: S603 -- our own program
        [sys.executable, "-P", "-m", __name__],  # -P: the current folder hides none of our packages
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield _Asked(child.stdin, child.stdout, source, seconds)
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


class _Asked:
    """Asks the process; a class because the first question differs from the others."""

    def __init__(self, questions: IO[bytes], answers: IO[bytes], source: str, sec: float) -> None:
        self._questions, self._answers = questions, answers
        self._source: str | None = source
        self._seconds = sec

    def __call__(self, data: bytes | None, attributes: Mapping[str, str]) -> bool:
        seconds = self._seconds if self._source is None else _FIRST_SECONDS
        question = {"data": (data or b"").decode(errors="replace"), "attributes": attributes}
        try:
            if self._source is not None:
                self._ask(self._source)
                self._source = None
            self._ask({**question, "is_none": data is None})
            ready, _, _ = select.select([self._answers], [], [], seconds)
            line = self._answers.readline() if ready else b""
        except (OSError, ValueError):  # the process, or the block, has ended
            line = b""
        if not line:
            raise CostlyExpressionError("the expression takes too long for one event")
        answer = orjson.loads(line)
        if isinstance(answer, str):
            raise Undecided(answer)
        return bool(answer)

    def _ask(self, question: object) -> None:
        self._questions.write(orjson.dumps(question) + b"\n")
        self._questions.flush()


def _main() -> None:
    questions = sys.stdin.buffer
    condition = condition_of(orjson.loads(questions.readline()))
    limit_memory(_MEBIBYTES)
    for line in questions:
        sys.stdout.buffer.write(orjson.dumps(_answer(condition, orjson.loads(line))) + b"\n")
        sys.stdout.buffer.flush()


def _answer(condition: Condition, question: Mapping[str, Any]) -> bool | str:
    data = None if question["is_none"] else question["data"].encode()
    try:
        return condition(data, question["attributes"])
    except Undecided as error:
        return str(error)


if __name__ == "__main__":
    _main()
