"""Which versions and reports has the router of this installation published?"""

from __future__ import annotations

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.catalog import topology_table
from farandole.catalog.topology_table import TopologyTable
from farandole.events.topology_version import RouterReport, Version
from farandole.router import system_topics


class NotAppliedError(Exception):
    """Nothing was published; the message says why and what to do next, in one line."""


async def read_topology(settings: Settings) -> TopologyTable:
    """Return the whole topology table. Raises NotAppliedError if it contains a row that no router
    wrote, and the errors of `read_table`."""
    table = await topology_table.read_topology(settings)
    for key, message in table.foreign.items():
        raise NotAppliedError(
            f"{settings.names.topology_topic} holds a record with the key {key!r} that no router "
            f"wrote ({message}); write a tombstone with that key"
        )
    return table


async def published_versions_of(settings: Settings, pipeline: str) -> list[Version]:
    """Return all published versions of a pipeline, oldest first; empty if nothing was ever applied.
    Raises NotAppliedError if the table contains a row that no router wrote."""
    return list((await read_topology(settings)).of(pipeline))


async def current_version(settings: Settings, pipeline: str) -> Version | None:
    """Return the newest version of a pipeline; None before the first."""
    return (await read_topology(settings)).newest(pipeline)


async def write_report(settings: Settings, report: RouterReport) -> None:
    """Write the report of a router about a file. It replaces the previous report about the
    pipeline. Raises BrokerError."""
    topic = settings.names.topology_topic
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics(system_topics.system_topic_specs(settings.names))
    async with open_client(make_producer(settings), settings) as writer:
        value = report.model_dump_json().encode()
        record = writer.send_and_wait(topic, key=report.key, value=value)
        await with_deadline(record, settings.deadline, "writing a report")
