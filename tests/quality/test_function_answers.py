"""What does it mean that the function of a check has returned something?"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from farandole.events.check_spec import CheckSpec
from farandole.quality.checks.function_answers import FunctionAnswer, judge_answer, read_answer


@pytest.mark.parametrize(
    ("returned", "value", "text"),
    [
        (True, True, ""),
        ((False, "too few"), False, "too few"),
        (3, 3, ""),
        ((0.5, "half"), 0.5, "half"),
        (10**30, 1e30, ""),
        (-(10**400), -1.7976931348623157e308, ""),
        (np.float32(0.5), 0.5, ""),
        ((np.bool_(True), "so"), True, "so"),
        (np.int64(7), 7, ""),
    ],
)
def test_a_number_or_a_truth_is_an_answer(returned: Any, value: Any, text: str) -> None:
    answer = read_answer(returned)
    assert answer == FunctionAnswer(value, text)
    assert type(answer.value) is type(value)


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        (None, "NoneType"), ("yes", "str"), ([True], "list"), (float("nan"), "nan"),
        (float("inf"), "inf"), ((True, 3), "tuple"), ((True,), "tuple"), (Decimal(1), "Decimal"),
        (np.array([1, 2]), "ndarray"), (("no", "why"), "str"),
    ],
)  # fmt: skip
def test_anything_else_is_none_and_is_named(returned: Any, shown: str) -> None:
    answer = read_answer(returned)
    assert answer.value is None
    assert answer.problem == (
        f"its function has returned {shown}, and no number and neither True nor False"
    )


@pytest.mark.parametrize(
    ("answer", "bounds", "verdict", "why"),
    [
        (FunctionAnswer(True), {}, "passed", None),
        (FunctionAnswer(False), {}, "failed", "its function has returned False"),
        (FunctionAnswer(False, "too few"), {}, "failed", "too few"),
        (FunctionAnswer(3), {"min": 3, "max": 3}, "passed", None),
        (FunctionAnswer(2, "of 9"), {"min": 3}, "failed",
         "of 9 (its function has returned 2, and the least is 3)"),
        (FunctionAnswer(0.5), {"max": 0.25}, "failed",
         "its function has returned 0.5, and the greatest is 0.25"),
        (FunctionAnswer(0.5), {}, "skipped",
         "its function has returned 0.5, and the check has neither `min` nor `max`"),
        (FunctionAnswer(problem="it hangs"), {}, "skipped", "it hangs"),
    ],
)  # fmt: skip
def test_an_answer_has_a_verdict(
    answer: FunctionAnswer, bounds: dict[str, Any], verdict: str, why: str | None
) -> None:
    check = CheckSpec(rule="function", run="m:f", severity="fail", **bounds)
    found = judge_answer(check, answer)
    assert (found["verdict"], found.get("why")) == (verdict, why)
    assert found.get("broken", False) is (verdict == "skipped")


def test_a_gate_stays_shut_if_its_function_does_not_answer() -> None:
    check = CheckSpec(rule="function", run="m:f", severity="gate")
    found = judge_answer(check, FunctionAnswer(problem="it hangs"))
    assert (found["verdict"], found.get("broken"), found.get("why")) == ("failed", True, "it hangs")
