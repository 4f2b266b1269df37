"""Which version is in force, what is the lag of stages and books, and what does the router wait
for?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import TopicPartition
from pydantic import Field

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import (
    InputLag,
    ordered_lag_pass,
    partition_lag,
    program_input_lag,
    total_unread,
    unread_ranges,
    without_passed,
)
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.catalog.foreign_readers import ForeignReader, foreign_groups, foreign_readers
from farandole.catalog.input_faults import (
    ChangedTopic,
    ExistingTopics,
    TopicChange,
    lost_inputs,
)
from farandole.catalog.published_versions import read_versions
from farandole.catalog.topology_table import TopologyTable
from farandole.events.controls_in_force import TimedDocument
from farandole.events.next_step import CommandLine
from farandole.events.record_time import MAX_TIME_MS
from farandole.events.throttle_document import RateTarget
from farandole.events.throttled_stages import Throttled, throttled_in
from farandole.events.topology_version import Version
from farandole.operations.control.control_query import (
    PauseState,
    StageModeState,
    UnfitControl,
    UnreadableControl,
    active_pauses,
    read_control_table,
    switched_stages,
    unfit_controls,
)
from farandole.operations.control.rate_reports import find_rates
from farandole.operations.control.throttle import RateState
from farandole.operations.dead_letters.open_letter_counts import (
    OpenLetterCount,
    count_open_letters,
)
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.results import Result
from farandole.operations.runs.bookkeeper_lag import BookkeeperLag, read_bookkeeper_lag
from farandole.operations.status.lag import InputState, input_states
from farandole.operations.status.notification_backlog import (
    NotificationBacklog,
    read_notification_backlog,
)
from farandole.operations.status.publication import read_publication_state
from farandole.operations.status.schedule_summary import (
    ScheduleSummary,
    read_schedule_summaries,
)
from farandole.operations.status.waiting_events import WaitingEvents, count_waiting_events
from farandole.router.cluster_snapshot import unread_events


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """Which pipelines are shown."""

    others: bool = True
    """Also the other pipelines of the same Kafka and namespace."""


class LostInput(Result):
    """An input partition at which a stage has stopped: a person must decide where it goes on."""

    event: str
    partition: int
    committed: int | None
    """The offset that is outside of the records that are kept; None if there is none."""


class TopicDifference(Result):
    """A topic that is not the one that the version in force knows."""

    event: str
    topic: str
    change: TopicChange
    known: int
    """Partitions that the version knows."""
    found: int
    """Partitions that it has."""

    def text(self, command_line: CommandLine) -> str:
        """Return the same in words, with the command that decides as `command_line` writes it."""
        changed = ChangedTopic(self.event, self.topic, self.change, self.known, self.found)
        return f"{changed.message}; {changed.next_step.text(command_line)}"


class UncountedReader(Result):
    """A consumer group of another program that reads an event to which no stage subscribes."""

    event: str
    group: str
    members: int
    """0: it has committed offsets, and reads nothing now."""


class ProgramState(Result):
    """The program of a stage with `external: at-least-once`."""

    group: str
    members: int
    unread: int
    """In offsets, behind its own committed ones."""


class ThrottledStage(Result):
    """A stage in which events wait for a throttle, or whose rate is 0."""

    since: datetime | None
    """None if nothing waits, as far as the lanes have said: they do every ten seconds."""
    waiting: int
    """How many events its lanes know of that they have not taken."""
    lanes: list[int]
    rates: list[RateState]
    """That of the stage, and that of the roots that it takes."""


class PipelineStatus(Result):
    """The state of one pipeline."""

    pipeline: str
    version: str | None
    """The version in force, `pipeline@number`; None before the first."""
    published: datetime | None
    published_by: str | None
    rollback_of: int | None
    stages: dict[str, list[InputState]]
    draining: dict[str, list[InputState]]
    """The stages that older versions alone have, and that still have events of theirs."""
    waiting: dict[str, WaitingEvents]
    """By stage, first those of `stages`, then those of `draining`."""
    dead: dict[str, OpenLetterCount]
    """The same stages in the same order."""
    workers: dict[str, int]
    """By stage, in the same order: the number of worker processes that are members of its group."""
    paused: dict[str, PauseState]
    router: dict[str, Any] | None
    """The report of the router; None if it has written none."""
    lost: dict[str, list[LostInput]] = Field(default_factory=dict)
    """By stage; without the stages that have all of their offsets."""
    changed_topics: list[TopicDifference] = Field(default_factory=list)
    uncounted_readers: list[UncountedReader] = Field(default_factory=list)
    """Their work is in no books: a run is complete without it."""
    switched: dict[str, StageModeState] = Field(default_factory=dict)
    """The stages that are not on, also those of `paused`."""
    throttled: dict[str, ThrottledStage] = Field(default_factory=dict)
    """The stages in which events wait for a throttle, and so are not late."""
    gated: dict[str, int] = Field(default_factory=dict)
    """By stage with a gate, the unread offsets of its inputs: what may not enter yet is among
    them."""
    programs: dict[str, ProgramState] = Field(default_factory=dict)
    """By stage whose outputs are relayed."""
    schedules: ScheduleSummary | None = None
    """None if the version in force has none."""


class StatusResult(PipelineStatus):
    """The state of the folder's pipeline, and of what all pipelines share."""

    bootstrap: str | None
    namespace: str
    publishing: bool
    """True while the topology topic has an open transaction: a version is being published, or its
    router has died meanwhile."""
    others: list[PipelineStatus]
    notifier: NotificationBacklog
    ledger: BookkeeperLag
    unreadable_controls: list[UnreadableControl]
    """Records of the control topic that are no documents."""
    unfit_controls: list[UnfitControl] = Field(default_factory=list)
    """Documents that fit no version."""

    def to_data(self) -> dict[str, Any]:
        """Return the JSON data; the address of Kafka comes first, for people who read it, and the
        ledger has its `problem` beside the figures: a reason, or null."""
        data = {
            "bootstrap": self.bootstrap, "namespace": self.namespace, **super().to_data(),
        }  # fmt: skip
        problem = self.ledger.problem()
        data["ledger"]["problem"] = problem.to_data() if problem is not None else None
        return data


@query
async def read_status(installation: Installation, request: StatusRequest) -> StatusResult:
    """Return the status of the pipeline and of the installation. Raises NotFoundError
    (`nothing_applied`) if there is nothing to show, and UnavailableError."""
    settings = installation.settings
    own = await installation.require_pipeline()
    async with ClusterAdmin.open(settings) as admin:
        table, publishing = await read_publication_state(admin, settings)
    documents, unreadable = await read_control_table(settings)
    shares = await read_table(settings, settings.names.shares_topic)
    throttled = throttled_in(shares, int(time.time() * 1000))
    others = [
        name
        for name in table.pipelines()
        if name != own and request.others and name not in table.newer
    ]
    if table.newest(own) is None and not (own in table.reports or others or publishing):
        await read_versions(settings, own)  # raises an error that says what to do
    async with ClusterAdmin.open(settings) as admin:
        names = [own, *others]
        readers = await _leaf_readers(admin, settings, table, names)
        versions = [version for name in names if (version := table.newest(name)) is not None]
        existing = await ExistingTopics.read(admin, versions)
        summaries = await read_schedule_summaries(
            admin, settings, table, versions, [*documents.values()], datetime.now(UTC)
        )
        pipelines = [
            await _read_pipeline(
                admin, settings, table, documents, throttled, readers, existing, name
            )
            for name in names
        ]
        first, *rest = [
            each.model_copy(update={"schedules": summaries.get(each.pipeline)})
            for each in pipelines
        ]
        stages = {(v.pipeline, stage) for v in table.versions for stage in v.stages}
        backlog = await read_notification_backlog(admin, settings, stages)
    return StatusResult(
        bootstrap=settings.bootstrap,
        namespace=settings.namespace,
        **{name: getattr(first, name) for name in PipelineStatus.model_fields},
        publishing=publishing,
        others=rest,
        notifier=backlog,
        ledger=await read_bookkeeper_lag(settings),
        unreadable_controls=[*unreadable],
        unfit_controls=unfit_controls(
            [*documents.values()], table.versions, datetime.now(UTC), table.newer
        ),
    )


async def _read_pipeline(
    admin: ClusterAdmin,
    settings: Settings,
    table: TopologyTable,
    documents: Mapping[bytes, TimedDocument],
    throttled: Mapping[tuple[str, str], Throttled],
    readers: Sequence[ForeignReader],
    existing: ExistingTopics,
    name: str,
) -> PipelineStatus:
    version = table.newest(name)
    changed = existing.changed(version) if version else {}
    if version is not None and any(each and each.change == "gone" for each in changed.values()):
        lags: Mapping[str, list[InputLag]] = {}  # a topic that is gone has no offsets
    else:
        lags = await ordered_lag_pass(admin, settings.names, version) if version else {}
    lost = {stage: await lost_inputs(admin, of, changed) for stage, of in lags.items()}
    programs: dict[str, list[InputLag]] = {}
    for stage, spec in version.stages.items() if version and lags else ():
        if version and spec.is_relayed:
            programs[stage] = await program_input_lag(admin, settings.names, version, stage)
            lost[stage] = lost[stage] or await lost_inputs(admin, programs[stage], changed)
    draining = await _draining_stages(admin, settings, table, name)
    stages = [*lags, *draining]
    report = table.reports.get(name)
    found = unfit_controls([*documents.values()], table.versions, datetime.now(UTC), table.newer)
    unfit = {each.generation for each in found}
    return PipelineStatus(
        pipeline=name,
        version=version.name if version else None,
        published=version.published if version else None,
        published_by=version.published_by if version else None,
        rollback_of=version.rollback_of if version else None,
        stages=input_states(lags),
        draining=input_states(draining),
        dead=await count_open_letters(admin, settings, name, stages),
        waiting=await count_waiting_events(admin, settings, name, stages),
        workers={
            stage: await admin.count_members(settings.names.stage_group(name, stage))
            for stage in stages
        },
        paused=active_pauses(documents, name, stages, datetime.now(UTC), unfit),
        switched=switched_stages(documents, name, stages, datetime.now(UTC), unfit),
        throttled={
            stage: held
            for stage, of in {**lags, **draining}.items()
            if (
                held := throttled_stage(
                    stage_rates(table, documents, name, stage),
                    throttled.get((name, stage)),
                    sum(each.lag for each in of),
                )
            )
        },
        router=report.model_dump(mode="json", exclude={"kind", "pipeline"}) if report else None,
        lost={stage: [*map(_lost_input, inputs)] for stage, inputs in lost.items() if inputs},
        changed_topics=[_topic_difference(each) for each in changed.values() if each is not None],
        uncounted_readers=[
            UncountedReader(event=event, group=reader.group, members=reader.members)
            for event, topic in _leaves(version).items()
            for reader in readers
            if topic in reader.topics
        ],
        gated={
            stage: sum(each.lag for each in of)
            for stage, of in lags.items()
            if version is not None and version.stages[stage].gate
        },
        programs={
            stage: await _program_state(
                admin, settings.names.outside_group(name, stage), without_passed(of, lags[stage])
            )
            for stage, of in programs.items()
        },
    )


def throttled_stage(
    rates: Sequence[RateState], said: Throttled | None, lag: int
) -> ThrottledStage | None:
    """Return how a stage is throttled; None if it is not. `said`: what its lanes have said, up to
    ten seconds ago; `lag`: that of the stage now."""
    waiting = min(said.waiting, lag) if said is not None else 0
    if not waiting and all(rate.per_second != 0 for rate in rates):
        return None
    since = min(said.since, MAX_TIME_MS) / 1000 if said is not None and waiting else None
    return ThrottledStage(
        since=None if since is None else datetime.fromtimestamp(since, UTC),
        waiting=waiting,
        lanes=[*said.lanes] if said is not None and waiting else [],
        rates=[*rates],
    )


def stage_rates(
    table: TopologyTable, documents: Mapping[bytes, TimedDocument], pipeline: str, stage: str
) -> list[RateState]:
    """Return the rate of a stage, and that of the roots if it takes any."""
    versions = {version.version: version for version in table.of(pipeline)}
    newest = table.newest(pipeline)
    if newest is not None and stage in newest.stages and newest.stages[stage].external:
        return []  # its program heeds no throttle
    takes_roots = any(
        not version.emitters(event_type)
        for version in versions.values()
        if version.retired is None and stage in version.stages
        for event_type in version.stages[stage].subscribes
    )
    targets = [RateTarget(stage), RateTarget()] if takes_roots else [RateTarget(stage)]
    known = [*documents.values()]
    found = (find_rates(pipeline, each, versions, known, datetime.now(UTC)) for each in targets)
    return [rates for rates in found if rates is not None]


async def _program_state(admin: ClusterAdmin, group: str, lags: Sequence[InputLag]) -> ProgramState:
    return ProgramState(
        group=group,
        members=await admin.count_members(group),
        unread=total_unread(await unread_ranges(admin, lags)),
    )


def _leaves(version: Version | None) -> dict[str, str]:
    """Return the topics of the events to which no stage subscribes, by event type."""
    if version is None:
        return {}
    return {
        event_type: event.topic
        for event_type, event in version.events.items()
        if not version.subscribers(event_type)
    }


async def _leaf_readers(
    admin: ClusterAdmin, settings: Settings, table: TopologyTable, pipelines: Sequence[str]
) -> list[ForeignReader]:
    """Return the groups of other programs that have read a leaf of one of the pipelines."""
    leaves = {topic for name in pipelines for topic in _leaves(table.newest(name)).values()}
    if not leaves:
        return []
    existing = await admin.all_topics()
    partitions = [
        TopicPartition(topic, index)
        for topic in sorted(leaves)
        for index in range(existing.get(topic, 0))
    ]
    # The stages of a pipeline that this release cannot read are unknown; their groups are not.
    unknown = tuple(f"{settings.names.prefix}{name}." for name in table.newer)
    groups = [group for group in await admin.groups() if not group.startswith(unknown)]
    foreign = foreign_groups(settings.names, table.versions, groups)
    return await foreign_readers(admin, foreign, partitions, skip_denied=True)


def _lost_input(lag: InputLag) -> LostInput:
    return LostInput(
        event=lag.event_type, partition=lag.partition.partition, committed=lag.committed
    )


def _topic_difference(changed: ChangedTopic) -> TopicDifference:
    return TopicDifference(
        event=changed.event_type,
        topic=changed.topic,
        change=changed.change,
        known=changed.known,
        found=changed.found,
    )


async def _draining_stages(
    admin: ClusterAdmin, settings: Settings, table: TopologyTable, name: str
) -> dict[str, list[InputLag]]:
    """Return the stages that only older versions have and that have not read all events of them."""
    newest = table.newest(name)
    removed: dict[str, dict[str, str]] = {}
    for version in table.of(name):
        if version.retired is not None:
            continue
        for stage in version.stages.keys() - (newest.stages.keys() if newest else ()):
            for event_type in version.stages[stage].subscribes:
                removed.setdefault(stage, {})[version.events[event_type].topic] = event_type
    existing = await admin.all_topics() if removed else {}
    lags = {}
    for stage, topics in sorted(removed.items()):
        partitions = {
            TopicPartition(topic, index): event_type
            for topic, event_type in topics.items()
            for index in range(existing.get(topic, 0))
        }
        group = settings.names.stage_group(name, stage)
        lags[stage] = await partition_lag(admin, group, partitions)
    # Without a worker, the lag may consist only of markers and events of newer versions.
    unread = {each.stage for each in await unread_events(settings, table.of(name), lags)}
    return {stage: inputs for stage, inputs in lags.items() if stage in unread}
