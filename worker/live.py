"""Which stages can events still come to?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from events.topology import Stage, Version


class Live(NamedTuple):
    """A stage that some version has: how it is worked now, and all that it must read."""

    stage: Stage
    """Of the newest version that has it: its code and its settings are those, whatever version an
    event carries."""
    topics: tuple[str, ...]
    """The inputs under every version: events of an older one may still come."""


def live(versions: Mapping[int, Version]) -> dict[str, Live]:
    """The stages that events can still come to. No version ends before its last event is settled,
    so a stage that the newest one no longer has goes on."""
    found: dict[str, Live] = {}
    for _, version in sorted(versions.items()):
        for name, stage in version.stages.items():
            topics = {version.events[event_type].topic for event_type in stage.subscribes}
            before = found[name].topics if name in found else ()
            found[name] = Live(stage, tuple(sorted(topics.union(before))))
    return found
