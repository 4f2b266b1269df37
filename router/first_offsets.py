"""At which offset does a stage begin to read the inputs that a version adds?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.events.topology_version import Version


def new_input_partitions(
    version: Version, earlier: Sequence[Version], recreated: Set[str] = frozenset()
) -> dict[str, list[TopicPartition]]:
    """Return, by stage, the input partitions that it had in no earlier version. A stage that gets
    an earlier input back continues at its old offset: there may be events of those versions that
    it has not read. No earlier version had a partition of the topics in `recreated`."""

    def known_partitions(stage: str, topic: str) -> int:
        if topic in recreated:
            return 0
        return max((_input_partitions(before, stage, topic) for before in earlier), default=0)

    return {
        name: [
            TopicPartition(event.topic, index)
            for event in (version.events[event_type] for event_type in stage.subscribes)
            for index in range(known_partitions(name, event.topic), event.partitions)
        ]
        for name, stage in version.stages.items()
    }


def new_retry_partitions(
    version: Version, earlier: Sequence[Version], recreated: Set[str] = frozenset()
) -> dict[str, list[TopicPartition]]:
    """Return, by stage, the partitions of its retry topic that no earlier version had; all of them
    if the topic is in `recreated`."""
    new_partitions = {}
    for name, stage in version.stages.items():
        before = (v.stages[name].parking for v in earlier if name in v.stages)
        known = max((parking.partitions for parking in before if parking), default=0)
        if stage.parking is not None:
            topic = stage.parking.topic
            known = 0 if topic in recreated else known
            added = range(known, stage.parking.partitions)
            new_partitions[name] = [TopicPartition(topic, index) for index in added]
    return new_partitions


def _input_partitions(version: Version, stage: str, topic: str) -> int:
    """Return how many partitions of a topic a stage read under a version; 0 if it did not."""
    subscribes = version.stages[stage].subscribes if stage in version.stages else ()
    inputs = (version.events[event_type] for event_type in subscribes)
    return next((event.partitions for event in inputs if event.topic == topic), 0)


async def first_offsets(
    settings: Settings,
    admin: ClusterAdmin,
    version: Version,
    earlier: Sequence[Version],
    positions: Mapping[TopicPartition, int],
    recreated: Set[str] = frozenset(),
) -> dict[str, dict[TopicPartition, int]]:
    """Return, by consumer group, the offsets to commit for the inputs that are new in `version`.

    Because they are committed with the version, a missing offset always means that it was lost,
    never that the input is new. `positions` says where each new partition begins. A group that has
    an offset from before Farandole knew it begins there too, unless its offset is higher. In the
    topics that are `recreated`, an offset is that of the earlier topic, and is replaced.
    """
    by_group = {}
    retries = new_retry_partitions(version, earlier, recreated)
    for stage, inputs in new_input_partitions(version, earlier, recreated).items():
        partitions = [*inputs, *retries.get(stage, ())]
        group = settings.names.stage_group(version.pipeline, stage)
        committed = await admin.committed_offsets(group, partitions)
        offsets = {
            tp: positions[tp]
            for tp in partitions
            if (old := committed[tp]) is None or old.offset < positions[tp] or tp.topic in recreated
        }
        if offsets:
            by_group[group] = offsets
    return by_group
