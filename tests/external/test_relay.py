"""Are the outputs of a program without transactions relayed once, although workers are killed?"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from click.testing import CliRunner

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.published_versions import read_versions
from farandole.cli.__main__ import farandole
from farandole.events.raw_output import CAUSE_HEADER
from farandole.operations.backup.backup_file import read_backup
from farandole.services.pipeline_supervision import supervised
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services
from tests.books.clean import assert_clean, books_read, until
from tests.cli.conftest import environment
from tests.external.orders import EXAMPLE, all_have, headers_in, place_orders, scored
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.test_live import put

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

ROUNDS = 2
STRAY = b"no output of any event"


@asynccontextmanager
async def program(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """The stage `score` without transactions. It writes everything twice, and commits later."""
    names = settings.names
    group, raw = names.outside_group("orders", "score"), names.raw_topic("orders", "score")
    topic = names.event_topic("orders", "order.accepted")

    async def work() -> None:
        reader = make_consumer(settings, group=group)
        writing = open_client(make_producer(settings), settings)
        async with writing as writer, open_client(reader, settings):
            reader.subscribe([topic])
            while True:
                batches = await reader.getmany(timeout_ms=200)
                for _ in range(2):
                    for tp, records in batches.items():
                        for record in records:
                            cause = f"{topic}/{tp.partition}/{record.offset}/0".encode()
                            line = json.loads(record.value) | {"score": "low"}
                            await writer.send_and_wait(
                                raw,
                                json.dumps(line).encode(),
                                partition=tp.partition,
                                headers=[(CAUSE_HEADER, cause)],
                            )
                if batches:
                    ends = {tp: records[-1].offset + 1 for tp, records in batches.items()}
                    await reader.commit(ends)

    task = asyncio.create_task(work())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    return tmp_path


async def relayed(settings: Settings, folder: Path) -> None:
    """Orders go through the program while the workers that relay are killed and frozen."""
    written = (folder / "topology.yaml").read_text()
    two = written.replace("external: true", "external: at-least-once, processes: 2")
    version = await put(settings, folder, two)
    topic = version.events["order.placed"].topic
    workers = [
        replace(service, patience=300.0)  # a frozen process must wake up, and not be killed
        for service in worker_services(settings, folder, await read_versions(settings, "orders"))
    ]
    supervisor = Supervisor(workers)
    async with supervised(supervisor), program(settings):
        runs = 0
        for number in range(ROUNDS):
            runs = await place_orders(settings, topic, runs)
            relays = [pid for name, pid in supervisor.pids().items() if name.startswith("score")]
            if number % 2:
                os.kill(relays[0], signal.SIGSTOP)  # a zombie: the other takes its lanes over
            else:
                os.kill(relays[0], signal.SIGKILL)
            await all_have(settings, runs, "settled")
            if number % 2:
                os.kill(relays[0], signal.SIGCONT)
        await give_stray(settings)
        await until(lambda: one_letter(settings), "the stray is no dead letter")
        await until(lambda: all_read(settings), "the raw topic is not read to its end")
        await books_read(settings)
    found = await scored(settings)
    assert len(found) == len(set(found)) == 3 * runs
    raw = await headers_in(settings, settings.names.raw_topic("orders", "score"), CAUSE_HEADER)
    assert len(raw) >= 6 * runs


async def give_stray(settings: Settings) -> None:
    async with open_client(make_producer(settings), settings) as writer:
        raw = settings.names.raw_topic("orders", "score")
        await writer.send_and_wait(raw, STRAY, partition=0)


async def one_letter(settings: Settings) -> bool:
    topic = settings.names.dead_topic("orders", "score")
    letters = [record.value async for records in scan(settings, [topic]) for record in records]
    return letters == [STRAY]


async def all_read(settings: Settings) -> bool:
    names = settings.names
    tps = [TopicPartition(names.raw_topic("orders", "score"), index) for index in range(4)]
    async with ClusterAdmin.open(settings) as admin:
        committed = await admin.committed_offsets(names.stage_group("orders", "score"), tps)
        ends = await admin.end_offsets(tps)
    return {tp: at and at.offset for tp, at in committed.items()} == ends


def command(settings: Settings, folder: Path, *words: str) -> Any:
    done = CliRunner().invoke(
        farandole, ["-C", str(folder), *words, "--json"], env=environment(settings)
    )
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_relay_that_is_killed_and_frozen_loses_and_doubles_nothing(
    settings: Settings, folder: Path
) -> None:
    with bookkeeper(settings):
        asyncio.run(relayed(settings, folder))
        assert_clean(settings, folder)
    status = command(settings, folder, "status")
    group = settings.names.outside_group("orders", "score")
    assert status["programs"] == {"score": {"group": group, "members": 0, "unread": 0}}
    assert status["uncounted_readers"] == []
    (letter,) = command(settings, folder, "dead")
    assert "it has no header farandole-cause" in json.dumps(letter)
    assert len(command(settings, folder, "runs", "--status", "settled")) == 20
    lanes = settings.names.stage_group("orders", "score")
    assert saved_offsets(settings, folder) == asyncio.run(offsets(settings, lanes))
    moved = command(settings, folder, "seek", "score", "--to", "earliest", "--all")
    assert {each["to"] for each in moved} == {0}
    assert set(asyncio.run(offsets(settings, group)).values()) == {0}
    plan = command(settings, folder, "delete", "orders")["plan"]
    assert group in plan["groups"]
    assert settings.names.raw_topic("orders", "score") in {t["topic"] for t in plan["topics"]}


async def offsets(settings: Settings, group: str) -> dict[int, int | None]:
    topic = settings.names.event_topic("orders", "order.accepted")
    async with ClusterAdmin.open(settings) as admin:
        tps = [TopicPartition(topic, index) for index in range(4)]
        committed = await admin.committed_offsets(group, tps)
    return {tp.partition: at and at.offset for tp, at in committed.items()}


def saved_offsets(settings: Settings, folder: Path) -> dict[int, int | None]:
    """The offsets of the program in a backup."""
    file = folder / "backup.gz"
    command(settings, folder, "backup", str(file))
    group = settings.names.outside_group("orders", "score").removeprefix(settings.names.prefix)
    return {e.partition: e.committed for e in read_backup(file).offsets if e.group == group}
