"""An installation without services, whose rows the tests write themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS, ledger_partition
from farandole.events.run_row import RunRow, new_edge, new_run_row
from farandole.operations.installation import Installation
from farandole.operations.read_model.read_model import ReadModel, open_read_model
from farandole.operations.topology_source import TopologySource
from farandole.router.system_topics import system_topic_specs

PATIENCE = 180.0


def installation_of(settings: Settings) -> Installation:
    return Installation(settings, Path(), TopologySource(Path("topology.yaml"), None), "p")


def run_row(run: str, status: str = "running", opened: int | None = None, **over: Any) -> RunRow:
    at = int(time.time() * 1000) if opened is None else opened
    made: Any = {**new_run_row(run, "p", 1, at), "status": status, **over}
    row: RunRow = made
    return row


def edge(emitted: int, consumed: int, **over: int) -> Any:
    return {**new_edge(), "emitted": emitted, "consumed": consumed, **over}


async def create_topics(settings: Settings, *but: str) -> None:
    specs = system_topic_specs(settings.names)
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({t: spec for t, spec in specs.items() if t not in but})


async def delete_topic(settings: Settings, topic: str) -> None:
    async with ClusterAdmin.open(settings) as admin:
        await admin.delete_topics([topic])


async def write_rows(settings: Settings, topic: str, rows: Mapping[bytes | None, Any]) -> None:
    async with open_client(make_producer(settings), settings) as client:
        for key, value in rows.items():
            data = orjson.dumps(value) if isinstance(value, dict) else value
            await client.send_and_wait(topic, data, key=key, partition=0)


async def write_runs(settings: Settings, *rows: RunRow, deleted: tuple[str, ...] = ()) -> None:
    async with open_client(make_producer(settings), settings) as client:
        written = [(row["run"], orjson.dumps(row)) for row in rows]
        for run, value in [*written, *((run, None) for run in deleted)]:
            await client.send_and_wait(
                settings.names.runs_topic, value, key=run.encode(),
                partition=ledger_partition(run.encode(), DEFAULT_LEDGER_PARTITIONS),
            )  # fmt: skip


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition. Fails after PATIENCE."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"within {PATIENCE:g} s not {what}") from None


def is_current(model: ReadModel) -> bool:
    """Return True if the model knows everything that was written before now."""
    status = model.status()
    return not status.is_stale and status.current is not None and status.loading is None


@asynccontextmanager
async def followed(settings: Settings) -> AsyncIterator[ReadModel]:
    """Yield a read model that has read what is there."""
    async with open_read_model(installation_of(settings)) as model:
        await until(lambda: is_current(model), "current")
        yield model
