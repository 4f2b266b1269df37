"""Does the bookkeeper write the right run rows on a real Kafka, also if it is killed?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson
import pytest

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.broker.topic_reader import scan
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS, LedgerEntry, ledger_partition
from farandole.events.record import Record
from farandole.events.run_row import RunRow
from farandole.events.topology_version import INSTALLATION_KEY, Installation
from farandole.router import system_topics
from tests.ledger.made import consumed, emitted, entry, part, root

pytestmark = pytest.mark.kafka


@contextmanager
def bookkeeper(settings: Settings, folder: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """`folder`: from where it imports the functions of checks."""
    clean = {n: v for n, v in os.environ.items() if not n.startswith(ENV_PREFIX)}
    given = {
        f"{ENV_PREFIX}SESSION_TIMEOUT": str(settings.session_timeout),
        f"{ENV_PREFIX}HEARTBEAT_INTERVAL": str(settings.heartbeat_interval),
    }
    words = ["--bootstrap", settings.bootstrap or "", "--namespace", settings.namespace]
    words += [] if folder is None else ["-C", str(folder)]
    child = subprocess.Popen(
        [sys.executable, "-m", "farandole", *words, "keep-books"],
        env={**clean, **given},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


def killed(child: subprocess.Popen[bytes]) -> None:
    """Kill a process, and wait for its end."""
    child.kill()
    child.wait()


def now() -> int:
    """Return the time in milliseconds. Rows of old entries would be deleted at once."""
    return time.time_ns() // 1_000_000


def opening(run: str) -> LedgerEntry:
    out = {"made": emitted(f"{run}/x", f"{run}/y", to=["b"])}
    return entry("a", part(run, {"asked": consumed(run)}, out, root("a")), at=now())


def closing(run: str, last: str) -> LedgerEntry:
    return entry("b", part(run, {"made": consumed(f"{run}/{last}")}), at=now())


async def install(settings: Settings) -> None:
    installation = Installation(id=uuid4(), created=datetime.now(UTC))
    async with open_client(make_producer(settings), settings) as client:
        await client.send_and_wait(
            settings.names.topology_topic,
            installation.model_dump_json().encode(),
            key=INSTALLATION_KEY,
        )


async def write(settings: Settings, entries: Sequence[LedgerEntry]) -> None:
    async with open_client(make_producer(settings), settings) as client:
        for each in entries:
            run = each["runs"][0]["run"].encode()
            await client.send_and_wait(
                settings.names.ledger_topic,
                orjson.dumps(each),
                key=run,
                partition=ledger_partition(run, DEFAULT_LEDGER_PARTITIONS),
            )


async def until(settings: Settings, runs: Sequence[str], transition: str) -> list[Record]:
    """Return all records of run rows, once each of the runs has one of type `what`."""
    found: list[Record] = []
    left = set(runs)
    async for records in scan(settings, [settings.names.runs_topic], follow=True):
        found += records
        left -= {r.key.decode() for r in records if r.key and _type(r) == transition}
        if not left:
            break
    return found


def _type(record: Record) -> str:
    return dict(record.headers).get("ce_type", b"").decode()


def _newest(found: Sequence[Record]) -> dict[str, RunRow]:
    return {r.key.decode(): orjson.loads(r.value) for r in found if r.key and r.value}


async def test_each_run_completes_once_although_the_bookkeeper_is_killed(
    settings: Settings,
) -> None:
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics(system_topics.system_topic_specs(settings.names))
    await install(settings)
    runs = [f"run{n}" for n in range(40)]
    with bookkeeper(settings) as first:
        await write(settings, [opening(run) for run in runs])
        opened_ = _newest(await until(settings, runs, "run.opened"))
        assert {row["status"] for row in opened_.values()} == {"running"}
        await write(settings, [closing(run, "x") for run in runs])
        await write(settings, [closing(run, "y") for run in runs[:20]])
        first.send_signal(signal.SIGKILL)
        first.wait()
    with bookkeeper(settings):
        await write(settings, [closing(run, "y") for run in runs[20:]])
        await write(settings, [opening("last"), closing("last", "x"), closing("last", "y")])
        found = await until(settings, [*runs, "last"], "run.completed")
    completed = [r.key.decode() for r in found if r.key and _type(r) == "run.completed"]
    assert Counter(completed) == dict.fromkeys([*runs, "last"], 1)
    assert {row["status"] for row in _newest(found).values()} == {"completed"}
    assert {dict(r.headers)["ce_specversion"] for r in found} == {b"1.0"}
