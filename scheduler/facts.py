"""What does the scheduler's lane ask of the world outside of its partitions?

Kafka, the clock and file systems stand behind these protocols. What they return does not change
while a decision is made: a property returns another object if, and only if, what it says has
changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime
from typing import NamedTuple, Protocol

from farandole.events.controls_in_force import TimedDocument
from farandole.events.topology_version import Version

VersionsByPipeline = Mapping[str, Sequence[Version]]
"""By pipeline, all versions that were ever published, the oldest first; at least one of each."""

RunCursor = Mapping[int, int]
"""By partition of `farandole.runs`, the offset of the next record to read. A partition that is not
in it is read from its first record on."""


class RunChange(NamedTuple):
    """One record of `farandole.runs`: how a run stands since then."""

    run: str
    transition: str = ""
    """What the record tells, from its `ce_type`: `completed`, `settled`, `amended` …; empty for a
    record that only replaces the row."""
    pipeline: str = ""
    root: str = ""
    """The event type of the run's root; empty if the books do not know it yet."""
    status: str = ""
    """One of `RUN_STATUSES` of `events/run_row.py`; empty if the row was deleted."""
    closed: datetime | None = None
    """When the run has ended; None if it has not, or if the row was deleted."""
    partition: int = 0
    """In which partition of `farandole.runs` it is."""

    @property
    def is_deleted(self) -> bool:
        return not self.status


class RunsRead(NamedTuple):
    """Some records of `farandole.runs` that were read, and up to where these are all."""

    changes: Sequence[RunChange]
    """In the order of each partition."""
    cursor: RunCursor
    """Of all partitions, also those of which nothing was read."""


class SeenFile(NamedTuple):
    """A file or object as a look at its folder has shown it."""

    url: str
    identity: str
    """Differs from that of any other content at this URL: the ETag, or time, size and number of the
    file."""
    size: int | None = None
    modified: datetime | None = None
    etag: str = ""
    is_settled: bool = True
    """False if the look before has shown other content, or none, so that somebody may still be
    writing."""


class FolderLook(NamedTuple):
    """What a look at a URL has found."""

    at: datetime
    """When, by the broker's clock."""
    files: Sequence[SeenFile] = ()
    """All that are there; none if the folder does not exist yet."""
    problem: str = ""
    """Why nothing could be seen, and what to do; empty if something could."""


class TriggerPlace(NamedTuple):
    """Where a trigger stands in Kafka."""

    topic: str
    partition: int
    offset: int


class PastFiring(NamedTuple):
    """A firing of which `farandole.firings` has a record."""

    planned: datetime
    suffix: str
    outcome: str


class RunFacts(Protocol):
    """The books, as `farandole.runs` tells them."""

    def follow(self, cursor: RunCursor) -> None:
        """Read on from here; discard what was read before."""

    def take(self, limit: int) -> RunsRead | None:
        """Return the next records that were read, `limit` of them at most; None if none were. Once
        they are taken they are not returned again before the next `follow`. After
        `Facts.confirm` they include everything that could be read when it was called."""

    @property
    def has_some(self) -> bool:
        """True if `take` would return some."""

    @property
    def are_behind(self) -> bool:
        """True if nobody can say how runs stand: an entry of the ledger is unread for longer than
        `LEDGER_LAG_SECONDS`, or that is not known."""


class FileFacts(Protocol):
    """The folders at which somebody looks for the lane."""

    def watch(self, urls: Mapping[str, float]) -> None:
        """Look at these URLs from now on, each after so many seconds, and at no others."""

    def take(self) -> Mapping[str, FolderLook]:
        """Return, by URL, what the newest look has found, of those URLs at which somebody has
        looked since the last call."""

    @property
    def has_some(self) -> bool:
        """True if `take` would return some."""


class Facts(Protocol):
    """Everything that the lane knows of the outside."""

    def now(self) -> datetime | None:
        """Return the broker's time, never one that it has not reached. None if it is not known: it
        was not measured yet, or the clock of this machine has jumped since then."""

    @property
    def clock_difference(self) -> float | None:
        """By how many seconds the wall clock of this machine is ahead of the broker's; None if that
        is not known."""

    async def confirm(self) -> None:
        """Measure the clock if `now` is None, and read versions, control documents, topics and runs
        up to everything that was written when this was called. Raises LaneStoppedError, and
        OutcomeUnknownError if Kafka does not answer in time."""

    @property
    def versions(self) -> VersionsByPipeline:
        """The pipelines whose versions this release can read."""

    @property
    def unreadable(self) -> Set[str]:
        """The pipelines that have a version of a newer release: their schedules must rest."""

    @property
    def documents(self) -> Sequence[TimedDocument]:
        """The documents in `farandole.control`, in the order of the log."""

    @property
    def partitions(self) -> Mapping[str, int]:
        """By name, how many partitions each topic has that exists and that we may write; at least
        those are named to which a schedule of `versions` may send a trigger."""

    @property
    def runs(self) -> RunFacts: ...

    @property
    def files(self) -> FileFacts: ...

    async def find_triggers(
        self, wanted: Mapping[str, Collection[str]], since: datetime
    ) -> Mapping[str, TriggerPlace]:
        """Return, by `ce_id`, where the triggers stand that were committed at or after `since`.
        `wanted`: by topic, their `ce_id`s. One that is not found is no longer in its topic. Raises
        LaneStoppedError and OutcomeUnknownError."""

    def past_firings(
        self, pipeline: str, schedule: str, start: datetime, end: datetime
    ) -> Sequence[PastFiring] | None:
        """Return what became of the planned times from `start` on and before `end`; None if that is
        not read yet: the first call begins to read it, and a later one returns it. The next one
        reads anew."""

    def forget_past_firings(self) -> None:
        """Discard what `past_firings` has read or is reading: a lane that opens anew does not know
        what it has fired since then."""
