"""What is measured of one stage in this process, beside its lanes?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from farandole.events.outcome import PENDING, RECORDED, handled_count
from farandole.telemetry.meter import Sample
from farandole.telemetry.metric_catalog import (
    MODE,
    OPEN_BREAKERS,
    OUTCOMES,
    PARKED,
    SENT,
)
from farandole.worker.counters import Counters
from farandole.worker.lane_processor import LaneProcessor
from farandole.worker.stage_controls import StageControls

SETTLED = tuple(outcome for outcome in RECORDED if outcome not in PENDING)
"""What waits has a gauge: a counter does not go down."""


class StageMeter:
    """The figures of a stage: those of the lanes that it has or had in this process."""

    def __init__(
        self, pipeline: str, stage: str, counters: Counters, controls: StageControls
    ) -> None:
        self._labels = (pipeline, stage)
        self._counters = counters
        self._controls = controls
        self._lanes: dict[int, LaneProcessor] = {}

    def measured(self, make: Callable[[int], LaneProcessor]) -> Callable[[int], LaneProcessor]:
        """Return what makes a lane's work and has it measured from then on."""

        def make_measured(lane: int) -> LaneProcessor:
            self._lanes[lane] = made = make(lane)
            return made

        return make_measured

    def samples(self) -> Iterator[Sample]:
        """Return the figures as of now."""
        labels, lanes = self._labels, self._lanes.values()
        yield Sample(SENT, labels, self._counters.emitted)
        counts = self._counters.outcomes
        yield Sample(OUTCOMES, (*labels, "handled"), handled_count(self._counters.consumed, counts))
        for outcome in SETTLED:
            yield Sample(OUTCOMES, (*labels, outcome.value), counts[outcome])
        yield Sample(PARKED, labels, sum(each.parked_events for each in lanes))
        yield Sample(OPEN_BREAKERS, labels, sum(each.is_breaker_open for each in lanes))
        yield Sample(MODE, (*labels, self._controls.mode().mode), 1)
