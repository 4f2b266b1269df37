"""Which stages can events still come to?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from farandole.events.topology_version import RetryTopic, StageSpec, Version


class ActiveStage(NamedTuple):
    """A stage of some version that is not retired: how to work it, and all that it must read."""

    stage: StageSpec
    """That of the newest version that has the stage: its code and its settings are used, whatever
    version an event carries."""
    topics: tuple[str, ...]
    """The inputs under every version, because events of an older one may still come. Sorted."""
    parking: RetryTopic | None = None
    """The retry topic with its largest partition count under any version; None if no version parks
    events."""


def active_stages(versions: Mapping[int, Version]) -> dict[str, ActiveStage]:
    """Return the stages that events can still come to, by name.

    A stage that the newest version no longer has goes on until the versions that have it are
    retired, which is when their last event is settled.
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


def _widest_retry_topic(older: RetryTopic | None, stage: StageSpec) -> RetryTopic | None:
    known = [topic for topic in (stage.parking, older) if topic is not None]
    return max(known, key=lambda topic: topic.partitions, default=None)
