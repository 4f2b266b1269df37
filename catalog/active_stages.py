"""Which stages can still receive events?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from farandole.events.topology_version import StageSpec, StageTopic, Version


class ActiveStage(NamedTuple):
    """A stage of a version that is not retired: how to run it, and the topics that it must read."""

    stage: StageSpec
    """The stage in the newest version that has it. Its code and its settings are used for events of
    every version."""
    inputs: frozenset[str]
    """The input topics under every version, because events of an older one may still arrive."""
    parking: StageTopic | None = None
    """The retry topic with its largest partition count under any version; None if no version parks
    events."""
    state: StageTopic | None = None
    """The topic of the lanes' state with its largest partition count under any version; None if no
    version has one."""
    raw: StageTopic | None = None
    """The raw topic with its largest partition count under any version; None if the stage is
    relayed under none."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What the lanes of the stage read: the inputs and, as it is hosted now, the retry topic or
        the raw topic. Sorted."""
        own = self.raw if self.stage.is_relayed else self.parking
        return tuple(sorted(self.inputs if own is None else {*self.inputs, own.topic}))


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
            inputs = {version.events[event_type].topic for event_type in stage.subscribes}
            older = found.get(name, ActiveStage(stage, frozenset()))
            found[name] = ActiveStage(
                stage,
                older.inputs.union(inputs),
                _widest(stage.parking, older.parking),
                _widest(stage.state, older.state),
                _widest(stage.raw, older.raw),
            )
    return found


def hosted_stages(versions: Mapping[int, Version]) -> dict[str, ActiveStage]:
    """Return those of the active stages that workers of ours host: all but the external ones that
    are not relayed."""
    return {
        name: active
        for name, active in active_stages(versions).items()
        if active.stage.is_relayed or not active.stage.external
    }


def _widest(*topics: StageTopic | None) -> StageTopic | None:
    known = [topic for topic in topics if topic is not None]
    return max(known, key=lambda topic: topic.partitions, default=None)
