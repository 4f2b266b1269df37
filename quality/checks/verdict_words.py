"""How is what a check has found written as its verdict?"""

from __future__ import annotations

from farandole.events.check_spec import CheckSpec
from farandole.events.check_verdict import CheckVerdict, Verdict

MAX_WHY_LENGTH = 1_000  # characters


def judged(check: CheckSpec, passed: bool, value: float | int | None, why: str) -> CheckVerdict:
    """Return that a check has passed, or has failed or warned, by its severity, because of `why`.
    `value` is what was measured; None if that is not known."""
    if passed:
        return _verdict(check, "passed", value)
    is_failure = check.severity in ("fail", "gate")
    return _verdict(check, "failed" if is_failure else "warned", value, why)


def skipped(check: CheckSpec, why: str) -> CheckVerdict:
    """Return that a check could not be judged."""
    return _verdict(check, "skipped", why=why)


def not_judged(check: CheckSpec, why: str) -> CheckVerdict:
    """Return that a check is judged elsewhere, later."""
    return _verdict(check, "not judged", why=why)


def _verdict(
    check: CheckSpec, verdict: Verdict, value: float | int | None = None, why: str = ""
) -> CheckVerdict:
    made: CheckVerdict = {"verdict": verdict, "severity": check.severity}
    if value is not None:
        made["value"] = value
    if why:
        made["why"] = why[:MAX_WHY_LENGTH]
    return made
