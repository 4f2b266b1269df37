"""Does a meter say what was counted, and is it read as it was meant?"""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_open_metrics,
)
from prometheus_client.parser import text_string_to_metric_families

from farandole.telemetry.exposition import render_reports
from farandole.telemetry.meter import Meter, Report, Sample
from farandole.telemetry.metric_catalog import (
    BATCH_EVENTS,
    CONSUMED,
    FAILURES,
    LAG_EVENTS,
    METRICS,
    PARKED,
)
from farandole.telemetry.process_figures import process_figures

LABELS = ("orders", "check", "orders.check")


def scraped(reports: dict[str, Report], name: str) -> dict[tuple[str, ...], float]:
    """The samples of a name, by their labels' values without those of the bucket."""
    text = render_reports(reports, open_metrics=False).decode()
    return {
        (sample.labels["process"], *(v for n, v in sample.labels.items() if n != "process")): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_counts_of_the_same_labels_are_one() -> None:
    meter = Meter()
    meter.count(CONSUMED, *LABELS).add(3)
    meter.count(CONSUMED, *LABELS).add(4)
    meter.count(CONSUMED, "orders", "price", "orders.price").add()
    assert meter.report() == {
        CONSUMED.name: [([*LABELS], 7), (["orders", "price", "orders.price"], 1)]
    }


def test_a_value_at_a_bound_falls_into_its_bucket() -> None:
    meter = Meter()
    for value in (1, 3, 4, 5000):
        meter.histogram(BATCH_EVENTS, *LABELS).observe(value)
    ((_, found),) = meter.report()[BATCH_EVENTS.name]
    assert found == [5008, 1, 1, 1, 0, 0, 0, 0, 0, 1]


def test_gauges_are_read_at_each_report_until_they_are_forgotten() -> None:
    meter, waiting = Meter(), [2]
    meter.watch("a", lambda: [Sample(PARKED, ("orders", "check"), waiting[0])])
    meter.watch("b", lambda: [Sample(PARKED, ("orders", "check"), 10)], lambda: ["b is stuck"])
    assert meter.report() == {PARKED.name: [(["orders", "check"], 12)]}
    waiting[0] = 5
    meter.forget("b")
    assert meter.report() == {PARKED.name: [(["orders", "check"], 5)]}
    assert meter.problems() == []


@pytest.mark.parametrize("open_metrics", [False, True])
def test_a_scrape_reads_as_what_was_counted(open_metrics: bool) -> None:
    meter = Meter()
    meter.count(CONSUMED, *LABELS).add(7)
    meter.count(FAILURES, *LABELS, 'a "quoted"\nreason\\').add()
    for value in (1, 2, 200):
        meter.histogram(BATCH_EVENTS, *LABELS).observe(value)
    over_the_pipe: Report = orjson.loads(orjson.dumps(meter.report()))
    text = render_reports({"check-1": over_the_pipe}, open_metrics=open_metrics).decode()
    parse = parse_open_metrics if open_metrics else text_string_to_metric_families
    samples = [sample for family in parse(text) for sample in family.samples]
    found = {(each.name, each.labels.get("le")): each.value for each in samples}
    assert found[f"{CONSUMED.name}_total", None] == 7
    assert found["farandole_batch_events_bucket", "10.0"] == 2
    assert found["farandole_batch_events_bucket", "+Inf"] == 3
    assert found["farandole_batch_events_sum", None] == 203
    reasons = {each.labels["error_type"] for each in samples if "error_type" in each.labels}
    assert reasons == {'a "quoted"\nreason\\'}
    assert {each.labels["process"] for each in samples} == {"check-1"}


def test_what_the_catalog_does_not_know_is_left_out_of_a_scrape() -> None:
    report: Report = {
        "farandole_of_a_later_release": [([], 1)],
        LAG_EVENTS.name: [(["too few labels"], 1)],
        BATCH_EVENTS.name: [([*LABELS], [1.0, 2])],
        PARKED.name: [(["orders", "check"], 3)],
    }
    assert scraped({"check": report}, PARKED.name) == {("check", "orders", "check"): 3}
    text = render_reports({"check": report}, open_metrics=False).decode()
    assert "later_release" not in text
    assert LAG_EVENTS.name not in text


def test_the_figures_of_this_process_are_those_of_the_system() -> None:
    report = process_figures(os.getpid())
    ((_, memory),) = report["process_resident_memory_bytes"]
    assert isinstance(memory, int)
    assert memory > 2**20
    ((_, files),) = report["process_open_fds"]
    assert isinstance(files, int)
    assert files > 2


def test_of_a_process_that_has_ended_there_are_no_figures() -> None:
    assert process_figures(2**22 + 1) == {}


def test_each_metric_has_a_name_of_its_own_and_a_help_text() -> None:
    assert all(name == metric.name for name, metric in METRICS.items())
    assert all(metric.help.endswith(".") for metric in METRICS.values())
    counters = [each.name for each in METRICS.values() if each.kind == "counter"]
    assert not [name for name in counters if name.endswith("_total")]


def test_the_docs_list_each_metric_as_the_catalog_has_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith(("| `m", "| `f", "| `p"))]
    assert rows == [
        f"| `{each.name}{'_total' if each.kind == 'counter' else ''}` | {each.kind} |"
        f" {', '.join(f'`{label}`' for label in each.labels)} | {each.help} |"
        for each in METRICS.values()
    ]
