"""Which versions has this installation published, and what did its routers report?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from farandole.broker.admin import Admin
from farandole.broker.clients import opened, producer, within
from farandole.broker.settings import Settings
from farandole.broker.tables import read_table
from farandole.events.topology import Installation, Report, Version, row
from farandole.router import system


class NotApplied(Exception):  # noqa: N818 -- what the file is
    """Nothing was published; the message says why and what to do next, in one line."""


@dataclass(frozen=True, slots=True)
class Table:
    """All of `farandole.topology`."""

    installation: Installation | None
    versions: tuple[Version, ...]
    """Of all pipelines, each one's oldest first."""
    reports: Mapping[str, Report]
    """By pipeline."""

    def of(self, pipeline: str) -> tuple[Version, ...]:
        return tuple(v for v in self.versions if v.pipeline == pipeline)

    def newest(self, pipeline: str) -> Version | None:
        """None before the first."""
        return max(self.of(pipeline), key=lambda v: v.version, default=None)

    def pipelines(self) -> list[str]:
        return list(dict.fromkeys(v.pipeline for v in self.versions))


async def read(settings: Settings) -> Table:
    """Raises NotApplied where the table holds what no router wrote."""
    topic = settings.names.topology
    installation = None
    versions, reports = [], {}
    for key, value in (await read_table(settings, topic)).items():
        try:
            said = row(key, value)
        except ValidationError as error:
            raise NotApplied(
                f"{topic} holds a record with the key {key!r} that no router wrote "
                f"({error.errors()[0]['msg']}); write a tombstone with that key"
            ) from None
        if isinstance(said, Installation):
            installation = said
        elif isinstance(said, Version):
            versions.append(said)
        else:
            reports[said.pipeline] = said
    versions.sort(key=lambda v: (v.pipeline, v.version))
    return Table(installation, tuple(versions), reports)


async def versions(settings: Settings, pipeline: str) -> list[Version]:
    """All published versions of a pipeline, oldest first; none where nothing was ever applied.
    Raises NotApplied where the table holds what no router wrote."""
    return list((await read(settings)).of(pipeline))


async def current(settings: Settings, pipeline: str) -> Version | None:
    """The newest version of a pipeline; None before the first."""
    return (await read(settings)).newest(pipeline)


async def report(settings: Settings, said: Report) -> None:
    """Tell what a router thinks of a file; the newest report of a pipeline replaces the one before.
    Raises BrokerError."""
    topic = settings.names.topology
    async with Admin.open(settings) as admin:
        await admin.create(system.topics(settings.names))
    async with opened(producer(settings), settings) as writer:
        record = writer.send_and_wait(topic, key=said.key, value=said.model_dump_json().encode())
        await within(record, settings.deadline, "writing a report")
