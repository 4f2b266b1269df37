"""A pipeline with a bookkeeper, and an independent count of its topics.

asked > [plan] > item > [make] > made > [load], which lets some die, and > [check] > checked, which
drops some.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.active_stages import active_stages
from farandole.catalog.published_versions import read_versions
from farandole.events.run_ids import RunIdGenerator
from farandole.events.run_row import RunRow
from farandole.events.topology_version import Version
from farandole.ledger.service import run_bookkeeper
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.router.version_publisher import publish_version
from tests.books.clean import until
from tests.rewiring.test_live import behind

STAGES = Path(__file__).parent / "pipeline" / "stages"
PIPELINE = "booked"

PLAIN = {
    "plan": "subscribes: asked, emits: item",
    "make": "subscribes: item, emits: made",
    "load": "subscribes: made",
    "check": "subscribes: made, emits: checked",
}
POLISHED = {
    **PLAIN,
    "polish": "subscribes: item, emits: polished, run: 'stages.booked.steps:make'",
    "make": "subscribes: polished, emits: made",
}


async def put(
    settings: Settings, folder: Path, stages: Mapping[str, str] = PLAIN, partitions: int = 3
) -> Version:
    """Apply a file with these stages."""
    file = folder / "topology.yaml"
    lines = [f"pipeline: {PIPELINE}", f"defaults: {{partitions: {partitions}}}", "events:"]
    lines += ["  asked: {partitions: 1}", "  item: {key: n}", "  made: {key: n}", "stages:"]
    for name, wired in stages.items():
        run = "" if "run:" in wired else f", run: 'stages.booked.steps:{name}'"
        lines.append(f"  {name}: {{{wired}{run}}}")
    file.write_text("\n".join([*lines, ""]))
    checked = check_topology_file(file, settings.names)
    assert checked.is_fit, checked.findings
    assert checked.topology
    derived = derive_topology(checked.topology, checked.signatures, settings.names)
    return (await publish_version(settings, derived, "a test")).version


async def ask(
    settings: Settings, version: Version, runs: int, items: int, pause: float = 0.0
) -> None:
    """Open `runs` runs of `items` items each; a stage takes `pause` seconds for an item."""
    value = orjson.dumps({"items": items, "pause": pause})
    async with open_client(make_producer(settings), settings) as client:
        for _ in range(runs):
            await client.send_and_wait(version.events["asked"].topic, value)


@dataclass
class Count:
    """The events of one run, counted in its topics without the books."""

    events: Counter[str] = field(default_factory=Counter)
    """By type."""
    ids: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    dead: Counter[str] = field(default_factory=Counter)
    """By stage."""


async def counted(settings: Settings) -> dict[str, Count]:
    """Return all runs, in the order of their roots, counted at `read_committed` by headers
    alone."""
    versions = await read_versions(settings, PIPELINE)
    newest = versions[max(versions)]
    types = {e.topic: name for v in versions.values() for name, e in v.events.items()}
    found: dict[str, Count] = {}
    roots = newest.events["asked"].topic
    ids = RunIdGenerator(newest.installation, roots)
    async for records in scan(settings, [roots]):
        for record in records:
            found[ids.run_id(record.partition, record.offset, newest.format)] = Count()
    async for records in scan(settings, sorted(types.keys() - {roots})):
        for record in records:
            headers = dict(record.headers)
            count = found[headers["ce_runid"].decode()]
            count.events[types[record.topic]] += 1
            count.ids[types[record.topic]].add(headers["ce_id"])
    for stage in active_stages(versions):
        async for records in scan(settings, [settings.names.dead_topic(PIPELINE, stage)]):
            for record in records:
                run = dict(record.headers)["ce_runid"].decode()
                found[run].dead[stage] += 1
    return found


async def rows(settings: Settings) -> tuple[dict[str, RunRow], Counter[str]]:
    """Return the newest row of each run, and how often it was `run.completed`."""
    found: dict[str, RunRow] = {}
    completed: Counter[str] = Counter()
    async for records in scan(settings, [settings.names.runs_topic]):
        for record in records:
            run = (record.key or b"").decode()
            found[run] = orjson.loads(record.value or b"")
            completed[run] += dict(record.headers)["ce_type"] == b"run.completed"
    return found, completed


def faults(row: RunRow, count: Count) -> list[str]:
    """Return the differences between the row of a run and the count of its topics."""
    found = []
    for name, edge in row["edges"].items():
        event_type, _, stage = name.partition(">")
        number = 1 if event_type == "asked" else count.events[event_type]
        of_ids = 1 if event_type == "asked" else len(count.ids[event_type])
        dead = count.dead[stage]
        counts = (edge["emitted"], edge["consumed"], edge["dead"], edge["differs"])
        if (number, counts) != (of_ids, (number, number, dead, 0)):
            found.append(
                f"{name}: {number} events, {of_ids} ids, {dead} dead: the row says {counts}"
            )
        if stage == "check" and edge["dropped"] != number - count.events["checked"]:
            found.append(f"{name}: {edge['dropped']} dropped")
    if row["leaves"] != {"checked": count.events["checked"]}:
        found.append(f"leaves: {row['leaves']}")
    return found


@asynccontextmanager
async def booked(settings: Settings) -> AsyncIterator[None]:
    """Run a bookkeeper in this process."""
    stopping = asyncio.Event()
    running = asyncio.create_task(run_bookkeeper(settings, stopping, Path()))
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(running, 30)


def opened(settings: Settings) -> Callable[[], Awaitable[bool]]:
    """Return a condition: the bookkeeper has opened a run."""

    async def any_row() -> bool:
        return bool((await rows(settings))[0])

    return any_row


async def at_rest(settings: Settings, pipeline: str = PIPELINE) -> None:
    """Wait until every stage has read all of its input."""

    async def settled() -> bool:
        return not await behind(settings, pipeline)

    await until(settled, "the stages are behind")


def linked(folder: Path) -> Path:
    """Link the functions of the pipeline into the folder, and return the folder."""
    os.symlink(STAGES, folder / "stages")
    return folder
