"""From which score on is a metric's value told, so that a pipeline keeps to its budget?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farandole.events.topology_version import Sensitivity
from farandole.quality.anomalies.metric_kinds import KINDS, RULES
from farandole.quality.anomalies.row_medians import Floats
from farandole.quality.anomalies.run_tail import tail_limit

BUDGET: Final[dict[Sensitivity, float]] = {"low": 0.1, "normal": 0.3, "high": 1.0}
"""False alarms of a pipeline in 30 days that the limits are set for, over all of its metrics. What
is promised is one a month: the rest is reserve for holidays and for what the fit does not know."""
_STRICTNESS: Final[dict[Sensitivity, float]] = {"low": 1.2, "normal": 1.0, "high": 0.8}
"""By what the least deviation above that a kind has is multiplied."""
MONTH: Final = 30 * 86_400
BLOCK_SECONDS: Final = 6 * 3600
"""The largest score of a block of time counts, however many runs lie in it."""
BLOCKS: Final = 256
"""So many blocks are remembered, the newest ones."""
_MOST_CHANCE: Final = 0.1
"""Of a false alarm in one run, however seldom a pipeline runs."""

BELOW, ABOVE = 0, 1


@dataclass
class AlarmBudget:
    """What the newest blocks of time of a pipeline were like; by kind (its place in KINDS) and
    side (0: below, 1: above)."""

    part: float = 1.0
    """Of the budget of a pipeline."""
    starts: list[int] = field(default_factory=list)
    """Of the blocks in which something ran, in blocks since the epoch; the newest is open."""
    maxima: dict[tuple[int, int], list[float]] = field(default_factory=dict)
    """Of the blocks in which nobody was told of this kind and side."""
    largest: dict[tuple[int, int], float] = field(default_factory=dict)
    """Of the open block."""
    exceeded: set[tuple[int, int]] = field(default_factory=set)
    """Of which somebody was told in the open block."""

    def go_on(self, at: float) -> None:
        """Close the open block if `at`, in seconds of the epoch, is in a later one."""
        block = int(at // BLOCK_SECONDS)
        if self.starts and block <= self.starts[-1]:
            return
        for side, score in self.largest.items():
            if side not in self.exceeded:
                self._remember(side, score)
        self.largest, self.exceeded = {}, set()
        self.starts.append(block)
        del self.starts[:-BLOCKS]

    def limits(self, kinds: NDArray[np.int64], scores: Floats, sensitivity: Sensitivity) -> Floats:
        """Return [points, 2]: how far below and above what is expected a value must be to be told,
        in standard deviations; infinite for a point that is not judged (a score of NaN)."""
        limits = np.full((len(kinds), 2), np.inf)
        present, counts = np.unique(kinds[~np.isnan(scores)], return_counts=True)
        weights = sum(RULES[KINDS[kind]].weight for kind in present)
        for kind, count in zip(present.tolist(), counts.tolist(), strict=True):
            rule = RULES[KINDS[kind]]
            sides = (BELOW, ABOVE) if rule.below else (ABOVE,)
            chance = self._chance(sensitivity) * rule.weight / weights
            if rule.below and not rule.least_above:
                chance /= 2
            for side in sides:
                limit = tail_limit(self.maxima.get((kind, side), ()), count, chance)
                if side == ABOVE:
                    limit = max(limit, rule.least_above * _STRICTNESS[sensitivity])
                limits[kinds == kind, side] = limit
        limits[np.isnan(scores)] = np.inf
        return limits

    def _chance(self, sensitivity: Sensitivity) -> float:
        """Return the chance of a false alarm that a block may have."""
        span = (self.starts[-1] - self.starts[0]) * BLOCK_SECONDS
        blocks = (len(self.starts) - 1) * MONTH / span if span else MONTH / BLOCK_SECONDS
        return min(self.part * BUDGET[sensitivity] / blocks, _MOST_CHANCE)

    def count(self, kinds: NDArray[np.int64], scores: Floats, limits: Floats) -> None:
        """Take the scores of a run into the open block."""
        for kind in np.unique(kinds[~np.isnan(scores)]).tolist():
            of_kind = (kinds == kind) & ~np.isnan(scores)
            for side, sign in ((BELOW, -1), (ABOVE, 1)):
                limit = float(np.min(limits[of_kind, side]))
                score = max(float(np.max(sign * scores[of_kind])), 0.0)
                if score > limit:
                    self.exceeded.add((kind, side))
                elif np.isfinite(limit):
                    self.largest[kind, side] = max(score, self.largest.get((kind, side), 0.0))

    def accept(self, kind: int, score: float, limit: float) -> None:
        """Count a score that a person was told of as one of the usual ones: at the limit that it
        exceeded, since one that is far beyond would hide all others of its kind."""
        side = kind, ABOVE if score > 0 else BELOW
        self.exceeded.discard(side)
        self._remember(side, min(abs(score), limit))

    def _remember(self, side: tuple[int, int], score: float) -> None:
        maxima = self.maxima.setdefault(side, [])
        maxima.append(round(score, 3))
        del maxima[:-BLOCKS]
