"""Which runs does somebody want to see, and where does the next page begin?"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Set
from dataclasses import dataclass

from farandole.operations.errors import InvalidRequestError
from farandole.operations.read_model.run_durations import Durations
from farandole.operations.results import Result
from farandole.operations.runs.newest_runs import RunSummary

MAX_PAGE = 500


@dataclass(frozen=True, slots=True)
class RunsQuery:
    """Which runs; a filter that is None or empty matches all."""

    pipeline: str | None = None
    statuses: Set[str] = frozenset()
    """Whole statuses (`events/run_row.py`)."""
    since: int | None = None
    """Milliseconds of the epoch, as is `until`: when the run was opened."""
    until: int | None = None
    late: bool | None = None
    version: int | None = None
    schedule: str | None = None
    text: str = ""
    """What stands in the id of the run or of the one that it repeats, or in its pipeline, root
    event, schedule or status, in lower case."""
    limit: int = 100
    cursor: str | None = None
    """That of the page before; None for the newest runs."""

    def matches(self, run: RunSummary) -> bool:
        """Return True if the run passes all filters."""
        return (
            self.pipeline in (None, run.pipeline)
            and (not self.statuses or run.status in self.statuses)
            and (self.since is None or run.opened >= self.since)
            and (self.until is None or run.opened < self.until)
            and self.late in (None, run.late)
            and self.version in (None, run.version)
            and self.schedule in (None, run.schedule)
            and (not self.text or self._is_found_in(run))
        )

    @property
    def is_filtered(self) -> bool:
        """True if some runs may not match."""
        filters = (
            self.pipeline, self.since, self.until, self.late, self.version, self.schedule,
        )  # fmt: skip
        return bool(self.statuses or self.text) or any(each is not None for each in filters)

    def _is_found_in(self, run: RunSummary) -> bool:
        wanted = self.text.lower()
        return (
            wanted in run.run
            or wanted in (run.again or "")
            or wanted in run.pipeline
            or wanted in run.status
            or wanted in (run.schedule or "").lower()
            or wanted in (run.root or "")
        )


class RunsPage(Result):
    """Some runs, the newest first."""

    runs: list[RunSummary]
    cursor: str | None
    """Where the next page begins; None if this is the last one."""
    total: int
    """How many runs match in all, as far as they are known."""
    before: dict[str, list[int]]
    """By run: how long up to 15 runs before it took, in milliseconds, the oldest first; those that
    had ended, with a root of the same type and schedule."""
    revision: str
    """What the page shows."""


class VersionCount(Result):
    """How many runs a version has."""

    pipeline: str
    version: int
    runs: int


class RunsOverview(Result):
    """What there is to choose from, for a query without its statuses and version."""

    statuses: dict[str, int]
    """How many runs have each status (`events/run_row.py`)."""
    late: int
    total: int
    versions: list[VersionCount]
    """The newest version of each pipeline first."""
    durations: Durations
    """Of the newest 120 runs."""
    revision: str


class RunPlace(tuple[int, str]):
    """Where a run stands among all: when it was opened, in milliseconds of the epoch, and its
    id."""

    __slots__ = ()

    def to_cursor(self) -> str:
        """Return the cursor of the page that follows this run."""
        return urlsafe_b64encode(f"{self[0]} {self[1]}".encode()).decode().rstrip("=")

    @classmethod
    def from_cursor(cls, cursor: str) -> RunPlace:
        """Raises InvalidRequestError (`invalid_request`) if no page has this cursor."""
        try:
            text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
            opened, run = text.split(" ", 1)
            return cls((int(opened), run))
        except ValueError:
            raise InvalidRequestError(
                "invalid_request", f"{cursor!r} is the cursor of no page; begin without one"
            ) from None
