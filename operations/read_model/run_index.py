"""Which runs are there, newest first, among hundreds of thousands?

A run is kept as its summary, about half a kilobyte. Rows come in any order while the index is
loaded: of each run the one with the highest offset counts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from farandole.events.run_row import RunRow
from farandole.operations.read_model.revision import Place
from farandole.operations.read_model.run_search import FoundRuns, RunFacets, next_cursor
from farandole.operations.read_model.runs_query import MAX_PAGE, RunPlace, RunsQuery
from farandole.operations.runs.newest_runs import RunSummary, summarize_run

MAX_RUNS = 200_000


class KnownRun(NamedTuple):
    """A run, and where its newest row stands."""

    summary: RunSummary
    place: Place


class RunIndex:
    """The newest runs, at most `most` of them; the oldest are left out."""

    def __init__(self, most: int = MAX_RUNS) -> None:
        self._most = most
        self._runs: dict[str, KnownRun] = {}
        self._order: list[tuple[int, str]] | None = []
        """The oldest first; None if it is not sorted now."""
        self._deleted: dict[str, Place] | None = {}
        """Runs that were deleted; None once no earlier rows can come."""
        self._counts: Counter[tuple[str, str]] = Counter()
        self._versions: Counter[tuple[str, int]] = Counter()
        self._late: Counter[str] = Counter()
        self.left_out = 0
        """How many runs were too many."""

    @classmethod
    def of(cls, known: Iterable[KnownRun], *, is_loaded: bool) -> RunIndex:
        """Return an index of these runs. `is_loaded`: whether no earlier rows can come."""
        index = cls()
        for each in known:
            index._insert(each.summary.run, each.summary, each.place, None)
        if is_loaded:
            index.finish_loading()
        return index

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, run: str) -> bool:
        return run in self._runs

    def __iter__(self) -> Iterator[KnownRun]:
        return iter(self._runs.values())

    def get(self, run: str) -> KnownRun | None:
        """Return a run; None if it is not known."""
        return self._runs.get(run)

    def summary(self, run: str) -> RunSummary | None:
        """Return a run in one line; None if it is not known."""
        known = self._runs.get(run)
        return known.summary if known else None

    def status(self, run: str) -> str | None:
        """Return the status of a run; None if the run is not known."""
        known = self._runs.get(run)
        return known.summary.status if known else None

    def is_settled(self, run: str) -> bool:
        """Return True if no earlier row of this run can change anything."""
        return run in self._runs or (self._deleted is not None and run in self._deleted)

    def put(self, run: str, row: RunRow | None, place: Place) -> bool:
        """Take a row of a run, None if it is deleted. Return True if that changes the index: no
        later row of it is known."""
        known = self._runs.get(run)
        if known is not None and known.place.offset > place.offset:
            return False
        if self._deleted is not None:
            deleted = self._deleted.get(run)
            if deleted is not None and deleted.offset > place.offset:
                return False
            self._deleted.pop(run, None)
        if row is None:
            if self._deleted is not None:
                self._deleted[run] = place
            if known is None:
                return False
            self._remove(run, known.summary)
            return True
        self._insert(run, summarize_run(row), place, known)
        return True

    def begin_loading(self) -> None:
        """From now on rows may come that are older than those that have come."""
        if self._deleted is None:
            self._deleted = {}

    def finish_loading(self) -> None:
        """From now on no row comes that is older than one that has come."""
        self._deleted = None

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return by pipeline how many runs have each status, and under `late` how many are
        late."""
        found: dict[str, dict[str, int]] = {}
        for (pipeline, status), number in sorted(self._counts.items()):
            if number:
                found.setdefault(pipeline, {})[status] = number
        for pipeline, number in self._late.items():
            if number:
                found[pipeline]["late"] = number
        return found

    def newest_first(self, before: RunPlace | None = None) -> Iterator[RunSummary]:
        """Iterate over the runs, the newest first, from one at this place on."""
        order = self._sorted()
        end = len(order) if before is None else bisect_right(order, before)
        for index in range(end - 1, -1, -1):
            yield self._runs[order[index][1]].summary

    def snapshot(self) -> list[RunSummary]:
        """Return all runs, the oldest first."""
        return [self._runs[run].summary for _, run in self._sorted()]

    def newest(self, most: int) -> list[RunSummary]:
        """Return the newest runs."""
        order = self._sorted()
        return [self._runs[run].summary for _, run in reversed(order[-most:] if most else [])]

    def page(self, query: RunsQuery) -> FoundRuns:
        """Return a page of all runs; no filter of the query counts. Raises InvalidRequestError
        (`invalid_request`)."""
        order = self._sorted()
        limit = max(1, min(query.limit, MAX_PAGE))
        before = len(order)
        if query.cursor is not None:
            before = bisect_left(order, RunPlace.from_cursor(query.cursor))
        places = order[max(0, before - limit - 1) : before][::-1]
        found = [self._runs[run].summary for _, run in places]
        return FoundRuns(found[:limit], next_cursor(found, limit), len(order))

    def facets(self) -> RunFacets:
        """Count all runs by their status and their version."""
        statuses: Counter[str] = Counter()
        for (_, status), number in self._counts.items():
            if number:
                statuses[status] += number
        versions = {key: number for key, number in self._versions.items() if number}
        return RunFacets(statuses, versions, self._late.total())

    def _sorted(self) -> list[tuple[int, str]]:
        if self._order is None:
            self._order = sorted((known.summary.opened, run) for run, known in self._runs.items())
        return self._order

    def _insert(self, run: str, summary: RunSummary, place: Place, known: KnownRun | None) -> None:
        if known is not None:
            self._uncount(known.summary)
        self._runs[run] = KnownRun(summary, place)
        self._counts[summary.pipeline, summary.status] += 1
        self._versions[summary.pipeline, summary.version] += 1
        self._late[summary.pipeline] += summary.late
        if known is not None and known.summary.opened == summary.opened:
            return
        if self._deleted is not None:
            self._order = None  # many more will come
        elif self._order is not None:
            if known is not None:
                self._take_from_order(run, known.summary)
            insort(self._order, (summary.opened, run))
        if len(self._runs) > self._most:
            self._leave_out_oldest()

    def _leave_out_oldest(self) -> None:
        """Leave out a twentieth at once, because each time everything has to be sorted."""
        order = self._sorted()
        surplus = len(order) - self._most + (self._most // 20 if self._deleted is not None else 0)
        for _, run in order[:surplus]:
            known = self._runs.pop(run)
            self._uncount(known.summary)
            if self._deleted is not None:
                self._deleted[run] = known.place
        del order[:surplus]
        self.left_out += surplus

    def _remove(self, run: str, summary: RunSummary) -> None:
        del self._runs[run]
        self._uncount(summary)
        if self._order is not None:
            self._take_from_order(run, summary)

    def _take_from_order(self, run: str, summary: RunSummary) -> None:
        assert self._order is not None
        index = bisect_left(self._order, (summary.opened, run))
        del self._order[index]

    def _uncount(self, summary: RunSummary) -> None:
        self._counts[summary.pipeline, summary.status] -= 1
        self._versions[summary.pipeline, summary.version] -= 1
        self._late[summary.pipeline] -= summary.late
