"""Which stages can still receive events?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from farandole.events.topology_version import RetryTopic, StageSpec, Version


class ActiveStage(NamedTuple):
    """A stage of a version that is not retired: how to run it, and the topics that it must read."""

    stage: StageSpec
    """The stage in the newest version that has it. Its code and its settings are used for events of
    every version."""
    topics: tuple[str, ...]
    """The inputs under every version, because events of an older one may still arrive. Sorted."""
    parking: RetryTopic | None = None
    """The retry topic with its largest partition count under any version; None if no version parks
    events."""


def active_stages(versions: Mapping[int, Version]) -> dict[str, ActiveStage]:
    """Return the stages that can still receive events, by name.

    A stage that the newest version no longer has stays active until the versions that have it are
    retired. A version is retired when its last event is settled.
    """
    found: dict[str, ActiveStage] = {}
    for _, version in sorted(versions.items()):
        if version.retired is not None:
            continue
        for name, stage in version.stages.items():
            topics = {version.events[event_type].topic for event_type in stage.subscribes}
            if stage.parking is not None:
                topics.add(stage.parking.topic)
            older = found.get(name)
            older_topics = older.topics if older is not None else ()
            parking = _widest_retry_topic(older.parking if older is not None else None, stage)
            found[name] = ActiveStage(stage, tuple(sorted(topics.union(older_topics))), parking)
    return found


def hosted_stages(versions: Mapping[int, Version]) -> dict[str, ActiveStage]:
    """Return those of the active stages that workers of ours host: all but the external ones."""
    return {name: s for name, s in active_stages(versions).items() if not s.stage.external}


def _widest_retry_topic(older: RetryTopic | None, stage: StageSpec) -> RetryTopic | None:
    known = [topic for topic in (stage.parking, older) if topic is not None]
    return max(known, key=lambda topic: topic.partitions, default=None)
