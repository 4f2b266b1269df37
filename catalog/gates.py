"""Which stages wait for a verdict, what is upstream of each, and which checks decide?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from farandole.events.check_verdict import check_key
from farandole.events.topology_version import Version


class Gate(NamedTuple):
    """A stage that takes nothing of a run before its checks have passed."""

    stage: str
    upstream: frozenset[str]
    """The stages that must have worked all of the run: those from which its events come."""
    checks: frozenset[str]
    """The checks that must pass, by `event type/check`."""


def gates_of(version: Version) -> Mapping[str, Gate]:
    """Return the gates of a version by stage."""
    return {name: _gate(version, name) for name, stage in version.stages.items() if stage.gate}


class WiredStage(Protocol):
    """A stage of a version, or of a file."""

    @property
    def subscribes(self) -> Sequence[str]: ...
    @property
    def emits(self) -> Sequence[str]: ...


class Upstream(NamedTuple):
    """What comes before a stage."""

    types: frozenset[str]
    """The event types that it reads, and those before them."""
    stages: frozenset[str]
    """The stages that emit them: itself among them if it is upstream of itself."""


def upstream_of(stages: Mapping[str, WiredStage], stage: str) -> Upstream:
    """Return what comes before one of some stages."""
    types: set[str] = set()
    found: set[str] = set()
    pending = [*stages[stage].subscribes]
    while pending:
        event_type = pending.pop()
        if event_type in types:
            continue
        types.add(event_type)
        for name, emitter in stages.items():
            if event_type in emitter.emits:
                found.add(name)
                pending += emitter.subscribes
    return Upstream(frozenset(types), frozenset(found))


def _gate(version: Version, stage: str) -> Gate:
    upstream = upstream_of(version.stages, stage)
    checks = {
        check_key(event_type, name)
        for event_type in upstream.types
        if event_type in version.events
        for name, check in version.events[event_type].checks.items()
        if check.severity == "gate"
    }
    return Gate(stage, upstream.stages, frozenset(checks))
