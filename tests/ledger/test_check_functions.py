"""What becomes of functions of checks that hang, end their process, or answer something else?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from farandole.ledger.check_functions import REST_SECONDS, CheckFunctions
from farandole.ledger.function_questions import FunctionQuestion
from farandole.quality.checks.function_answers import FunctionAnswer
from farandole.quality.profiles.profiling import profile_rows

CHECKS = '''
"""Functions as users might write them."""

import os
import sys
import threading


def few(profile):
    return profile.rows, f"{profile.columns['cents'].max} is the most"


def loud(profile):
    print("{}" * 1_000_000)
    sys.stdout.flush()
    return sys.stdin.read() == ""


def late(profile):
    while True:
        pass


def leaves(profile):
    os._exit(3)


def exits(profile):
    sys.exit("enough")


def killed(profile):
    os.kill(os.getpid(), 9)


def raises(profile):
    raise ValueError("x" * 10_000_000)


class Rude(Exception):
    def __str__(self):
        raise RuntimeError


def rude(profile):
    raise Rude


def long(profile):
    return False, "y" * 10_000_000


def floods(profile):
    for fd in range(3, 64):
        try:
            os.write(fd, b"z" * 10_000_000)
        except OSError:
            pass


def greedy(profile):
    return len(bytearray(8 * 2**30))


def nothing(profile):
    pass


def mends(profile):
    profile.rows = 0


def forks(profile):
    if os.fork() == 0:
        threading.Event().wait()
    return True
'''


def question(function: str, module: str = "checks") -> FunctionQuestion:
    profile = profile_rows([b'{"cents": 3}', b'{"cents": 5}'], frozenset())
    return FunctionQuestion("a run", "shop", f"line/{function}", f"{module}:{function}", profile)


@pytest.fixture
def functions(tmp_path: Path) -> CheckFunctions:
    tmp_path.joinpath("checks.py").write_text(CHECKS)
    tmp_path.joinpath("absent.py").write_text("import no_such_package_anywhere")
    tmp_path.joinpath("leaving.py").write_text("import os\nos._exit(4)")
    return CheckFunctions(tmp_path, call_seconds=60.0)


async def test_each_call_that_goes_wrong_says_why_and_the_next_is_answered(
    functions: CheckFunctions,
) -> None:
    expected = {
        "few": "", "leaves": "its function has ended its process with exit code 3",
        "loud": "", "killed": "its function has ended its process by signal 9",
        "raises": "its function has failed: checks.py:37: ValueError: xxx",
        "exits": "its function has failed: checks.py:29: SystemExit: enough",
        "rude": "its function has failed: checks.py:46: Rude", "long": "",
        "floods": "its function has written where answers are written",
        "greedy": "its function has failed: checks.py:62: MemoryError",
        "nothing": "its function has returned NoneType, and no number and neither True nor False",
        "mends": "its function has failed: checks.py:70: AttributeError", "forks": "",
        "gredy": "checks.py has no function 'gredy'; did you mean 'greedy'?",
    }  # fmt: skip
    asked = [question(name) for name in expected]
    asked += [question("one", "absent"), question("one", "leaving"), question("few")]
    answers = await functions.answer(asked)
    for (name, why), answer in zip(expected.items(), answers, strict=False):
        assert answer.problem.startswith(why), (name, answer.problem[:300])
        assert bool(answer.problem) == bool(why), (name, answer.problem[:300])
        assert len(answer.problem) <= 500
    assert answers[0] == answers[-1] == FunctionAnswer(2, "5 is the most")
    assert answers[2] == FunctionAnswer(True)
    assert answers[7] == FunctionAnswer(False, "y" * 500)
    assert "no_such_package_anywhere" in answers[-3].problem
    assert answers[-2].problem == "its function has ended its process with exit code 4"


async def test_a_function_that_hangs_is_not_called_again_for_a_while(tmp_path: Path) -> None:
    tmp_path.joinpath("checks.py").write_text(CHECKS)
    at = 0.0
    functions = CheckFunctions(tmp_path, call_seconds=0.5, clock=lambda: at)
    (hung,) = await functions.answer([question("late")])
    assert hung.problem == "its function has not answered within 0.5 s"
    (rests,) = await functions.answer([question("late")])
    assert rests.problem == f"{hung.problem}; it is called again in 5 min"
    tmp_path.joinpath("checks.py").write_text("def late(profile): return 7")
    functions = CheckFunctions(tmp_path, call_seconds=60.0, clock=lambda: at)
    functions._resting[("shop", "line/late", "checks:late")] = (REST_SECONDS, hung.problem)
    at = REST_SECONDS + 1
    assert await functions.answer([question("late")]) == [FunctionAnswer(7)]


async def test_nobody_waits_for_a_process_that_is_not_needed_any_more(tmp_path: Path) -> None:
    tmp_path.joinpath("checks.py").write_text(CHECKS)
    functions = CheckFunctions(tmp_path, call_seconds=60.0)
    calling = asyncio.create_task(functions.answer([question("late")]))
    await asyncio.sleep(0)
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert [each.value for each in await functions.answer([question("few")])] == [2]
