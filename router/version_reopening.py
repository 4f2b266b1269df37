"""How is a retired version opened again, because an event of it is replayed?

Workers host the stages of a version until it is retired. The transaction that replays a letter of a
retired version also writes that version's row without `retired`, so that every worker hosts it
again, whether a router runs or not. Everything that belonged to the version was settled when it was
retired: where Kafka has forgotten the offset of an input that nobody has read since, the stage goes
on at the end of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.catalog.active_stages import active_stages
from farandole.catalog.published_versions import read_versions
from farandole.events.record import OutgoingRecord
from farandole.events.topology_version import Version


class Reopening(NamedTuple):
    """What to commit so that versions are no longer retired."""

    rows: list[OutgoingRecord]
    """The rows of `farandole.topology`."""
    offsets: Mapping[str, Mapping[TopicPartition, int]]
    """The offsets that Kafka has forgotten, by group."""


async def prepare_reopening(settings: Settings, pipeline: str, names: Collection[str]) -> Reopening:
    """Return what opens these versions again; those that are not retired now are left out. Raises
    BrokerError and NothingAppliedError."""
    if not names:
        return Reopening([], {})
    versions = await read_versions(settings, pipeline)
    reopened = {n: v for n, v in versions.items() if v.name in names and v.retired is not None}
    rows = [open_version_row(version) for version in reopened.values()]
    offsets: dict[str, Mapping[TopicPartition, int]] = {}
    inputs = inputs_to_read_again(versions, reopened)
    if inputs:
        async with ClusterAdmin.open(settings) as admin:
            existing = await admin.all_topics()
            for stage, topics in inputs.items():
                tps = [TopicPartition(t, i) for t in topics for i in range(existing.get(t, 0))]
                groups = [settings.names.stage_group(pipeline, stage)]
                if any(v.stages[stage].is_relayed for v in reopened.values() if stage in v.stages):
                    groups.append(settings.names.outside_group(pipeline, stage))
                for group in groups:
                    committed = await admin.committed_offsets(group, tps)
                    lost = [tp for tp in tps if committed[tp] is None]
                    if lost:
                        offsets[group] = await admin.end_offsets(lost)
    return Reopening(rows, offsets)


def open_version_row(version: Version) -> OutgoingRecord:
    """Return the row of a version that is not retired."""
    row = version.model_copy(update={"retired": None})
    return OutgoingRecord(version.name.encode(), row.model_dump_json().encode())


def inputs_to_read_again(
    versions: Mapping[int, Version], reopened: Mapping[int, Version]
) -> dict[str, list[str]]:
    """Return, by stage, the topics that it reads under `reopened` versions and under none of
    `versions` that is not retired. Sorted."""
    now = active_stages(versions)
    again = active_stages({n: v.model_copy(update={"retired": None}) for n, v in reopened.items()})
    found = {
        name: sorted({*stage.topics} - {*(now[name].topics if name in now else ())})
        for name, stage in again.items()
    }
    return {name: topics for name, topics in found.items() if topics}
