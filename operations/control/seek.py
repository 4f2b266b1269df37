"""How is the offset of a stage set, if it was lost?

A lane whose offset is lost (retention has deleted the records, or the topic was created again)
waits for a person to decide. Moving an offset follows the lane's own protocol, under the lane's own
transactional id:

1. Starting the producer fences every other producer with that id: no lane and no zombie can
   overwrite our offset with an older one, and an open transaction is ended.
2. **Then** the committed offset is read again: from now on nobody else can change it.
3. The new offset commits in a transaction. A worker that starts between 1 and 3 fences *us*, and
   nothing has changed; one that starts later reads our offset.
4. Kafka acknowledges the transaction before everybody can read its offsets, so they are waited for:
   whoever looks after `seek` sees what it has moved.

This is exact whether or not workers run. While they run, only a lost offset is moved: there the
lane does nothing, whereas elsewhere the offset would move while the lane is reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from aiokafka import TopicPartition
from pydantic import Field

from farandole.broker.broker_errors import (
    DeadlineExceededError,
    ProducerFencedError,
    TransactionFailedError,
)
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import (
    InputLag,
    partition_lag,
    program_input_lag,
    stage_input_lag,
)
from farandole.broker.settings import Settings
from farandole.broker.transactions import fenced_producer
from farandole.catalog.input_faults import ChangedTopic, changed_topics
from farandole.events.next_step import NextStep
from farandole.events.topology_version import Version
from farandole.operations.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
    operation,
)
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.recorded import recorded
from farandole.operations.results import Result

SeekTarget = int | Literal["earliest", "latest"]


@dataclass(frozen=True, slots=True)
class SeekRequest:
    """Which offsets of a stage are moved, and to which offset."""

    stage: str
    to: SeekTarget
    partition: int | None = None
    """This partition, lost or not; None: those whose offset is lost."""
    event_type: str | None = None
    """This input alone; None: every input of the stage."""
    every: bool = False
    """Every partition, lost or not."""


class MovedOffset(Result):
    """One partition of a stage's input, and the offset at which the stage continues."""

    event: str
    partition: int
    before: int | None = Field(serialization_alias="from")
    """The committed offset; None if there was none."""
    to: int
    lost: bool
    """True if the committed offset was outside of the records that the topic keeps."""


@dataclass(frozen=True, slots=True)
class InputPosition:
    """One partition of a stage's input, with the offsets in Kafka."""

    lag: InputLag
    first: int
    """The offset of the oldest record that is kept."""
    program: InputLag | None = None
    """The lag of the program of a relayed stage, which is moved together with its lanes."""

    @property
    def lost(self) -> bool:
        """True if a committed offset is missing or outside of the records that are kept."""
        offsets = [lag.committed for lag in (self.lag, self.program) if lag is not None]
        return not all(at is not None and self.first <= at <= self.lag.end for at in offsets)

    @property
    def lane(self) -> int:
        """The index of the lane that reads it."""
        index: int = self.lag.partition.partition
        return index

    @property
    def label(self) -> str:
        """`event type/partition`."""
        return f"{self.lag.event_type}/{self.lane}"


@operation
@recorded("seek", lambda request: request.stage)
async def seek(installation: Installation, request: SeekRequest) -> list[MovedOffset]:
    """Move offsets of a stage and return the moved ones. Raises NotFoundError (`unknown_stage`,
    `unknown_event_type`, `unknown_partition`), ConflictError (`offset_not_lost`,
    `offset_out_of_range`, `topic_changed`, `one_offset_for_many`, `workers_alive`, `offset_moved`,
    `offset_taken`), and UnavailableError (`deadline_exceeded`: it is unknown whether it was
    moved)."""
    if request.every and request.partition is not None:
        raise InvalidRequestError("invalid_request", "--all and --partition exclude each other")
    settings, stage = installation.settings, request.stage
    version = await installation.newest_version()
    require_known(stage, version.stages, "stage")
    if request.event_type is not None:
        inputs = version.stages[stage].subscribes
        require_known(request.event_type, inputs, f"input of {stage}", "unknown_event_type")
    async with ClusterAdmin.open(settings) as admin:
        topics = await changed_topics(admin, version)
        found = [each for t in version.stages[stage].subscribes if (each := topics[t]) is not None]
        _refuse_changed_topics(stage, [each for each in found if each.change != "widened"])
        targets, chosen = await _choose_targets(admin, settings, version, request)
        if not targets:
            _refuse_changed_topics(stage, found)
            raise ConflictError(
                "offset_not_lost",
                f"no offset of {stage} is lost, nothing was moved; "
                "--partition N or --all moves one that is not",
                stage=stage,
            )
        await _refuse_live_workers(admin, settings, version, stage, chosen)
        for position, target in targets.items():
            await _commit_offset(settings, admin, version, stage, position, target)
        for group in _moved_groups(settings, version, stage):
            partitions = [position.lag.partition for position in targets]
            await admin.wait_for_offsets(group, partitions)
    installation.deed.changed(
        {position.label: position.lag.committed for position in targets},
        {position.label: target for position, target in targets.items()},
        pipeline=version.pipeline,
    )
    return [
        MovedOffset(
            event=position.lag.event_type,
            partition=position.lane,
            before=position.lag.committed,
            to=target,
            lost=position.lost,
        )
        for position, target in targets.items()
    ]


def _refuse_changed_topics(stage: str, changed: Sequence[ChangedTopic]) -> None:
    """Raise ConflictError about the first of these topics: what a lane waits for is not an offset,
    but a version that knows the topic."""
    for each in changed:
        raise ConflictError(
            "topic_changed",
            f"{each.message}; no offset of {stage} was moved",
            next_steps=[each.next_step],
            stage=stage,
            topic=each.topic,
            change=each.change,
        )


async def _choose_targets(
    admin: ClusterAdmin, settings: Settings, version: Version, request: SeekRequest
) -> tuple[dict[InputPosition, int], list[InputPosition]]:
    """Return the new offset of each position that is moved, and which of them are inputs (the
    others are in the retry topic)."""
    stage = request.stage
    positions = [
        position
        for position in await _input_positions(admin, settings, version, stage)
        if request.event_type in (None, position.lag.event_type)
        and request.partition in (None, position.lane)
    ]
    if not positions:
        raise NotFoundError(
            "unknown_partition",
            f"{stage} has no partition {request.partition}",
            stage=stage,
            partition=request.partition,
        )
    every = request.every or request.partition is not None
    chosen = positions if every else [position for position in positions if position.lost]
    retry = [
        position
        for position in await _own_positions(admin, settings, version, stage)
        if position.lost
        and request.event_type is None
        and request.partition in (None, position.lane)
    ]
    if isinstance(request.to, int) and len(chosen) > 1:
        labels = [position.label for position in chosen]
        raise ConflictError(
            "one_offset_for_many",
            f"{', '.join(labels)} cannot all go to {request.to}; "
            "choose with --partition (and --event)",
            stage=stage,
            positions=labels,
        )
    targets = {position: _target_offset(position, request.to) for position in chosen}
    # Parked events in the retry topic are state and remain; later rows are by the lane itself. Of
    # the raw topic everything may be read again: copies are dropped.
    is_relayed = version.stages[stage].is_relayed
    targets |= {each: each.first if is_relayed else each.lag.end for each in retry}
    return targets, chosen


def _target_offset(position: InputPosition, to: SeekTarget) -> int:
    if to == "earliest":
        return position.first
    if to == "latest":
        return position.lag.end
    if not position.first <= to <= position.lag.end:
        raise ConflictError(
            "offset_out_of_range",
            f"{position.label} has offsets from {position.first} to {position.lag.end}, not {to}",
            position=position.label,
            first=position.first,
            end=position.lag.end,
        )
    return to


async def _input_positions(
    admin: ClusterAdmin, settings: Settings, version: Version, stage: str
) -> list[InputPosition]:
    lags = await stage_input_lag(admin, settings.names, version, stage)
    first = await admin.start_offsets([lag.partition for lag in lags])
    programs: Mapping[TopicPartition, InputLag] = {}
    if version.stages[stage].is_relayed:
        found = await program_input_lag(admin, settings.names, version, stage)
        programs = {lag.partition: lag for lag in found}
    return [InputPosition(lag, first[lag.partition], programs.get(lag.partition)) for lag in lags]


async def _own_positions(
    admin: ClusterAdmin, settings: Settings, version: Version, stage: str
) -> list[InputPosition]:
    """Return the positions in the retry topic, or in the raw topic of a relayed stage. A lane finds
    replays in the retry topic by this offset; replays before a lost offset are not found any more,
    and the books show them as parked."""
    spec = version.stages[stage]
    name, own = ("raw", spec.raw) if spec.is_relayed else ("retry", spec.parking)
    if own is None:
        return []
    tps = {TopicPartition(own.topic, index): name for index in range(own.partitions)}
    group = settings.names.stage_group(version.pipeline, stage)
    # A retry topic is compacted: its first record says nothing about what is lost.
    firsts = await admin.start_offsets(tps) if spec.is_relayed else dict.fromkeys(tps, 0)
    found = await partition_lag(admin, group, tps)
    return [InputPosition(lag, firsts[lag.partition]) for lag in found]


async def _refuse_live_workers(
    admin: ClusterAdmin,
    settings: Settings,
    version: Version,
    stage: str,
    chosen: Sequence[InputPosition],
) -> None:
    sound = [position.label for position in chosen if not position.lost]
    group = settings.names.stage_group(version.pipeline, stage)
    if sound and await admin.count_members(group):
        raise ConflictError(
            "workers_alive",
            f"workers of {stage} are alive, so only lost offsets are moved, not that of "
            f"{', '.join(sound)}; stop `farandole up` or `farandole work` first",
            stage=stage,
            positions=sound,
        )
    program = settings.names.outside_group(version.pipeline, stage)
    if version.stages[stage].is_relayed and chosen and await admin.count_members(program):
        raise ConflictError(
            "workers_alive",
            f"the program of {stage} is alive (group {program}), and its offset is moved with that"
            " of the stage; stop it first",
            stage=stage,
            positions=[position.label for position in chosen],
        )


def _moved_groups(settings: Settings, version: Version, stage: str) -> list[str]:
    groups = [settings.names.stage_group(version.pipeline, stage)]
    if version.stages[stage].is_relayed:
        groups.append(settings.names.outside_group(version.pipeline, stage))
    return groups


async def _commit_offset(
    settings: Settings,
    admin: ClusterAdmin,
    version: Version,
    stage: str,
    position: InputPosition,
    target: int,
) -> None:
    group = settings.names.stage_group(version.pipeline, stage)
    tp = position.lag.partition
    lane = settings.names.lane_transactional_id(version.pipeline, stage, tp.partition)
    async with fenced_producer(settings, lane) as producer:
        now = (await admin.committed_offsets(group, [tp]))[tp]
        committed = now.offset if now else None
        if committed != position.lag.committed:
            raise ConflictError(
                "offset_moved",
                f"the offset of {position.label} has just moved to "
                f"{'none' if committed is None else committed}, nothing was moved",
                next_steps=[NextStep("look again with", ("status",))],
                position=position.label,
                committed=committed,
            )
        try:
            # No metadata: what died at the old offset says nothing about the new one.
            offsets = {group: {tp: target}}
            if position.program is not None:
                offsets[settings.names.outside_group(version.pipeline, stage)] = {tp: target}
            await producer.transact({}, 0, offsets)
        except ProducerFencedError as error:
            raise ConflictError(
                "offset_taken",
                f"a worker took {position.label} at this very moment "
                f"({error}), nothing was moved; try again",
                position=position.label,
            ) from None
        except (DeadlineExceededError, TransactionFailedError) as error:
            raise UnavailableError(
                "deadline_exceeded",
                f"moving {position.label}: {error}; whether it was moved is unknown",
                next_steps=[NextStep("look with", ("status",))],
                position=position.label,
            ) from None
