"""How does the router run as a process that applies a pipeline's file at each save?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from farandole.broker.backoff import is_logged
from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.catalog.input_faults import ChangedTopic, ExistingTopics
from farandole.catalog.topology_table import TopologyTable
from farandole.events.row_format import NewerFormatError
from farandole.events.topology_version import Version
from farandole.operations.actor import Actor
from farandole.operations.deed import Deed
from farandole.operations.installation import Installation
from farandole.operations.topology.apply import record_applied
from farandole.operations.topology.followed_files import following
from farandole.operations.topology_source import TopologySource
from farandole.router.change_plan import ChangePlan
from farandole.router.file_watcher import follow_files
from farandole.router.isolated_check import CheckVerdict, IsolatedChecker
from farandole.router.topic_specs import state_topic_specs
from farandole.router.topic_upgrade import upgrade_topics
from farandole.router.topology_derivation import derive_from_version
from farandole.router.topology_store import NotAppliedError, read_topology
from farandole.router.version_retirement import retire_versions
from farandole.services.invocation import Invocation
from farandole.services.service_runner import MeteredService, service_lifetime

_RETIRE_INTERVAL = 15.0  # seconds between two checks which versions can be retired


async def run_router_service(invocation: Invocation, paths: Sequence[Path], by: str) -> None:
    """Follow the files until Ctrl-C or SIGTERM, and retire versions whose last event is settled.
    `by` is who publishes. Raises InvalidSettingsError."""
    environment = RouterEnvironment.of(invocation, by)
    retiring = asyncio.create_task(_look_after_versions(invocation))
    try:
        metered = MeteredService("router", invocation.folder)
        async with service_lifetime(metered=metered) as stopping:
            with following(invocation.folder, environment.checker.namespace, paths):
                await follow_files(paths, environment, stopping)
    finally:
        retiring.cancel()
        await environment.checker.close()


async def _look_after_versions(invocation: Invocation) -> None:
    """Bring the topics of an older release up to date; then, every _RETIRE_INTERVAL, retire the
    versions whose last event is settled, and report topics that others have changed, until
    cancelled."""
    reported: frozenset[ChangedTopic] = frozenset()
    failures = 0  # in a row
    upgraded = False
    while True:
        await asyncio.sleep(_RETIRE_INTERVAL if upgraded or failures else 0)
        try:
            settings = await invocation.connect()
            table = await read_topology(settings)
            if not upgraded:
                await create_state_topics(settings, table)
                async with ClusterAdmin.open(settings) as admin:
                    await upgrade_topics(admin, settings.names)
                upgraded = True
                continue
            for pipeline in table.pipelines():
                if pipeline not in table.newer:
                    await retire_versions(settings, pipeline)
            async with ClusterAdmin.open(settings) as admin:
                known = [v for v in table.newest_versions() if v.pipeline not in table.newer]
                reported = await report_changed_topics(admin, known, reported)
            failures = 0
        except (BrokerError, NotAppliedError, NewerFormatError) as error:
            failures += 1
            if is_logged(failures):
                structlog.get_logger().warning(
                    "route.unretired",
                    why=f"old versions cannot be looked through for finished ones: {error}",
                    remedy=f"events flow on; it is tried again every {_RETIRE_INTERVAL:g} s",
                )


async def create_state_topics(settings: Settings, table: TopologyTable) -> None:
    """Create the missing topics of lane states for all versions that are not retired: those that an
    earlier release has published name none. Raises BrokerError."""
    topics: dict[str, TopicSpec] = {}
    for version in table.versions:
        if version.retired is None and version.pipeline not in table.newer:
            derived = derive_from_version(version, settings.names)
            for topic, spec in state_topic_specs(derived.stages).items():
                known = topics.get(topic, spec)
                topics[topic] = max(known, spec, key=lambda each: each.partitions)
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics(topics)


async def report_changed_topics(
    admin: ClusterAdmin, versions: Sequence[Version], reported: Set[ChangedTopic]
) -> frozenset[ChangedTopic]:
    """Log the topics of these versions, the newest of each pipeline, that others have changed, and
    return them. Those in `reported`, the result of the last call, are not logged again. Raises
    BrokerError."""
    existing = await ExistingTopics.read(admin, versions)
    found = {
        each: version
        for version in versions
        for each in existing.changed(version).values()
        if each is not None
    }
    for each, version in found.items():
        if each not in reported:
            structlog.get_logger().warning(
                "topic.changed",
                version=version.name,
                why=each.message,
                remedy=str(each.next_step),
            )
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class RouterEnvironment:
    """What the router of one pipeline's folder needs from outside; see the protocol of the same
    name in `router.file_watcher`."""

    invocation: Invocation
    checker: IsolatedChecker
    author: str

    @classmethod
    def of(cls, invocation: Invocation, by: str) -> RouterEnvironment:
        """Return the environment for a pipeline's folder. Raises InvalidSettingsError."""
        namespace = invocation.settings().namespace
        return cls(invocation, IsolatedChecker(invocation.folder, namespace), by)

    @property
    def code_folder(self) -> Path:
        """Return the folder that functions are imported from."""
        return self.invocation.folder

    async def connect(self) -> Settings:
        """Return settings with the address of a Kafka, wherever it is now. Raises BrokerError."""
        return await self.invocation.connect()

    async def check_file(self, file: Path) -> CheckVerdict:
        """Return the verdict of a check of the file in a separate process."""
        return await self.checker.check(file)

    async def prepare_next_check(self) -> None:
        """Prepare the process for the next check."""
        await self.checker.prepare()

    async def record_applied(
        self, settings: Settings, file: Path, plan: ChangePlan, version: Version
    ) -> None:
        """Record in `farandole.actions` that a file was applied."""
        installation = Installation(
            settings,
            self.invocation.folder,
            TopologySource(file, self.invocation.folder),
            plan.derived.pipeline,
            actor=Actor("router", "program", origin=socket.gethostname()),
            deed=Deed(target=file.name),
        )
        await record_applied(installation, plan, version, self.author)

    def allow_command(self, file: Path, dangers: Sequence[str]) -> str:
        """Return the command with which a person applies a file in spite of these dangers."""
        own = file.resolve() == (self.invocation.folder / "topology.yaml").resolve()
        invocation = replace(self.invocation, file=None if own else file)
        return invocation.command_line("apply", *(f"--allow {danger}" for danger in dangers))
