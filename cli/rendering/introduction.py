"""Which commands are useful next, once a pipeline runs?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import orjson

from farandole.broker.settings import Settings
from farandole.events.next_step import CommandLine
from farandole.events.topology_version import Version
from farandole.operations.events.sample_data import build_sample


def introduction_lines(
    settings: Settings, version: Version, command_line: CommandLine
) -> Iterator[str]:
    """Yield commands of kcat and Farandole that publish each root and read the results."""
    for event_type in version.roots():
        event = version.events[event_type]
        data = shlex.quote(orjson.dumps(build_sample(event.data_schema)).decode())
        yield f"echo {data} | kcat -P -b {settings.bootstrap} -t {event.topic}"
        yield command_line(f"trigger {event_type} --data {data}")
    for event_type in _leaf_event_types(version):
        topic = version.events[event_type].topic
        yield f"kcat -C -b {settings.bootstrap} -t {topic}"
        yield command_line("tail", event_type)
    if version.schedules:
        yield command_line("schedules")
    yield command_line("status")


def _leaf_event_types(version: Version) -> list[str]:
    """Return the event types at the end of the pipeline: those whose subscribers emit nothing.
    Return all emitted types if there is none."""
    emitted = [event_type for event_type in version.events if version.emitters(event_type)]
    return [each for each in emitted if not _leads_to_events(version, each)] or emitted


def _leads_to_events(version: Version, event_type: str) -> bool:
    return any(version.stages[stage].emits for stage in version.subscribers(event_type))
