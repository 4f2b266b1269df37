"""What does one check of a diagnosis say?"""

from __future__ import annotations

from typing import Literal

from farandole.operations.results import Result

State = Literal["ok", "warning", "fault"]


class CheckRow(Result):
    """One thing that was looked at."""

    check: str
    """One word or two, for example `disk`."""
    state: State
    found: str
    remedy: str | None = None
    """What to do; None if nothing need be done."""


def ok(check: str, found: str) -> CheckRow:
    """Return that a thing is as it should be."""
    return CheckRow(check=check, state="ok", found=found)


def warning(check: str, found: str, remedy: str) -> CheckRow:
    """Return that something will fail, or may."""
    return CheckRow(check=check, state="warning", found=found, remedy=remedy)


def fault(check: str, found: str, remedy: str) -> CheckRow:
    """Return that something does not work."""
    return CheckRow(check=check, state="fault", found=found, remedy=remedy)
