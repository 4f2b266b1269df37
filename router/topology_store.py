"""Which versions has this installation published, and what did its routers report?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.events.topology_version import (
    Installation,
    RouterReport,
    Version,
    parse_topology_row,
)
from farandole.router import system_topics


class NotAppliedError(Exception):
    """Nothing was published; the message says why and what to do next, in one line."""


@dataclass(frozen=True, slots=True)
class TopologyTable:
    """All of `farandole.topology`."""

    installation: Installation | None
    versions: tuple[Version, ...]
    """Of all pipelines, each one's oldest first."""
    reports: Mapping[str, RouterReport]
    """By pipeline."""

    def of(self, pipeline: str) -> tuple[Version, ...]:
        return tuple(v for v in self.versions if v.pipeline == pipeline)

    def newest(self, pipeline: str) -> Version | None:
        """None before the first."""
        return max(self.of(pipeline), key=lambda v: v.version, default=None)

    def pipelines(self) -> list[str]:
        return list(dict.fromkeys(v.pipeline for v in self.versions))


async def read_topology(settings: Settings) -> TopologyTable:
    """Raises NotAppliedError where the table holds what no router wrote."""
    topic = settings.names.topology_topic
    installation = None
    versions, reports = [], {}
    for key, value in (await read_table(settings, topic)).items():
        try:
            said = parse_topology_row(key, value)
        except ValidationError as error:
            raise NotAppliedError(
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
    return TopologyTable(installation, tuple(versions), reports)


async def published_versions_of(settings: Settings, pipeline: str) -> list[Version]:
    """All published versions of a pipeline, oldest first; none where nothing was ever applied.
    Raises NotAppliedError where the table holds what no router wrote."""
    return list((await read_topology(settings)).of(pipeline))


async def current_version(settings: Settings, pipeline: str) -> Version | None:
    """The newest version of a pipeline; None before the first."""
    return (await read_topology(settings)).newest(pipeline)


async def write_report(settings: Settings, said: RouterReport) -> None:
    """Tell what a router thinks of a file; the newest report of a pipeline replaces the one before.
    Raises BrokerError."""
    topic = settings.names.topology_topic
    async with ClusterAdmin.open(settings) as admin:
        await admin.create(system_topics.system_topic_specs(settings.names))
    async with open_client(make_producer(settings), settings) as writer:
        record = writer.send_and_wait(topic, key=said.key, value=said.model_dump_json().encode())
        await with_deadline(record, settings.deadline, "writing a report")
