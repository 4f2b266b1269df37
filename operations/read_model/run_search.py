"""Which of many runs match, and how many of each kind?

It takes up to half a second for 200,000 runs, so it works on the runs of a moment, in a thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from farandole.operations.read_model.runs_query import MAX_PAGE, RunPlace, RunsQuery
from farandole.operations.runs.newest_runs import RunSummary


class FoundRuns(NamedTuple):
    """The runs of one page."""

    runs: list[RunSummary]
    cursor: str | None
    total: int


class RunFacets(NamedTuple):
    """How many runs there are of each kind."""

    statuses: Mapping[str, int]
    versions: Mapping[tuple[str, int], int]
    """By pipeline and version."""
    late: int


class FoundFacets(NamedTuple):
    """What there is to choose from, and the newest runs."""

    facets: RunFacets
    newest: list[RunSummary]


def search_runs(runs: Sequence[RunSummary], query: RunsQuery) -> FoundRuns:
    """Return a page of the runs that match; `runs`: the oldest first. Raises InvalidRequestError
    (`invalid_request`)."""
    limit = max(1, min(query.limit, MAX_PAGE))
    before = None if query.cursor is None else RunPlace.from_cursor(query.cursor)
    found: list[RunSummary] = []
    total = 0
    for run in _matching(runs, query):
        total += 1
        if len(found) <= limit and (before is None or (run.opened, run.run) < before):
            found.append(run)
    return FoundRuns(found[:limit], next_cursor(found, limit), total)


def next_cursor(found: Sequence[RunSummary], limit: int) -> str | None:
    """Return the cursor of the page after this one; None if no more than `limit` were found."""
    last = found[limit - 1] if len(found) > limit else None
    return RunPlace((last.opened, last.run)).to_cursor() if last else None


def count_runs(runs: Sequence[RunSummary], query: RunsQuery, newest: int) -> FoundFacets:
    """Count the runs that match by their status and their version, as if the query asked for all of
    both, and return the `newest` of them; `runs`: the oldest first."""
    statuses: Counter[str] = Counter()
    versions: Counter[tuple[str, int]] = Counter()
    late = 0
    first: list[RunSummary] = []
    for run in _matching(runs, wide_query(query)):
        statuses[run.status] += 1
        versions[run.pipeline, run.version] += 1
        late += run.late
        if len(first) < newest:
            first.append(run)
    return FoundFacets(RunFacets(statuses, versions, late), first)


def wide_query(query: RunsQuery) -> RunsQuery:
    """Return the query as if it asked for all statuses and versions."""
    return replace(query, statuses=frozenset(), late=None, version=None)


def _matching(runs: Sequence[RunSummary], query: RunsQuery) -> Iterator[RunSummary]:
    """Yield the runs that match, the newest first."""

    def place(moment: int | None, other: int) -> int:
        return other if moment is None else bisect_left(runs, moment, key=lambda run: run.opened)

    lowest, highest = place(query.since, 0), place(query.until, len(runs))
    return filter(query.matches, islice(reversed(runs), len(runs) - highest, len(runs) - lowest))
