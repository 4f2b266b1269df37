"""Which profile of its data, and which checks, does a published version ask for an event type?"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Protocol

from pydantic import Field

from farandole.events.row_model import RowModel

CHECK_NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*")
MAX_CHECK_NAME_LENGTH = 100  # characters
MAX_CHECKS = 100  # of one event type

Rule = Literal[
    "not-null", "range", "one-of", "pattern", "length", "expression",
    "unique", "fresh", "rows", "schema", "drift", "known", "sum", "function",
]  # fmt: skip
"""What a check looks at. The first six judge one row, unless a `share` of all rows is asked for."""

ROW_RULES: frozenset[Rule] = frozenset(
    ("not-null", "range", "one-of", "pattern", "length", "expression")
)

COMPARING_RULES: frozenset[Rule] = frozenset(("known", "sum"))
"""Those that compare with another event type, which is profiled for it."""

Severity = Literal["warn", "reject", "park", "fail", "gate"]
"""What follows from a row, or from a profile, that breaks the rule:

warn    it is counted and shown
reject  the row becomes a dead letter
park    the row waits until a person releases, mends or discards it
fail    the run has failed its checks, and there is an incident
gate    the same, and the run's events do not enter the stages with a gate
"""

ROW_SEVERITIES: frozenset[Severity] = frozenset(("warn", "reject", "park"))
PROFILE_SEVERITIES: frozenset[Severity] = frozenset(("warn", "fail", "gate"))


HISTORY = "history"
"""Stands for the runs before, as `against`."""


MAX_WITHIN = 90 * 86_400.0
"""For so many seconds at most are values known: `farandole.quality.history` is kept for longer."""


class ComparedCheck(Protocol):
    """What says whether a check compares a run with the runs before: of a version, or of a file."""

    @property
    def rule(self) -> Rule: ...
    @property
    def against(self) -> str | None: ...
    @property
    def min(self) -> float | int | None: ...
    @property
    def max(self) -> float | int | None: ...
    @property
    def within(self) -> float | None: ...


def needs_history(check: ComparedCheck) -> bool:
    """Return True for a check that compares a run with the runs before."""
    if check.rule == "drift":
        return True
    if check.rule == "known":
        return check.within is not None
    return check.rule == "rows" and (check.against == HISTORY or check.min is check.max is None)


class ProfileSpec(RowModel):
    """For what a profile of the events of one type is kept."""

    per: Annotated[float, Field(gt=0)] | None = None
    """The seconds of a window, which begins at a multiple of them in the epoch; None: one profile
    for each run."""


class CheckSpec(RowModel):
    """One check of the data of an event type, under its name."""

    rule: Rule
    severity: Severity = "warn"
    column: str = ""
    """The field that it looks at, with dots for those inside (`address.city`); empty for a rule of
    the whole row, or of all rows."""
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    """The share of rows that must keep the rule of a row; None if each must."""
    min: float | int | None = None
    """The least value of a `range`, characters of a `length`, rows, or value of a `function`."""
    max: float | int | None = None
    """The greatest one; for `drift` the greatest distance, for `sum` the greatest difference."""
    values: tuple[str | int | float | bool | None, ...] = ()
    """The values that `one-of` allows."""
    matches: str = ""
    """The regular expression that the whole text of a `pattern` matches."""
    holds: str = ""
    """The CEL expression over `data` that is true for a good row."""
    within: Annotated[float, Field(gt=0)] | None = None
    """For `fresh`: how many seconds old the time in `column` may be, or without a column the event
    itself; for `known`: for how long the values of earlier runs are known."""
    against: str = ""
    """For `known` and `sum`: the event type with which it is compared; for `drift` and `rows`
    `history`, which is the default."""
    field: str = ""
    """The column of `against`; by default the same one."""
    measure: Literal["psi", "ks"] = "psi"
    """How `drift` measures the distance of two distributions."""
    run: str = ""
    """For `function`: `package.module:function`, which gets the profile and returns a number, or
    True or False, alone or with a text that says why."""
    description: str = ""

    @property
    def judges_rows(self) -> bool:
        """True if each row is judged for itself, before the function sees it."""
        return self.rule in ROW_RULES and self.share is None
