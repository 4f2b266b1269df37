"""Which stages can events still come to?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from farandole.events.topology_version import RetryTopic, StageSpec, Version


class ActiveStage(NamedTuple):
    """A stage that some version has: how it is worked now, and all that it must read."""

    stage: StageSpec
    """Of the newest version that has it: its code and its settings are those, whatever version an
    event carries."""
    topics: tuple[str, ...]
    """The inputs under every version: events of an older one may still come."""
    parking: RetryTopic | None = None
    """As wide as under any of them."""


def _wider_retry_topic(one: RetryTopic | None, other: RetryTopic | None) -> RetryTopic | None:
    both = [parking for parking in (one, other) if parking is not None]
    return max(both, key=lambda parking: parking.partitions, default=None)


def active_stages(versions: Mapping[int, Version]) -> dict[str, ActiveStage]:
    """The stages that events can still come to: a stage that the newest version no longer has goes
    on until the versions that have it are retired, when their last event is settled."""
    found: dict[str, ActiveStage] = {}
    for _, version in sorted(versions.items()):
        if version.retired is not None:
            continue
        for name, stage in version.stages.items():
            topics = {version.events[event_type].topic for event_type in stage.subscribes}
            if stage.parking is not None:
                topics.add(stage.parking.topic)
            before = found[name].topics if name in found else ()
            parking = _wider_retry_topic(
                stage.parking, found[name].parking if name in found else None
            )
            found[name] = ActiveStage(stage, tuple(sorted(topics.union(before))), parking)
    return found
