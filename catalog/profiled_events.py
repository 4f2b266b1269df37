"""Who profiles the data of an event type?"""

from __future__ import annotations

from farandole.events.topology_version import Version


def profiling_stage(version: Version, event_type: str) -> str | None:
    """Return the stage whose lanes profile the events of a type: the first that subscribes to it,
    whose events are worked by lanes, and that has no gate: a gate waits for the profile. None if
    there is none: then the stages that emit it profile it."""
    for name in version.subscribers(event_type):
        if not (version.stages[name].external or version.stages[name].gate):
            return name
    return None
