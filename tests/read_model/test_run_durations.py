"""How long runs took, and those before with a root like theirs."""

from __future__ import annotations

from dataclasses import replace

from farandole.operations.read_model.run_durations import durations_before, measure_durations
from farandole.operations.runs.newest_runs import RunSummary, summarize_run
from tests.read_model.stand import run_row


def run(name: str, opened: int, took: int | None, **over: object) -> RunSummary:
    status = "running" if took is None else "completed"
    closed = None if took is None else opened + took
    summary = summarize_run(run_row(name, status, opened, closed=closed))
    return replace(summary, **{"root": "feed.requested", **over})  # type: ignore[arg-type]


def test_a_run_is_compared_with_ended_runs_before_it_that_have_a_root_like_its_own() -> None:
    newest_first = [
        run("now", 600, None),
        run("other", 500, 7, root="return.filed"),
        run("second", 400, 40),
        run("failed", 300, 1, status="failed"),
        run("open", 200, None),
        run("first", 100, 10),
    ]
    before = durations_before(newest_first[:2], iter(newest_first))
    assert before == {"now": [10, 40], "other": []}


def test_a_run_is_compared_with_at_most_15_others() -> None:
    newest_first = [run(f"r{n}", n, n) for n in range(100, 0, -1)]
    before = durations_before(newest_first[:1], iter(newest_first))
    assert before == {"r100": list(range(85, 100))}


def test_runs_newer_than_the_page_are_left_out_of_its_comparison() -> None:
    newest_first = [run("new", 300, 30), run("page", 200, 20), run("old", 100, 10)]
    assert durations_before(newest_first[1:2], iter(newest_first)) == {"page": [10]}


def test_the_median_and_p95_are_of_runs_that_ended_well() -> None:
    runs = [run(f"r{n}", n, n * 10) for n in range(20, 0, -1)]
    failed = run("failed", 21, 9_999, status="failed")
    measured = measure_durations([run("open", 22, None), failed, *runs])
    assert (measured.median, measured.p95) == (100, 190)
    assert [each.run for each in measured.newest[-2:]] == ["failed", "open"]
    assert measured.newest[-1].took is None


def test_without_runs_nothing_is_measured() -> None:
    measured = measure_durations([])
    assert (measured.newest, measured.median, measured.p95) == ([], None, None)
