"""Which topics, groups and lanes do the versions of a pipeline use?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version


@dataclass(frozen=True, slots=True)
class PipelineFootprint:
    """What all versions of one pipeline use on the cluster; some of it may not exist any more."""

    event_topics: frozenset[str]
    stage_topics: frozenset[str]
    """The topics of dead letters, of parked events and of the state of lanes."""
    lanes: Mapping[str, int]
    """By stage, the largest number of lanes that it has under any version."""
    raw_topics: frozenset[str]
    """The topics to which programs without transactions write."""
    groups: Mapping[str, str]
    """By stage, the group of its lanes."""
    outside_groups: Mapping[str, str]
    """By stage that is relayed under some version, the group of its program."""

    @property
    def topics(self) -> frozenset[str]:
        return self.event_topics | self.stage_topics | self.raw_topics

    @property
    def every_group(self) -> list[str]:
        return [*self.groups.values(), *self.outside_groups.values()]


def pipeline_footprint(names: KafkaNames, versions: Sequence[Version]) -> PipelineFootprint:
    """Return what these versions use; they must be of one pipeline."""
    events = {event.topic for version in versions for event in version.events.values()}
    of_stages: set[str] = set()
    lanes: dict[str, int] = {}
    raw: set[str] = set()
    groups: dict[str, str] = {}
    outside: dict[str, str] = {}
    for version in versions:
        for name, stage in version.stages.items():
            widths = [version.events[event].partitions for event in stage.subscribes]
            lanes[name] = max([lanes.get(name, 0), *widths])
            of_stages.add(names.dead_topic(version.pipeline, name))
            of_stages.add(names.retry_topic(version.pipeline, name))
            of_stages.add(names.state_topic(version.pipeline, name))
            of_stages |= {own.topic for own in (stage.parking, stage.state) if own is not None}
            groups[name] = names.stage_group(version.pipeline, name)
            if stage.raw is not None:
                raw.add(stage.raw.topic)
                outside[name] = names.outside_group(version.pipeline, name)
    return PipelineFootprint(
        frozenset(events), frozenset(of_stages), lanes, frozenset(raw), groups, outside
    )


def subscribed_elsewhere(
    topics: Iterable[str], pipeline: str, versions: Iterable[Version]
) -> dict[str, list[str]]:
    """Return, by other pipeline, which of the topics its versions read or write."""
    wanted = set(topics)
    found: dict[str, set[str]] = {}
    for version in versions:
        shared = {event.topic for event in version.events.values()} & wanted
        if version.pipeline != pipeline and shared:
            found.setdefault(version.pipeline, set()).update(shared)
    return {other: sorted(shared) for other, shared in sorted(found.items())}
