"""At which offset does a stage begin to read the inputs that a version adds?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.events.topology_version import Version


def new_input_partitions(
    version: Version, earlier: Sequence[Version]
) -> dict[str, list[TopicPartition]]:
    """Return, by stage, the input partitions that it had in no earlier version. A stage that gets
    an earlier input back continues at its old offset: there may be events of those versions that
    it has not read."""
    return {
        name: [
            TopicPartition(event.topic, index)
            for event in (version.events[event_type] for event_type in stage.subscribes)
            if not any(_had_input(before, name, event.topic) for before in earlier)
            for index in range(event.partitions)
        ]
        for name, stage in version.stages.items()
    }


def new_retry_partitions(
    version: Version, earlier: Sequence[Version]
) -> dict[str, list[TopicPartition]]:
    """Return, by stage, the partitions of its retry topic that no earlier version had."""
    new_partitions = {}
    for name, stage in version.stages.items():
        before = (v.stages[name].parking for v in earlier if name in v.stages)
        known = max((parking.partitions for parking in before if parking), default=0)
        if stage.parking is not None:
            topic = stage.parking.topic
            added = range(known, stage.parking.partitions)
            new_partitions[name] = [TopicPartition(topic, index) for index in added]
    return new_partitions


def _had_input(version: Version, stage: str, topic: str) -> bool:
    subscribes = version.stages[stage].subscribes if stage in version.stages else ()
    return any(version.events[event_type].topic == topic for event_type in subscribes)


async def first_offsets(
    settings: Settings,
    admin: ClusterAdmin,
    version: Version,
    earlier: Sequence[Version],
    positions: Mapping[TopicPartition, int],
) -> dict[str, dict[TopicPartition, int]]:
    """Return, by consumer group, the offsets to commit for the inputs that are new in `version`.

    Because they are committed with the version, a missing offset always means that it was lost,
    never that the input is new. `positions` says where each new partition begins. A group that has
    an offset from before Farandole knew it begins there too, unless its offset is higher.
    """
    by_group = {}
    retries = new_retry_partitions(version, earlier)
    for stage, inputs in new_input_partitions(version, earlier).items():
        partitions = [*inputs, *retries.get(stage, ())]
        group = settings.names.stage_group(version.pipeline, stage)
        committed = await admin.committed_offsets(group, partitions)
        offsets = {
            tp: positions[tp]
            for tp in partitions
            if (old := committed[tp]) is None or old.offset < positions[tp]
        }
        if offsets:
            by_group[group] = offsets
    return by_group
