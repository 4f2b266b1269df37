"""How many planted faults are found, and how many alarms are false?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.anomalies.plan import FAULTS
from benchmarks.anomalies.simulated_runs import SimulatedRun
from farandole.quality.anomalies.incidents import Incident
from farandole.quality.anomalies.pipeline_anomalies import PipelineAnomalies

_MONTH = 30 * 86_400
FEED = "feed.requested"


@dataclass
class SimulatedScore:
    """What the incidents of some simulated years were."""

    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    again: int = 0
    """Further incidents in the run of a fault that was found."""
    false: list[Incident] = field(default_factory=list)
    months: float = 0.0
    runs: int = 0
    metrics: int = 0

    def add(self, runs: Iterable[SimulatedRun]) -> None:
        """Judge the runs of a year."""
        pipeline = PipelineAnomalies()
        first = last = 0.0
        for run in runs:
            late = pipeline.overdue(run.began - 1).opened
            pipeline.arrived(FEED, run.began)
            opened = pipeline.take(run.ended, run.measurements).opened
            self._count(run.fault, late, opened)
            first, last = first or run.began, run.ended
            self.runs += 1
            self.metrics = max(self.metrics, len(pipeline.detector.table.keys))
        self.months += (last - first) / _MONTH

    def _count(self, fault: str, late: tuple[Incident, ...], opened: tuple[Incident, ...]) -> None:
        right, wrong = (late, opened) if fault == "late" else (opened, late)
        self.false += wrong
        if not fault:
            self.false += right
            return
        self.planted[fault] += 1
        if right:
            self.found[fault] += 1
            self.again += len(right) - 1

    @property
    def false_a_month(self) -> float:
        return len(self.false) / self.months

    @property
    def recall(self) -> float:
        return self.found.total() / self.planted.total()

    @property
    def precision(self) -> float:
        """Of the incidents; more than one for a fault counts as one."""
        told = self.found.total() + len(self.false)
        return self.found.total() / told if told else 1.0

    def by_fault(self) -> dict[str, str]:
        return {name: f"{self.found[name]}/{self.planted[name]}" for name in FAULTS}
