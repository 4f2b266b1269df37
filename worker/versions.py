"""Which versions of a pipeline are published, as of now?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog
from pydantic import ValidationError

from farandole.broker.follower import Follower, followed
from farandole.broker.settings import Settings
from farandole.broker.tables import read_table
from farandole.events.topology import Version, row

log = structlog.get_logger()

Versions = Mapping[int, Version]


class NothingApplied(Exception):  # noqa: N818 -- what is the case
    """No version of the pipeline was ever published to this Kafka."""


class Published:
    """All versions of one pipeline, kept up to date."""

    def __init__(self, follower: Follower, pipeline: str) -> None:
        self._follower = follower
        self._pipeline = pipeline
        self._rows: Mapping[bytes, bytes] = {}
        self._versions: Versions = {}
        self._told: Versions | None = None
        self._known: Known = {}
        self._read(follower.rows)

    @property
    def versions(self) -> Versions:
        """By number; another object whenever there is a new one."""
        return self._versions

    async def current(self) -> Versions:
        """`versions`, once they hold all that could be read when this was called. Raises
        BrokerError."""
        return self._read(await self._follower.current())

    async def changed(self) -> Versions:
        """`versions`, once they differ from what this gave the last time."""
        while self._read(self._follower.rows) is self._told:
            await self._follower.changed()
        self._told = self._versions
        return self._versions

    def _read(self, rows: Mapping[bytes, bytes]) -> Versions:
        if rows is self._rows:
            return self._versions
        found = _found(rows, self._pipeline, self._known)
        self._rows = rows
        if found != self._versions:
            self._versions = found
        return self._versions


Known = dict[bytes, tuple[bytes, Version | None]]
"""By key, a row as it was read: it changes once, when its version is retired."""


def _found(rows: Mapping[bytes, bytes], pipeline: str, known: Known) -> Versions:
    """The versions in a table's rows; what is known is not read again."""
    for key, value in rows.items():
        if key not in known or known[key][0] != value:
            known[key] = value, _version(key, value, pipeline)
    versions = (known[key][1] for key in rows)
    return {v.version: v for v in versions if v is not None}


def _version(key: bytes, value: bytes, pipeline: str) -> Version | None:
    """The version in a row; None if it is none of this pipeline's, or no router wrote it."""
    if b"@" in key and not key.startswith(f"{pipeline}@".encode()):
        return None
    try:
        said = row(key, value)
    except ValidationError:  # one foreign record must not end every worker
        log.warning("topology.foreign", key=key.decode(errors="backslashreplace"))
        return None
    return said if isinstance(said, Version) and said.pipeline == pipeline else None


async def published(settings: Settings, pipeline: str) -> Versions:
    """All versions of a pipeline, once. Raises NothingApplied, and the errors of `read_table`."""
    found = _found(await read_table(settings, settings.names.topology), pipeline, {})
    if not found:
        raise NothingApplied(
            f"no version of {pipeline} was ever applied to {settings.bootstrap}; "
            "run: farandole apply"
        )
    return found


@asynccontextmanager
async def following(settings: Settings, pipeline: str) -> AsyncIterator[Published]:
    """All versions of a pipeline, as they are published. Raises NothingApplied, BrokerError."""
    # First: a follower takes it for granted that its topic exists.
    await published(settings, pipeline)
    async with followed(settings, settings.names.topology) as follower:
        yield Published(follower, pipeline)
