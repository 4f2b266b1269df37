"""How many labelled windows were found, how soon, and how often was there an alarm for nothing?

Scored is by event: a window counts once, and so does an alarm that goes on. Point-adjusted F1 is
not used: a detector that fires at random does well by it (Kim et al., AAAI 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

_WEEK: Final = 7 * 86_400
_ONE_ALARM: Final = 6 * 3600
"""Alarms less than six hours, or three points, apart are one."""


@dataclass
class EventScore:
    """What was found in some series."""

    windows: int = 0
    found: int = 0
    delays: list[float] = field(default_factory=list)
    """Of the windows found: the share of the window that had passed."""
    false: int = 0
    weeks: float = 0.0

    def add(
        self,
        times: Sequence[float],
        alarms: Sequence[float],
        windows: Sequence[tuple[float, float]],
        allowed: Sequence[tuple[float, float]] = (),
    ) -> None:
        """Add a series by the times of its points, those of its alarms, and its windows. Alarms in
        the `allowed` windows are neither right nor false."""
        together = max(_ONE_ALARM, 3 * float(np.median(np.diff(times))))
        for begin, end in windows:
            inside = [each for each in alarms if begin <= each <= end]
            self.windows += 1
            if inside:
                self.found += 1
                self.delays.append((inside[0] - begin) / max(end - begin, 1))
        known = [*windows, *allowed]
        before = -np.inf
        for each in alarms:
            if each - before > together and not any(begin <= each <= end for begin, end in known):
                self.false += 1
            before = each
        self.weeks += (times[-1] - times[0]) / _WEEK

    @property
    def recall(self) -> float:
        return self.found / self.windows if self.windows else 1.0

    @property
    def false_a_week(self) -> float:
        return self.false / self.weeks

    @property
    def precision(self) -> float:
        told = self.found + self.false
        return self.found / told if told else 1.0

    @property
    def delay(self) -> float:
        """The median share of a found window that had passed."""
        return float(np.median(self.delays)) if self.delays else 1.0

    def row(self) -> dict[str, str | float]:
        return {
            "found": f"{self.found}/{self.windows}",
            "delay": round(self.delay, 2),
            "false a week": round(self.false_a_week, 2),
            "precision": round(self.precision, 2),
        }
