"""Which commands can a person type next, with the names and addresses in use?"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import orjson

from farandole.broker.settings import Settings
from farandole.cli.context import CliContext
from farandole.events.topology_version import Version
from farandole.operations.events.sample_data import build_sample


def command_line(here: CliContext, *words: str) -> str:
    """Our own command as it was called, with the options that lead to the same pipeline."""
    program = Path(sys.argv[0])
    found = shutil.which("farandole")
    on_path = found is not None and Path(found).resolve() == program.resolve()
    elsewhere = program.name == "farandole" and not on_path
    called = os.path.relpath(program) if elsewhere else "farandole"
    options = []
    if here.folder.resolve() != Path.cwd():
        options += ["-C", str(here.folder)]
    if here.chosen is not None:
        options += ["-f", str(here.chosen)]
    if here.bootstrap:
        options += ["--bootstrap", here.bootstrap]
    if here.namespace:
        options += ["--namespace", here.namespace]
    return " ".join([shlex.quote(called), *map(shlex.quote, options), *words])


def complete_commands(here: CliContext, line: str, commands: Iterable[str]) -> str:
    """The line with each `farandole COMMAND` in it as a person must type it here. An embedded Kafka
    is a folder's, whatever else was said."""

    def ours(found: re.Match[str]) -> str:
        return command_line(CliContext(here.folder) if found[1] == "kafka" else here, found[1])

    return re.sub(rf"(?<![\w./-])farandole ({'|'.join(commands)})\b", ours, line)


def trigger_commands(here: CliContext, settings: Settings, version: Version) -> list[str]:
    """Per root, how kcat and how we publish one."""
    told = []
    for event_type in version.roots():
        event = version.events[event_type]
        data = shlex.quote(orjson.dumps(build_sample(event.data_schema)).decode())
        told.append(f"echo {data} | kcat -P -b {settings.bootstrap} -t {event.topic}")
        told.append(command_line(here, f"trigger {event_type} --data {data}"))
    return told


def leaf_event_types(version: Version) -> list[str]:
    """The event types at the pipeline's end: emitted, by a stage that stands furthest down."""
    emitted = [t for t in version.events if version.emitters(t)]
    last = [t for t in emitted if not _leads_to_stage(version, t)]
    return last or emitted


def _leads_to_stage(version: Version, event_type: str) -> bool:
    return any(version.stages[s].emits for s in version.subscribers(event_type))
