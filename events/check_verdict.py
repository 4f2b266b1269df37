"""What has a check found about the data of one run, or of one window?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

from farandole.events.check_spec import Severity

Verdict = Literal["passed", "warned", "failed", "not judged", "skipped"]
"""`not judged`: its edges are still open. `skipped`: it cannot be judged; `why` says why."""

_MAX_TEXT = 1_000  # characters


class CheckVerdict(TypedDict):
    """One verdict, in the row of a run or of a window."""

    verdict: Verdict
    severity: Severity
    value: NotRequired[float | int | None]
    """What was measured: a share, a number of rows, a distance."""
    failed: NotRequired[int]
    """Of a rule of rows, how many rows have broken it."""
    rows: NotRequired[int]
    """How many rows were judged."""
    why: NotRequired[str]
    """The reason in one sentence; of a passed check there is none."""
    broken: NotRequired[bool]
    """True if the function of the check has not answered: somebody has to mend it."""


CheckVerdicts = dict[str, CheckVerdict]
"""By `event type/check`."""


def check_key(event_type: str, check: str) -> str:
    """Return the name of a check among those of its pipeline."""
    return f"{event_type}/{check}"


def count_verdicts(verdicts: Mapping[str, Mapping[str, Any]], verdict: Verdict) -> int:
    """Return how many checks of a run have this verdict."""
    return sum(each.get("verdict") == verdict for each in verdicts.values())


def are_check_verdicts(found: Any) -> bool:
    """Return True for verdicts as a bookkeeper writes them."""
    return type(found) is dict and all(
        type(each) is dict
        and type(each.get("verdict")) is str
        and type(each.get("severity")) is str
        and type(each.get("why", "")) is str
        and len(each.get("why", "")) <= _MAX_TEXT
        and type(each.get("value")) in (int, float, type(None))
        and type(each.get("failed", 0)) is int
        and type(each.get("rows", 0)) is int
        and type(each.get("broken", False)) is bool
        for each in found.values()
    )
