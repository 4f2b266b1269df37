"""What does it mean that the function of a check has returned something?"""

from __future__ import annotations

import inspect
import math
import sys
from typing import NamedTuple

from farandole.events.check_spec import CheckSpec
from farandole.events.check_verdict import CheckVerdict
from farandole.quality.checks.verdict_words import judged, skipped

MAX_TEXT = 500  # characters of a text that a function returns, or of what it raises
_MAX_INTEGER = 2**63 - 1


class FunctionAnswer(NamedTuple):
    """What became of the call of a function."""

    value: bool | int | float | None = None
    """What it has returned; None if it has returned nothing that counts."""
    text: str = ""
    """Why, in its own words."""
    problem: str = ""
    """Why it has not answered; empty if it has."""


NEVER_CALLED = FunctionAnswer(problem="its function was not called")


def read_answer(returned: object) -> FunctionAnswer:
    """Return the answer that a function has given: a number, True or False, alone or in a tuple
    with a text."""
    value, text = returned, ""
    if type(returned) is tuple and len(returned) == 2 and isinstance(returned[1], str):
        value, text = returned[0], str(returned[1])[:MAX_TEXT]
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()  # type: ignore[attr-defined]
    if type(value) is bool:
        return FunctionAnswer(value, text)
    if type(value) is int:
        return FunctionAnswer(value if abs(value) <= _MAX_INTEGER else _double(value), text)
    if isinstance(value, float) and math.isfinite(value):
        return FunctionAnswer(float(value), text)
    if inspect.iscoroutine(value):
        value.close()
    shown = repr(value)[:MAX_TEXT] if isinstance(value, float) else type(value).__name__
    return FunctionAnswer(
        problem=f"its function has returned {shown}, and no number and neither True nor False"
    )


def judge_answer(check: CheckSpec, answer: FunctionAnswer) -> CheckVerdict:
    """Return the verdict of a check whose function was called. One that has not answered is
    skipped and marked as broken, and keeps a gate shut."""
    value, low, high = answer.value, check.min, check.max
    problem = answer.problem
    if not problem and value is None:
        problem = NEVER_CALLED.problem
    if not problem and type(value) is not bool and low is None and high is None:
        problem = f"its function has returned {value}, and the check has neither `min` nor `max`"
    if problem or value is None:
        is_gate = check.severity == "gate"
        verdict = judged(check, False, None, problem) if is_gate else skipped(check, problem)
        return verdict | {"broken": True}
    if type(value) is bool:
        return judged(check, value, None, answer.text or "its function has returned False")
    is_low = low is not None and value < low
    bound = f"the least is {low}" if is_low else f"the greatest is {high}"
    why = f"its function has returned {value}, and {bound}"
    passed = not is_low and (high is None or value <= high)
    return judged(check, passed, value, f"{answer.text} ({why})" if answer.text else why)


def _double(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -sys.float_info.max
