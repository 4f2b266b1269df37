"""How far is each stage behind the ends of its input topics?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version


@dataclass(frozen=True, slots=True)
class InputLag:
    """The lag of a group in one partition of an input."""

    event_type: str
    partition: TopicPartition
    committed: int | None
    """The next offset to handle; None if the group has committed none."""
    end: int
    metadata: str = ""
    """Of the committed offset."""

    @property
    def position(self) -> int:
        """The next offset to handle; 0 if none is committed, or one behind the end, which was
        committed in an earlier topic of this name."""
        committed = self.committed
        return committed if committed is not None and committed <= self.end else 0

    @property
    def lag(self) -> int:
        """The lag in offsets, not events: transaction markers take offsets too. It is 0 for an idle
        stage."""
        return self.end - self.position


LagByStage = Mapping[str, list[InputLag]]
"""The lag of each stage, upstream stages first."""


async def ordered_lag_pass(admin: ClusterAdmin, names: KafkaNames, version: Version) -> LagByStage:
    """Return the lag of every stage, read one stage after the other, upstream first, and for each
    stage the ends before the committed offsets.

    If there is no lag anywhere, and no root came in meanwhile, then no event was in flight at the
    end of the call. A stage without lag had committed everything in its inputs; its outputs are in
    the same transactions as those offsets, so they are in their topics before the ends of the next
    stage are read. So each stage in turn had received everything, and had settled it. In any other
    order an event could move from a stage that is not yet read to one that was already read.
    """
    return {
        stage: await stage_input_lag(admin, names, version, stage)
        for stage in upstream_first(version)
    }


async def stage_input_lag(
    admin: ClusterAdmin, names: KafkaNames, version: Version, stage: str
) -> list[InputLag]:
    """Return the lag of a stage in each input partition. The ends are read before the committed
    offsets."""
    group = names.stage_group(version.pipeline, stage)
    return await partition_lag(admin, group, _input_partitions(version, stage))


async def program_input_lag(
    admin: ClusterAdmin, names: KafkaNames, version: Version, stage: str
) -> list[InputLag]:
    """Return the lag of the program of a relayed stage in each input partition."""
    group = names.outside_group(version.pipeline, stage)
    return await partition_lag(admin, group, _input_partitions(version, stage))


def without_passed(program: Iterable[InputLag], lanes: Iterable[InputLag]) -> list[InputLag]:
    """Return the lag of a program without what the lanes of its stage have passed. They pass no
    event before it, but transaction markers, which many clients leave before their offset."""
    passed = {each.partition: each.position for each in lanes}
    return [
        each
        if each.committed is None
        else replace(each, committed=max(each.committed, passed.get(each.partition, 0)))
        for each in program
    ]


def _input_partitions(version: Version, stage: str) -> dict[TopicPartition, str]:
    """Return the input partitions of a stage with their event types."""
    return {
        TopicPartition(version.events[event_type].topic, index): event_type
        for event_type in version.stages[stage].subscribes
        for index in range(version.events[event_type].partitions)
    }


async def partition_lag(
    admin: ClusterAdmin,
    group: str,
    partitions: Mapping[TopicPartition, str],
    ends: Mapping[TopicPartition, int] | None = None,
) -> list[InputLag]:
    """Return the lag of a group in these partitions, which are given with their event type. `ends`:
    those of all of them, for a caller who has asked for them just now."""
    if ends is None:
        ends = await admin.end_offsets(list(partitions))
    committed = await admin.committed_offsets(group, list(partitions))
    return [
        InputLag(event_type, tp, found.offset, ends[tp], found.metadata or "")
        if (found := committed[tp])
        else InputLag(event_type, tp, None, ends[tp])
        for tp, event_type in partitions.items()
    ]


UnreadRanges = Mapping[TopicPartition, tuple[int, int]]
"""By partition, the first offset that is not settled and still kept, and the end; without the
partitions where nothing is left."""


async def unread_ranges(admin: ClusterAdmin, found: Iterable[InputLag]) -> UnreadRanges:
    """Return the ranges of offsets in these partitions that are still to be read."""
    behind = {each.partition: each for each in found if each.lag > 0}
    firsts = await admin.start_offsets(list(behind)) if behind else {}
    begin = {tp: max(firsts[tp], each.position) for tp, each in behind.items()}
    return {tp: (first, behind[tp].end) for tp, first in begin.items() if first < behind[tp].end}


async def unread_entries(admin: ClusterAdmin, names: KafkaNames) -> UnreadRanges | None:
    """Return the ranges of the ledger that the bookkeeper has not read; None if there is no
    ledger."""
    width = (await admin.topics([names.ledger_topic])).get(names.ledger_topic, 0)
    partitions = {TopicPartition(names.ledger_topic, index): "" for index in range(width)}
    if not partitions:
        return None
    lags = await partition_lag(admin, names.bookkeeper_group, partitions)
    return await unread_ranges(admin, lags)


async def has_older_unread(admin: ClusterAdmin, unread: UnreadRanges, age: float) -> bool:
    """Return True if an unread record is older than `age` seconds."""
    if not unread:
        return False
    younger = await admin.offsets_at(list(unread), int((time.time() - age) * 1000))
    return any(first < younger[tp] for tp, (first, _) in unread.items())


def total_unread(left: UnreadRanges) -> int:
    """Return the number of offsets that are left in all partitions."""
    return sum(end - first for first, end in left.values())


def upstream_first(version: Version) -> list[str]:
    """Return the stages in an order in which each comes after all stages that feed it."""
    return list(
        TopologicalSorter(
            {
                name: [e for t in stage.subscribes for e in version.emitters(t)]
                for name, stage in version.stages.items()
            }
        ).static_order()
    )
