"""At which offset does a stage begin to read the inputs that a version adds?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.events.topology_version import StageTopic, Version


def new_input_partitions(
    version: Version, earlier: Sequence[Version], recreated: Set[str] = frozenset()
) -> dict[str, list[TopicPartition]]:
    """Return, by stage, the input partitions that it had in no earlier version (oldest first). A
    stage that gets an earlier input back continues at its old offset: there may be events of those
    versions that it has not read. No earlier version had a partition of the topics in
    `recreated`."""

    def new_partitions(stage: str) -> list[TopicPartition]:
        read = [_inputs(each, stage) for each in earlier]
        known = {t: n for of in read for t, n in of.items() if t not in recreated}
        # A topic that the stage reads by earlier versions alone may have become wider, or another.
        again = {t: event_partitions[t] for of in read for t in of if t in event_partitions}
        inputs = again | _inputs(version, stage)
        return [
            TopicPartition(topic, index)
            for topic, partitions in inputs.items()
            for index in range(known.get(topic, 0), partitions)
        ]

    event_partitions = {event.topic: event.partitions for event in version.events.values()}
    stages = {name: None for each in [version, *earlier] for name in each.stages}
    return {stage: new_partitions(stage) for stage in stages}


def new_stage_partitions(
    version: Version, earlier: Sequence[Version], recreated: Set[str] = frozenset()
) -> dict[str, list[TopicPartition]]:
    """Return, by stage, the partitions of its retry topic that no earlier version had; all of them
    if the topic is in `recreated`. Of its raw topic those that the version before did not have; all
    of them if `begins_anew`."""
    new_partitions = {}
    for name, stage in version.stages.items():
        before = [v.stages[name] for v in earlier if name in v.stages]
        parking = [each.parking for each in before]
        raw = [] if begins_anew(version, earlier, name, recreated) else [before[-1].raw]
        new_partitions[name] = [
            *_added_partitions(stage.parking, parking, recreated),
            *_added_partitions(stage.raw, raw, recreated),
        ]
    return new_partitions


def _added_partitions(
    topic: StageTopic | None, earlier: Sequence[StageTopic | None], recreated: Set[str]
) -> list[TopicPartition]:
    if topic is None:
        return []
    known = max((each.partitions for each in earlier if each is not None), default=0)
    first = 0 if topic.topic in recreated else known
    return [TopicPartition(topic.topic, index) for index in range(first, topic.partitions)]


def begins_anew(
    version: Version, earlier: Sequence[Version], stage: str, recreated: Set[str]
) -> bool:
    """Return True if the program of a relayed stage must begin where the lanes of the stage are,
    and nothing that stands in the raw topic counts: the version before `version` did not relay it,
    or an input was created again, so that positions in the raw topic mean other events."""
    newest = earlier[-1].stages.get(stage) if earlier else None
    if newest is None or not newest.is_relayed:
        return True
    return any(tp.topic in recreated for tp in _inputs_of(version, stage))


def _inputs(version: Version, stage: str) -> dict[str, int]:
    """Return the partition counts of the topics that a stage reads under a version; empty if the
    version has no such stage."""
    subscribes = version.stages[stage].subscribes if stage in version.stages else ()
    inputs = (version.events[event_type] for event_type in subscribes)
    return {event.topic: event.partitions for event in inputs}


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
    topics that are `recreated`, an offset is that of the earlier topic, and is replaced. The
    program of a relayed stage begins where the lanes of the stage are.
    """
    by_group: dict[str, dict[TopicPartition, int]] = {}
    own = new_stage_partitions(version, earlier, recreated)
    for stage, inputs in new_input_partitions(version, earlier, recreated).items():
        partitions = [*inputs, *own.get(stage, ())]
        group = settings.names.stage_group(version.pipeline, stage)
        committed = await admin.committed_offsets(group, partitions)
        offsets = {
            tp: positions[tp]
            for tp in partitions
            if (old := committed[tp]) is None or old.offset < positions[tp] or tp.topic in recreated
        }
        if offsets:
            by_group[group] = offsets
        if stage in version.stages and version.stages[stage].is_relayed:
            wanted = inputs
            if begins_anew(version, earlier, stage, recreated):
                # Its lanes also read what is unread of the inputs that it had before.
                active = [v for v in earlier if v.retired is None and stage in v.stages]
                every = [tp for each in (version, *active) for tp in _inputs_of(each, stage)]
                wanted = list(dict.fromkeys(every))
            now = await admin.committed_offsets(group, wanted)
            by_group[settings.names.outside_group(version.pipeline, stage)] = {
                tp: offset
                for tp in wanted
                if (offset := offsets.get(tp, old.offset if (old := now[tp]) else None)) is not None
            }
    return {group: offsets for group, offsets in by_group.items() if offsets}


def _inputs_of(version: Version, stage: str) -> list[TopicPartition]:
    inputs = (version.events[event_type] for event_type in version.stages[stage].subscribes)
    return [TopicPartition(e.topic, index) for e in inputs for index in range(e.partitions)]
