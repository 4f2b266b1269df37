"""Which runs were there, and how did they end?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.broker.settings import Settings
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.reasons import Reason
from farandole.operations.results import Result
from farandole.operations.runs.bookkeeper_lag import no_run_rows_error, read_bookkeeper_lag
from farandole.operations.runs.newest_runs import NewestRuns, RunSummary
from farandole.operations.runs.run_rows import read_run_records, run_rows_exist

_SPARE_ROWS = 1_000  # rows that are kept beyond the requested number


@dataclass(frozen=True, slots=True)
class RunsRequest:
    """Which runs to list; a filter that is None matches all."""

    pipeline: str | None = None
    status: str | None = None
    """The beginning of a status."""
    since: int | None = None
    """Milliseconds of the epoch, as is `until`: when the run was opened."""
    until: int | None = None
    limit: int = 20

    def matches(self, run: RunSummary) -> bool:
        """Return True if the run passes all filters."""
        return (
            self.pipeline in (None, run.pipeline)
            and run.status.startswith(self.status or "")
            and (self.since is None or run.opened >= self.since)
            and (self.until is None or run.opened < self.until)
        )


class RunsResult(Result):
    """Runs, the newest first; `--json` prints `runs`."""

    runs: list[RunSummary]
    more: bool
    """True if older runs match too."""
    bookkeeper: Reason | None
    """Why the figures of open runs may be old; None if they are current or no run is open."""


@query
async def list_runs(installation: Installation, request: RunsRequest) -> RunsResult:
    """Return the newest runs that match. Raises NotFoundError `no_run_rows` if no bookkeeper has
    ever written a row."""
    settings = installation.settings
    if not await run_rows_exist(settings):
        raise no_run_rows_error(await read_bookkeeper_lag(settings))
    found = [*await _find_newest_runs(settings, request)]
    runs = found[: request.limit]
    bookkeeper = None
    if any(run.closed is None for run in runs):
        bookkeeper = (await read_bookkeeper_lag(settings)).problem()
    return RunsResult(runs=runs, more=len(found) > request.limit, bookkeeper=bookkeeper)


async def _find_newest_runs(settings: Settings, request: RunsRequest) -> NewestRuns:
    """Return at least one run more than requested, if there is one: then the caller knows that
    there are more."""
    capacity = request.limit + 1 + _SPARE_ROWS
    while True:
        newest = NewestRuns(request.matches, capacity)
        async for batch in read_run_records(settings):
            for record in batch:
                newest.add(record.run, record.row)
        if newest.is_exact(request.limit + 1):
            return newest
        capacity *= 8
