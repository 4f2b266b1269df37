"""Does a pipeline in memory do what it does on Kafka?

Hypothesis draws chains of stages, events and failures. What each world emitted, gave up and booked
must be the same."""

from __future__ import annotations

import asyncio
import importlib
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.outcome import Outcome
from farandole.events.record import Record
from farandole.events.root_record import new_root
from farandole.events.run_row import RunRow
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.router.version_publisher import publish_version
from farandole.testing import Pipeline
from farandole.testing.results import Report
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.worker_process import run_worker
from tests.books.clean import until
from tests.books.stand import booked
from tests.conftest import private_namespace
from tests.testing.drawn import CHAINS, CODE, Chain, roots, topology
from tests.testing.projects import write_project

FIELDS = ("stage", "error", "message", "attempts")


@dataclass
class World:
    """What a world has made of the events, in a form that two worlds have in common."""

    emitted: dict[str, dict[str, list[str]]]
    """By event type and key, the ids in their order."""
    dead: Counter[tuple[str, ...]]
    edges: dict[str, dict[str, int]]
    statuses: Counter[str]


def in_memory(file: Path, chains: list[Chain]) -> World:
    with Pipeline(file) as pipeline:
        for event_type, data in roots(chains):
            pipeline.send(event_type, data)
        report = pipeline.run()
        assert report.is_balanced
        counted = Counter((u.stage, u.outcome) for u in pipeline.dropped())
        for name, edge in report.edges.items():
            stage = name.partition(">")[2]
            assert counted[stage, Outcome.DROPPED] == edge["dropped"], name
            assert counted[stage, Outcome.FILTERED] == edge["filtered"], name
        records = {t: [e.record for e in pipeline.emitted(t)] for t in pipeline.version.events}
        letters = [
            (letter.stage, letter.error, letter.message, str(letter.attempts))
            for letter in pipeline.dead_letters()
        ]
    return World(by_key(chains, records), Counter(letters), report.edges, statuses(report))


async def on_kafka(kafka: Settings, file: Path, chains: list[Chain]) -> World:
    checked = check_topology_file(file, kafka.names)
    assert checked.topology is not None
    derived = derive_topology(checked.topology, checked.signatures, kafka.names)
    version = (await publish_version(kafka, derived, "a test")).version
    stopping = asyncio.Event()
    async with booked(kafka), open_client(make_producer(kafka), kafka) as client:
        beat = Heartbeat(None)
        working = asyncio.create_task(run_worker(kafka, version.pipeline, [], beat, stopping))
        for event_type, data in roots(chains):
            root = new_root(version, event_type, orjson.dumps(data))
            await client.send_and_wait(root.topic, root.value, key=root.key)

        async def all_closed() -> bool:
            assert not working.done(), working
            rows = await run_rows(kafka)
            return len(rows) == len(roots(chains)) and all(row["closed"] for row in rows)

        try:
            await until(all_closed, "the runs are not complete", 120)
        finally:
            stopping.set()
            await working
    report = Report(await run_rows(kafka))
    records: dict[str, list[Record]] = {}
    for name, event in version.events.items():
        found = await read(kafka, event.topic)
        records[name] = [r for r in found if any(n == "ce_runid" for n, _ in r.headers)]
    letters = [
        tuple(dict(r.headers)[f"dead_{field}"].decode() for field in FIELDS)
        for stage in version.stages
        for r in await read(kafka, kafka.names.dead_topic(version.pipeline, stage))
    ]
    return World(by_key(chains, records), Counter(letters), report.edges, statuses(report))


def by_key(
    chains: list[Chain], records: dict[str, list[Record]]
) -> dict[str, dict[str, list[str]]]:
    """Return the ids by type and key: in their order where a key keeps it, otherwise sorted. A
    stage in threads keeps it too."""
    found: dict[str, dict[str, list[str]]] = {}
    for event_type, of_type in records.items():
        ids = found.setdefault(event_type, {})
        for record in of_type:
            data = orjson.loads(record.value or b"")
            ids.setdefault(data["key"], []).append(data["id"])
        if not chains[int(event_type[1 : event_type.index(".")])].is_keyed:
            for key in ids:
                ids[key].sort()
    return found


def statuses(report: Report) -> Counter[str]:
    return Counter(row["status"] for row in report.runs)


async def run_rows(kafka: Settings) -> list[RunRow]:
    newest: dict[bytes, Any] = {}
    for record in await read(kafka, kafka.names.runs_topic):
        newest[record.key or b""] = orjson.loads(record.value or b"null")
    return [row for row in newest.values() if row is not None]


async def read(kafka: Settings, topic: str) -> list[Record]:
    return [record async for records in scan(kafka, [topic]) for record in records]


def same_in_both(kafka: Settings, chains: list[Chain], delete_later: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = write_project(Path(folder), topology(chains), CODE)
        remembered = in_memory(file, chains)
        (module,) = (path.stem for path in Path(folder).glob("made_*.py"))
        importlib.import_module(module).TRIED.clear()
        own = private_namespace(kafka)
        try:
            real = asyncio.run(on_kafka(own, file, chains))
        finally:
            delete_later(own.names.prefix)
    assert remembered == real


def drawn(chains: int, examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Draw so many chains for each of so many examples, and do not shrink: each takes seconds."""
    some = st.lists(CHAINS, min_size=chains, max_size=chains).filter(is_worth_its_time)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        health = [*HealthCheck]
        once = settings(
            max_examples=examples,
            phases=[Phase.generate],
            database=None,
            suppress_health_check=health,
        )
        return once(given(chains=some)(test))

    return decorate


def is_worth_its_time(chains: list[Chain]) -> bool:
    """Return False for the simplest examples, with which hypothesis begins."""
    return len({kind for chain in chains for kind in chain.kinds}) >= 4


@drawn(chains=12, examples=5)
def test_the_books_agree_with_the_topics(chains: list[Chain]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        in_memory(write_project(Path(folder), topology(chains), CODE), chains)


@pytest.mark.kafka
@drawn(chains=6, examples=1)
def test_kafka_agrees(
    kafka: Settings, delete_topics: Callable[[str], None], chains: list[Chain]
) -> None:
    same_in_both(kafka, chains, delete_topics)


@pytest.mark.soak
@pytest.mark.kafka
@pytest.mark.timeout(1800)
@drawn(chains=8, examples=20)
def test_kafka_agrees_for_long(
    kafka: Settings, delete_topics: Callable[[str], None], chains: list[Chain]
) -> None:
    same_in_both(kafka, chains, delete_topics)
