"""Which versions of one pipeline are published now?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower, follow_table
from farandole.broker.topic_reader import read_table
from farandole.catalog.topology_table import TopologyDecoder, TopologyTable, log_foreign_row
from farandole.events.next_step import NextStep
from farandole.events.topology_version import Version

VersionsByNumber = Mapping[int, Version]
"""The versions of one pipeline, oldest first."""


class NothingAppliedError(Exception):
    """No version of the pipeline was ever published to this Kafka."""

    def __init__(self, message: str, next_step: NextStep | None = None) -> None:
        """`message` contains no command; the error's text is the message and the text of
        `next_step`."""
        super().__init__(message if next_step is None else f"{message}; {next_step}")
        self.message = message
        self.next_step = next_step


class PublishedVersions:
    """All versions of one pipeline, kept up to date by a follower of the topology table."""

    def __init__(self, follower: TableFollower, pipeline: str) -> None:
        self._follower = follower
        self.pipeline = pipeline
        self._decoder = TopologyDecoder(pipeline, log_foreign_row)
        self._table: TopologyTable | None = None
        self._versions: VersionsByNumber = {}
        self._last_returned: VersionsByNumber | None = None
        self._refresh(follower.rows)

    @property
    def versions(self) -> VersionsByNumber:
        """The versions as of the last refresh. It is a new object if, and only if, a version has
        changed."""
        return self._versions

    async def current(self) -> VersionsByNumber:
        """Return `versions` after everything is read that was written when this was called.

        A version counts as soon as Kafka has acknowledged it: readers may pass its boundaries
        before it can be read, if its coordinator is away meanwhile. Raises BrokerError, and
        NewerFormatError if a newer release has published one that this release cannot read."""
        return self._refresh(await self._follower.settled())

    async def changed(self) -> VersionsByNumber:
        """Wait until `versions` differ from what this returned the last time, and return them.
        Raises NewerFormatError."""
        while self._refresh(self._follower.rows) is self._last_returned:
            await self._follower.next_change()
        self._last_returned = self._versions
        return self._versions

    def _refresh(self, rows: Mapping[bytes, bytes]) -> VersionsByNumber:
        table = self._decoder.decode(rows)
        if table is not self._table:
            found = _by_number(table, self.pipeline)
            self._table = table  # not before, because the next call must raise the same error
            if found != self._versions:  # a router's report also changes the table
                self._versions = found
        return self._versions


def _by_number(table: TopologyTable, pipeline: str) -> VersionsByNumber:
    return {version.version: version for version in table.of(pipeline)}


async def read_versions(settings: Settings, pipeline: str) -> VersionsByNumber:
    """Return all versions of a pipeline, as committed when this is called. Raises
    NothingAppliedError, NewerFormatError, and the errors of `read_table`."""
    decoder = TopologyDecoder(pipeline, log_foreign_row)
    rows = await read_table(settings, settings.names.topology_topic)
    found = _by_number(decoder.decode(rows), pipeline)
    if not found:
        raise NothingAppliedError(
            f"no version of {pipeline} was ever applied to {settings.bootstrap}",
            NextStep("run", ("apply",)),
        )
    return found


@asynccontextmanager
async def follow_versions(settings: Settings, pipeline: str) -> AsyncIterator[PublishedVersions]:
    """Follow the versions of a pipeline as they are published. Raises NothingAppliedError,
    NewerFormatError and BrokerError."""
    # This comes first, because a follower expects that its topic exists.
    await read_versions(settings, pipeline)
    async with follow_table(settings, settings.names.topology_topic) as follower:
        yield PublishedVersions(follower, pipeline)
