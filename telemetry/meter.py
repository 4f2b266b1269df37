"""What has one process counted since it began?

It counts once for each batch, never for each event. The figures leave the process as plain data, by
the pipe of its heartbeats: only who answers a scrape needs the client library of Prometheus, whose
import takes a fifth of a second.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import NamedTuple

from farandole.telemetry.metric_catalog import Metric

Value = float | list[float]
"""A number or, of a histogram, its sum and then the count of each bucket, the infinite one last."""

Report = dict[str, list[tuple[list[str], Value]]]
"""By the name of a metric, its samples: the values of the labels, in the catalog's order, and the
value. It can be written as JSON."""


class Sample(NamedTuple):
    """The value of a gauge, or of a counter that is kept elsewhere, at one moment."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


class Count:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def add(self, number: float = 1) -> None:
        """Add a number that is not negative."""
        self.value += number


class Histogram:
    """How often values fell into each bucket."""

    __slots__ = ("_bounds", "buckets", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.sum = 0.0
        self.buckets = [0] * (len(bounds) + 1)

    def observe(self, value: float) -> None:
        """Count one value."""
        self.sum += value
        self.buckets[bisect_left(self._bounds, value)] += 1


class Meter:
    """The counts of a process, and who is asked for what is not counted."""

    def __init__(self) -> None:
        self._counts: dict[tuple[Metric, tuple[str, ...]], Count] = {}
        self._histograms: dict[tuple[Metric, tuple[str, ...]], Histogram] = {}
        self._sources: dict[object, Callable[[], Iterable[Sample]]] = {}
        self._checks: dict[object, Callable[[], Iterable[str]]] = {}

    def count(self, metric: Metric, *labels: str) -> Count:
        """Return the count with these labels: whoever counts keeps it."""
        return self._counts.setdefault((metric, labels), Count())

    def histogram(self, metric: Metric, *labels: str) -> Histogram:
        """Return the histogram with these labels: whoever observes keeps it."""
        key = (metric, labels)
        if key not in self._histograms:
            self._histograms[key] = Histogram(metric.bounds)
        return self._histograms[key]

    def watch(
        self,
        owner: object,
        samples: Callable[[], Iterable[Sample]],
        problems: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """Ask for samples at each report, and for why the owner is not ready: one line for each
        reason, none if it is. Both must not raise."""
        self._sources[owner] = samples
        self._checks[owner] = problems

    def forget(self, owner: object) -> None:
        """Ask no longer what `watch` was told to ask."""
        self._sources.pop(owner, None)
        self._checks.pop(owner, None)

    def report(self) -> Report:
        """Return all figures as of now. Samples of the same metric and labels are added up."""
        report: Report = {}
        for (metric, labels), count in self._counts.items():
            report.setdefault(metric.name, []).append(([*labels], count.value))
        for (metric, labels), seen in self._histograms.items():
            value: Value = [seen.sum, *seen.buckets]
            report.setdefault(metric.name, []).append(([*labels], value))
        sums: dict[tuple[str, tuple[str, ...]], float] = {}
        for read in [*self._sources.values()]:
            for metric, labels, number in read():
                key = (metric.name, labels)
                sums[key] = sums.get(key, 0) + number
        for (name, labels), number in sums.items():
            report.setdefault(name, []).append(([*labels], number))
        return report

    def problems(self) -> list[str]:
        """Return why the process is not ready; nothing if it is."""
        return [line for check in [*self._checks.values()] for line in check()]
