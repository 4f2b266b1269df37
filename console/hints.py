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
from farandole.console.sample import sample
from farandole.console.wiring import Here
from farandole.events.topology import Version


def farandole(here: Here, *words: str) -> str:
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


def suggested(here: Here, line: str, commands: Iterable[str]) -> str:
    """The line with each `farandole COMMAND` in it as a person must type it here. An embedded Kafka
    is a folder's, whatever else was said."""

    def ours(found: re.Match[str]) -> str:
        return farandole(Here(here.folder) if found[1] == "kafka" else here, found[1])

    return re.sub(rf"(?<![\w./-])farandole ({'|'.join(commands)})\b", ours, line)


def triggers(here: Here, settings: Settings, version: Version) -> list[str]:
    """Per root, how kcat and how we publish one."""
    told = []
    for event_type in version.roots():
        event = version.events[event_type]
        data = shlex.quote(orjson.dumps(sample(event.data_schema)).decode())
        told.append(f"echo {data} | kcat -P -b {settings.bootstrap} -t {event.topic}")
        told.append(farandole(here, f"trigger {event_type} --data {data}"))
    return told


def leaves(version: Version) -> list[str]:
    """The event types at the pipeline's end: emitted, by a stage that stands furthest down."""
    emitted = [t for t in version.events if version.emitters(t)]
    last = [t for t in emitted if not _leads_on(version, t)]
    return last or emitted


def _leads_on(version: Version, event_type: str) -> bool:
    return any(version.stages[s].emits for s in version.subscribers(event_type))
