"""How is a pipeline worked until nothing is left but what waits?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.catalog.published_versions import read_versions
from farandole.events.run_row import RunRow, in_flight
from farandole.operations.runs.run_rows import read_run_records
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.test_live import put


async def work_at_rest(
    settings: Settings, folder: Path, root: str, roots: Sequence[bytes]
) -> list[RunRow]:
    """Publish the pipeline of a folder and these roots, and have them worked as far as they can be;
    return the rows of their runs, in the order of the roots."""
    version = await put(settings, folder, (folder / "topology.yaml").read_text())
    async with open_client(make_producer(settings), settings) as client:
        for value in roots:
            await client.send_and_wait(version.events[root].topic, value, partition=0)
    versions = await read_versions(settings, version.pipeline)
    supervisor = Supervisor(worker_services(settings, folder, versions, together=True, processes=1))
    stopping = asyncio.Event()
    running = asyncio.create_task(supervisor.run(stopping))
    try:
        with bookkeeper(settings, folder):
            return await _rows_at_rest(settings, len(roots))
    finally:
        stopping.set()
        await running


async def _rows_at_rest(settings: Settings, runs: int) -> list[RunRow]:
    """Wait until nothing of the runs is in flight but what is parked."""
    ends = time.monotonic() + 60
    while True:
        found: dict[str, RunRow] = {}
        async for batch in read_run_records(settings):
            found.update({each.run: each.row for each in batch if each.row is not None})
        if len(found) == runs and all(map(_is_at_rest, found.values())):
            return sorted(
                found.values(), key=lambda row: row["root"]["offset"] if row["root"] else -1
            )
        assert time.monotonic() < ends, f"not at rest: {found}"
        await asyncio.sleep(0.1)


def _is_at_rest(row: RunRow) -> bool:
    edges = row["edges"].values()
    return row["root"] is not None and all(in_flight(each) == each["parked"] for each in edges)
