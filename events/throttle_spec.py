"""Which limits does a published version say?"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from farandole.events.rate import parse_rate, parse_rate_rule
from farandole.events.row_model import RowModel

LIMIT_NAME_PATTERN = re.compile(r"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*")
MAX_LIMIT_NAME_LENGTH = 100  # characters


def _check_rule(text: str) -> str:
    return str(parse_rate_rule(text))


def _check_rate(text: str) -> str:
    return str(parse_rate(text))


RateRuleText = Annotated[str, AfterValidator(_check_rule)]
"""A rate as `farandole.events.rate` writes it, such as `from 100/s to 5000/s over 10m`."""
RateText = Annotated[str, AfterValidator(_check_rate)]
"""A rate without a ramp and a window, such as `10/s`."""


class ThrottleSpec(RowModel):
    """How fast the lanes of a stage together take events."""

    rate: RateRuleText | None = None
    """The rate of all lanes of the stage together; None for no limit."""
    per_key: RateText | None = None
    """The rate for each key; None for no limit."""

    def __str__(self) -> str:
        """Return the throttle as a plan shows it: `1000/s, per key 10/s`."""
        parts = [self.rate, f"per key {self.per_key}" if self.per_key else None]
        return ", ".join(part for part in parts if part)
