"""How far is each stage behind?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version


@dataclass(frozen=True, slots=True)
class InputLag:
    """One partition of one of a stage's inputs."""

    event_type: str
    partition: TopicPartition
    committed: int | None
    """The next offset to work; None where the group has none."""
    end: int

    @property
    def lag(self) -> int:
        """Offsets, not events: the markers of transactions take offsets too. At rest it is 0."""
        return self.end - (self.committed or 0)


LagByStage = Mapping[str, list[InputLag]]
"""By stage, upstream first."""


async def ordered_lag_pass(admin: ClusterAdmin, names: KafkaNames, version: Version) -> LagByStage:
    """The inputs of every stage, looked at one stage after the other, upstream first, and of each
    stage the ends before the committed offsets.

    If this finds no lag anywhere, nothing was under way when it ended, given that no root came in
    meanwhile. A stage without lag had committed all that its inputs held; its outputs stand in the
    same transactions as those offsets, so they are in their topics before the next stage's ends are
    read. So each stage in turn is proven to have had all that it ever will, and to have settled it.
    Read in any other order, an event could slip from a stage not yet looked at into one already
    seen at rest.
    """
    return {
        stage: await stage_input_lag(admin, names, version, stage)
        for stage in upstream_first(version)
    }


async def stage_input_lag(
    admin: ClusterAdmin, names: KafkaNames, version: Version, stage: str
) -> list[InputLag]:
    """The inputs of one stage: first where they end, then what is committed."""
    partitions = {
        TopicPartition(version.events[event_type].topic, index): event_type
        for event_type in version.stages[stage].subscribes
        for index in range(version.events[event_type].partitions)
    }
    return await partition_lag(admin, names.stage_group(version.pipeline, stage), partitions)


async def partition_lag(
    admin: ClusterAdmin, group: str, partitions: Mapping[TopicPartition, str]
) -> list[InputLag]:
    """Those partitions, by their event type, as a group has come along in them."""
    ends = await admin.end_offsets(list(partitions))
    committed = await admin.committed_offsets(group, list(partitions))
    return [
        InputLag(event_type, tp, found.offset if (found := committed[tp]) else None, ends[tp])
        for tp, event_type in partitions.items()
    ]


UnreadRanges = Mapping[TopicPartition, tuple[int, int]]
"""The first offset that is not settled and still kept, and the end; only where that is more."""


async def unread_ranges(admin: ClusterAdmin, found: Iterable[InputLag]) -> UnreadRanges:
    """What of these partitions is left to be read."""
    behind = {each.partition: each for each in found if each.lag > 0}
    firsts = await admin.start_offsets(list(behind)) if behind else {}
    begin = {tp: max(firsts[tp], each.committed or 0) for tp, each in behind.items()}
    return {tp: (first, behind[tp].end) for tp, first in begin.items() if first < behind[tp].end}


def total_unread(left: UnreadRanges) -> int:
    """Offsets, of all partitions."""
    return sum(end - first for first, end in left.values())


def upstream_first(version: Version) -> list[str]:
    """The stages in an order in which each stands behind all that feed it."""
    return list(
        TopologicalSorter(
            {
                name: [e for t in stage.subscribes for e in version.emitters(t)]
                for name, stage in version.stages.items()
            }
        ).static_order()
    )
