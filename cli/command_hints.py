"""Which commands can a person type next, with the names and addresses in use?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

import orjson

from farandole.broker.settings import Settings
from farandole.cli.context import CliContext
from farandole.events.topology_version import Version
from farandole.operations.events.sample_data import build_sample


def complete_commands(context: CliContext, line: str, commands: Iterable[str]) -> str:
    """Return the line with each `farandole COMMAND` in it as a person must type it here."""

    def ours(found: re.Match[str]) -> str:
        return context.command_line(found[1])

    return re.sub(rf"(?<![\w./-])farandole ({'|'.join(commands)})\b", ours, line)


def trigger_commands(context: CliContext, settings: Settings, version: Version) -> list[str]:
    """Per root, how kcat and how we publish one."""
    told = []
    for event_type in version.roots():
        event = version.events[event_type]
        data = shlex.quote(orjson.dumps(build_sample(event.data_schema)).decode())
        told.append(f"echo {data} | kcat -P -b {settings.bootstrap} -t {event.topic}")
        told.append(context.command_line(f"trigger {event_type} --data {data}"))
    return told


def leaf_event_types(version: Version) -> list[str]:
    """The event types at the pipeline's end: emitted, by a stage that stands furthest down."""
    emitted = [t for t in version.events if version.emitters(t)]
    last = [t for t in emitted if not _leads_to_stage(version, t)]
    return last or emitted


def _leads_to_stage(version: Version, event_type: str) -> bool:
    return any(version.stages[s].emits for s in version.subscribers(event_type))
