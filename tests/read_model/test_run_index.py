"""The index of runs must not depend on the order in which their rows come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.run_row import RunRow, new_run_row
from farandole.operations.errors import InvalidRequestError
from farandole.operations.read_model.revision import Place
from farandole.operations.read_model.run_index import RunIndex
from farandole.operations.read_model.run_search import count_runs, search_runs
from farandole.operations.read_model.runs_query import RunsQuery
from farandole.operations.runs.newest_runs import RunSummary, summarize_run

Written = tuple[str, RunRow | None]


def row(run: str, opened: int, status: str = "running", **fields: object) -> RunRow:
    return {**new_run_row(run, "p", 1, opened), "status": status, **fields}  # type: ignore[typeddict-item]


@st.composite
def written_rows(draw: st.DrawFn) -> list[Written]:
    runs = draw(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=30))
    statuses = st.sampled_from(["running", "completed", "failed"])
    return [
        (run, None if deleted else row(run, draw(st.integers(0, 9)), draw(statuses)))
        for run, deleted in runs
    ]


def folded(rows: Sequence[Written]) -> list[RunSummary]:
    newest = dict(rows)
    found = [summarize_run(each) for each in newest.values() if each is not None]
    return sorted(found, key=lambda run: (run.opened, run.run), reverse=True)


def read_all(index: RunIndex, query: RunsQuery) -> list[RunSummary]:
    """All pages; a search for everything must find the same."""
    found = index.page(query)
    assert search_runs(index.snapshot(), query) == found
    runs = list(found.runs)
    while found.cursor is not None:
        query = replace(query, cursor=found.cursor)
        found = index.page(query)
        assert search_runs(index.snapshot(), query) == found
        runs += found.runs
    return runs


@given(written_rows(), st.data(), st.integers(1, 5))
def test_rows_in_any_order_give_the_newest_of_each_run(
    rows: list[Written], data: st.DataObject, limit: int
) -> None:
    index = RunIndex()
    for offset in data.draw(st.permutations(range(len(rows)))):
        index.put(*rows[offset], Place("s", offset))
    index.finish_loading()
    assert read_all(index, RunsQuery(limit=limit)) == folded(rows)


@given(written_rows(), st.integers(0, 30))
def test_rows_that_come_after_loading_are_folded_too(rows: list[Written], loaded: int) -> None:
    index = RunIndex()
    for offset, each in enumerate(rows):
        if offset == loaded:
            index.finish_loading()
            index.page(RunsQuery())
        index.put(*each, Place("s", offset))
    assert read_all(index, RunsQuery(limit=3)) == folded(rows)


@given(written_rows())
def test_the_counts_are_those_of_the_rows(rows: list[Written]) -> None:
    index = RunIndex()
    for offset, each in enumerate(rows):
        index.put(*each, Place("s", offset))
    found = folded(rows)
    expected = {s: n for s in ("running", "completed", "failed")
                if (n := sum(run.status == s for run in found))}  # fmt: skip
    assert index.counts() == ({"p": expected} if expected else {})
    assert index.page(RunsQuery()).total == len(found)
    assert count_runs(index.snapshot(), RunsQuery(), 2) == (index.facets(), found[:2])


def test_the_oldest_runs_are_left_out_where_there_are_too_many() -> None:
    index = RunIndex(most=100)
    index.finish_loading()
    for number in range(150):
        index.put(f"r{number:03}", row(f"r{number:03}", number), Place("s", number))
    assert [run.run for run in index.newest(2)] == ["r149", "r148"]
    assert (len(index), index.left_out) == (100, 50)


def test_a_page_goes_on_where_the_last_one_ended_while_new_runs_come() -> None:
    index = RunIndex()
    index.finish_loading()
    for number in range(6):
        index.put(f"r{number}", row(f"r{number}", number), Place("s", number))
    first = index.page(RunsQuery(limit=3))
    index.put("new", row("new", 9), Place("s", 9))
    second = index.page(RunsQuery(limit=3, cursor=first.cursor))
    assert [run.run for run in second.runs] == ["r2", "r1", "r0"]
    assert second.cursor is None


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (RunsQuery(statuses=frozenset({"failed"})), ["b"]),
        (RunsQuery(late=True), ["c"]),
        (RunsQuery(since=2), ["c", "b"]),
        (RunsQuery(until=2), ["a"]),
        (RunsQuery(text="Night"), ["a"]),
        (RunsQuery(text="of-yesterday"), ["a"]),
        (RunsQuery(version=2), []),
        (RunsQuery(pipeline="q"), []),
    ],
)
def test_a_filter_leaves_what_matches(query: RunsQuery, expected: list[str]) -> None:
    index = RunIndex()
    root = {"type": "t", "topic": "t", "partition": 0, "offset": 0, "at": 1, "to": []}
    repeated = {**root, "schedule": "nightly", "again": "of-yesterday"}
    index.put("a", row("a", 1, root=repeated), Place("s", 0))
    index.put("b", row("b", 2, "failed"), Place("s", 1))
    index.put("c", row("c", 3, late=True), Place("s", 2))
    found = search_runs(index.snapshot(), query)
    assert [run.run for run in found.runs] == expected
    assert found.total == len(expected)


def test_a_cursor_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="the cursor of no page"):
        RunIndex().page(RunsQuery(cursor="nonsense"))
