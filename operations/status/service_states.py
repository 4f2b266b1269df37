"""Which services run, where, and how far is each behind?

A service is known by its consumer group: whoever reads there is at work, on whatever machine. The
router has none; what it has said last stands in `farandole.topology`. Consoles leave no trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib.metadata import version as release
from typing import Literal

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.catalog.active_stages import active_stages
from farandole.catalog.topology_table import TopologyTable, read_topology
from farandole.events.topology_version import Version
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.results import Result

ServiceName = Literal["bookkeeper", "scheduler", "notifier", "monitor"]
ServiceHealth = Literal["working", "missing", "unneeded"]
_ASKED_AT_ONCE = 16  # consumer groups


class GroupProcess(Result):
    """A process that reads in a consumer group."""

    client: str
    """How Kafka names it: the service, and a random word, if `up` or `work` has started it."""
    host: str
    """Its address, as Kafka sees it."""
    partitions: int
    """How many it is assigned; 0 if it stands by."""


class ServiceState(Result):
    """A service that any number of processes may run."""

    name: ServiceName
    command: str
    """The command that starts one."""
    health: ServiceHealth
    """`missing`: nothing runs and something waits for it; `unneeded`: nothing waits for it."""
    processes: list[GroupProcess]
    behind: int
    """Offsets that it has not read, transaction markers included."""
    partitions: int
    """How many there are to share."""


class StageWorkers(Result):
    """The workers of a stage."""

    pipeline: str
    stage: str
    external: bool
    """True if a program of somebody else's works it."""
    processes: list[GroupProcess]
    lanes: int
    """How many there are."""
    assigned: int
    """How many some process has."""


class RouterWord(Result):
    """What a router has said last about the file of a pipeline."""

    pipeline: str
    version: str
    """The one in force, `pipeline@number`."""
    published: datetime
    published_by: str
    draining: list[str]
    """Older versions of which events may come."""
    reported: datetime | None
    """When a router last could not apply the file; None if none has said so."""
    reported_by: str
    file: str
    findings: list[str]
    """Why the file as it was saved cannot be applied."""
    waiting: list[str]
    """Dangerous changes that wait for a person."""


class KafkaState(Result):
    """The cluster."""

    bootstrap: str
    cluster: str
    oldest_release: str | None
    """The oldest release of Kafka that knows all that its brokers know; None if it is not known."""
    clock_skew: float | None
    """Seconds by which the clock of its controller is before ours; None where it may not be asked
    for."""


class ServicesResult(Result):
    """Everything that runs, as far as Kafka knows."""

    kafka: KafkaState
    release: str
    """Of Farandole, of whoever answers."""
    services: list[ServiceState]
    stages: list[StageWorkers]
    pipelines: list[RouterWord]


@query
async def list_services(installation: Installation) -> ServicesResult:
    """Return what runs and how far it is behind. Raises UnavailableError."""
    settings = installation.settings
    table = await read_topology(settings)
    async with ClusterAdmin.open(settings) as admin:
        existing = await admin.all_topics()
        # All at once: one after the other they would take some twenty round trips.
        asked = (
            _service(settings, admin, table, existing, name, command)
            for name, command in _COMMANDS.items()
        )
        kafka, stages, services = await asyncio.gather(
            _kafka(settings, admin), _stages(settings, admin, table), asyncio.gather(*asked)
        )
    return ServicesResult(
        kafka=kafka,
        release=release("farandole"),
        services=services,
        stages=stages,
        pipelines=[_router_word(table, pipeline) for pipeline in _known(table)],
    )


_COMMANDS: dict[ServiceName, str] = {
    "bookkeeper": "keep-books", "scheduler": "keep-time", "notifier": "notify",
    "monitor": "monitor",
}  # fmt: skip


async def _kafka(settings: Settings, admin: ClusterAdmin) -> KafkaState:
    oldest, cluster, clock_skew = await asyncio.gather(
        admin.oldest_release(), admin.cluster_id(), admin.clock_skew()
    )
    return KafkaState(
        bootstrap=settings.bootstrap or "",
        cluster=cluster,
        oldest_release=None if oldest is None else ".".join(map(str, oldest)),
        clock_skew=clock_skew,
    )


async def _service(
    settings: Settings,
    admin: ClusterAdmin,
    table: TopologyTable,
    existing: dict[str, int],
    name: ServiceName,
    command: str,
) -> ServiceState:
    names = settings.names
    group, topics = {
        "bookkeeper": (names.bookkeeper_group, [names.ledger_topic]),
        "monitor": (names.monitor_group, [names.ledger_topic]),
        "scheduler": (names.scheduler_group, [names.control_topic]),
        "notifier": (names.notifier_group, [names.alerts_topic, *_dead_topics(settings, table)]),
    }[name]
    partitions = [
        TopicPartition(topic, index) for topic in topics for index in range(existing.get(topic, 0))
    ]
    processes, behind = await asyncio.gather(
        _processes(admin, group), _unread(admin, group, partitions)
    )
    health: ServiceHealth = "working"
    if not processes:
        health = "missing" if _is_needed(name, table) else "unneeded"
    return ServiceState(
        name=name,
        command=command,
        health=health,
        processes=processes,
        behind=behind,
        partitions=len(partitions),
    )


def _is_needed(name: ServiceName, table: TopologyTable) -> bool:
    newest = [table.of(pipeline)[-1] for pipeline in _known(table)]
    if name == "scheduler":
        return any(version.schedules for version in newest)
    if name == "notifier":
        return any(version.alerts.routes for version in newest)
    return name == "bookkeeper" and bool(newest)


def _dead_topics(settings: Settings, table: TopologyTable) -> list[str]:
    found = {
        settings.names.dead_topic(pipeline, stage)
        for pipeline in _known(table)
        for version in table.of(pipeline)
        for stage in version.stages
    }
    return sorted(found)


async def _unread(admin: ClusterAdmin, group: str, partitions: Sequence[TopicPartition]) -> int:
    """Return the offsets behind those that a group has committed; of a partition in which it has
    committed none, all that is kept."""
    ends, firsts, done = await asyncio.gather(
        admin.end_offsets(partitions, stable=True),
        admin.start_offsets(partitions),
        admin.committed_offsets(group, partitions),
    )
    return sum(
        max(0, ends[each] - (at.offset if (at := done[each]) is not None else firsts[each]))
        for each in partitions
    )


async def _processes(admin: ClusterAdmin, group: str) -> list[GroupProcess]:
    members = await admin.group_members(group)
    found = [
        GroupProcess(client=each.client_id, host=each.host, partitions=len(each.partitions))
        for each in members
    ]
    return sorted(found, key=lambda each: (-each.partitions, each.client))


async def _stages(
    settings: Settings, admin: ClusterAdmin, table: TopologyTable
) -> list[StageWorkers]:
    limit = asyncio.Semaphore(_ASKED_AT_ONCE)

    async def workers(pipeline: str, stage: str, versions: Iterable[Version]) -> StageWorkers:
        newest = max((v for v in versions if stage in v.stages), key=lambda v: v.version)
        spec = newest.stages[stage]
        is_foreign = bool(spec.external) and not spec.is_relayed
        lanes = max((newest.events[each].partitions for each in spec.subscribes), default=0)
        async with limit:
            group = settings.names.stage_group(pipeline, stage)
            members = await admin.group_members(group)
        indexes = {tp.partition for each in members for tp in each.partitions}
        return StageWorkers(
            pipeline=pipeline,
            stage=stage,
            external=is_foreign,
            processes=[
                GroupProcess(
                    client=each.client_id,
                    host=each.host,
                    partitions=len({tp.partition for tp in each.partitions}),
                )
                for each in members
            ],
            lanes=lanes,
            assigned=len(indexes),
        )

    asked = (
        workers(pipeline, stage, table.of(pipeline))
        for pipeline in _known(table)
        for stage in active_stages({each.version: each for each in table.of(pipeline)})
    )
    return [*await asyncio.gather(*asked)]


def _router_word(table: TopologyTable, pipeline: str) -> RouterWord:
    *older, newest = table.of(pipeline)
    report = table.reports.get(pipeline)
    return RouterWord(
        pipeline=pipeline,
        version=newest.name,
        published=newest.published,
        published_by=newest.published_by,
        draining=[version.name for version in older if version.retired is None],
        reported=report.reported if report else None,
        reported_by=report.reported_by if report else "",
        file=report.file if report else "",
        findings=[*report.findings] if report else [],
        waiting=[*report.waiting] if report else [],
    )


def _known(table: TopologyTable) -> list[str]:
    """Return the pipelines of which this release can read the versions."""
    return [pipeline for pipeline in table.pipelines() if pipeline not in table.newer]
