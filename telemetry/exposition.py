"""How do the figures of some processes read in a scrape?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from farandole.telemetry.meter import Report, Value
from farandole.telemetry.metric_catalog import METRICS, Metric

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def render_reports(reports: Mapping[str, Report], *, open_metrics: bool) -> bytes:
    """Return the figures of processes, by their names, which become the label `process`: in
    Prometheus' text format or, with `open_metrics`, in that of OpenMetrics 1.0. What the catalog
    does not know is left out: another release may have written it."""
    from prometheus_client import exposition
    from prometheus_client.openmetrics import exposition as open_exposition

    module: Any = open_exposition if open_metrics else exposition
    text: bytes = module.generate_latest(_Reports(reports))
    return text


class _Reports:
    """What `generate_latest` asks for: a registry."""

    def __init__(self, reports: Mapping[str, Report]) -> None:
        self._reports = reports

    def collect(self) -> Iterator[Any]:
        for metric in METRICS.values():
            family = _family(metric)
            for process, report in self._reports.items():
                for labels, value in report.get(metric.name, ()):
                    _add(family, metric, [process, *labels], value)
            if family.samples:
                yield family


def _family(metric: Metric) -> Any:
    from prometheus_client import core

    make = {
        "counter": core.CounterMetricFamily,
        "gauge": core.GaugeMetricFamily,
        "histogram": core.HistogramMetricFamily,
    }[metric.kind]
    return make(metric.name, metric.help, labels=("process", *metric.labels))


def _add(family: Any, metric: Metric, labels: list[str], value: Value) -> None:
    if len(labels) != len(metric.labels) + 1:
        return
    if isinstance(value, list):
        if metric.kind != "histogram" or len(value) != len(metric.bounds) + 2:
            return
        bounds = [*map(_bound_text, metric.bounds), "+Inf"]
        counts = accumulate(value[1:])
        family.add_metric(labels, [*zip(bounds, counts, strict=True)], sum_value=value[0])
    elif metric.kind != "histogram":
        family.add_metric(labels, value)


def _bound_text(bound: float) -> str:
    return str(float(bound))
