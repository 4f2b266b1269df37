"""Which versions of a pipeline are published, as of now?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog
from pydantic import ValidationError

from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower, follow_table
from farandole.broker.topic_reader import read_table
from farandole.events.topology_version import Version, parse_topology_row

log = structlog.get_logger()

VersionsByNumber = Mapping[int, Version]


class NothingAppliedError(Exception):
    """No version of the pipeline was ever published to this Kafka."""


class PublishedVersions:
    """All versions of one pipeline, kept up to date."""

    def __init__(self, follower: TableFollower, pipeline: str) -> None:
        self._follower = follower
        self._pipeline = pipeline
        self._rows: Mapping[bytes, bytes] = {}
        self._versions: VersionsByNumber = {}
        self._told: VersionsByNumber | None = None
        self._known: DecodedRows = {}
        self._read(follower.rows)

    @property
    def versions(self) -> VersionsByNumber:
        """By number; another object whenever there is a new one."""
        return self._versions

    async def current(self) -> VersionsByNumber:
        """`versions`, once they hold all that could be read when this was called. Raises
        BrokerError."""
        return self._read(await self._follower.current())

    async def changed(self) -> VersionsByNumber:
        """`versions`, once they differ from what this gave the last time."""
        while self._read(self._follower.rows) is self._told:
            await self._follower.changed()
        self._told = self._versions
        return self._versions

    def _read(self, rows: Mapping[bytes, bytes]) -> VersionsByNumber:
        if rows is self._rows:
            return self._versions
        found = _decode_versions(rows, self._pipeline, self._known)
        self._rows = rows
        if found != self._versions:
            self._versions = found
        return self._versions


DecodedRows = dict[bytes, tuple[bytes, Version | None]]
"""By key, a row as it was read: it changes once, when its version is retired."""


def _decode_versions(
    rows: Mapping[bytes, bytes], pipeline: str, known: DecodedRows
) -> VersionsByNumber:
    """The versions in a table's rows; what is known is not read again."""
    for key, value in rows.items():
        if key not in known or known[key][0] != value:
            known[key] = value, _decode_version(key, value, pipeline)
    versions = (known[key][1] for key in rows)
    return {v.version: v for v in versions if v is not None}


def _decode_version(key: bytes, value: bytes, pipeline: str) -> Version | None:
    """The version in a row; None if it is none of this pipeline's, or no router wrote it."""
    if b"@" in key and not key.startswith(f"{pipeline}@".encode()):
        return None
    try:
        said = parse_topology_row(key, value)
    except ValidationError:  # one foreign record must not end every worker
        log.warning("topology.foreign", key=key.decode(errors="backslashreplace"))
        return None
    return said if isinstance(said, Version) and said.pipeline == pipeline else None


async def read_versions(settings: Settings, pipeline: str) -> VersionsByNumber:
    """All versions of a pipeline, once. Raises NothingAppliedError, and the errors of
    `read_table`."""
    found = _decode_versions(
        await read_table(settings, settings.names.topology_topic), pipeline, {}
    )
    if not found:
        raise NothingAppliedError(
            f"no version of {pipeline} was ever applied to {settings.bootstrap}; "
            "run: farandole apply"
        )
    return found


@asynccontextmanager
async def follow_versions(settings: Settings, pipeline: str) -> AsyncIterator[PublishedVersions]:
    """All versions of a pipeline, as they are published. Raises NothingAppliedError,
    BrokerError."""
    # First: a follower takes it for granted that its topic exists.
    await read_versions(settings, pipeline)
    async with follow_table(settings, settings.names.topology_topic) as follower:
        yield PublishedVersions(follower, pipeline)
