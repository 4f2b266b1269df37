"""A pipeline whose runs are compared, of which the last one was unusual."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.quality_history import HistoryRow, history_key
from farandole.events.quality_row import pipeline_partition
from farandole.events.topology_version import Version
from farandole.ledger.control_watch import watch_controls
from farandole.ledger.quality_service import compare_runs
from tests.cli.worked import STAGES
from tests.ledger.test_quality_lane import HOUR
from tests.rewiring.edits import PLAIN, text
from tests.rewiring.test_live import put

FILE = text(PLAIN).replace("  taken: {", "  taken: {profile: true, ")
RUNS = 40
FIRST = int(datetime.now(UTC).timestamp() * 1000) - RUNS * 6 * HOUR


def row(number: int, rows: int) -> HistoryRow:
    """One of the runs of every six hours."""
    made: Any = {
        "pipeline": "rewired", "version": 1, "run": f"run{number}", "status": "completed",
        "at": FIRST + number * 6 * HOUR,
        "measurements": [["taken", "", "rows", "volume", rows]],
        "examples": {"taken": {"ids": ["taken/0/17"]}},
    }  # fmt: skip
    found: HistoryRow = made
    return found


async def end(settings: Settings, version: Version, runs: Sequence[HistoryRow]) -> None:
    """Write what the bookkeeper writes of runs that have ended."""
    partition = pipeline_partition(version.pipeline, version.ledger)
    async with open_client(make_producer(settings), settings) as writer:
        for each in runs:
            await writer.send_and_wait(
                settings.names.quality_history_topic,
                orjson.dumps(each),
                key=history_key(each),
                partition=partition,
            )


@asynccontextmanager
async def compared_runs(settings: Settings, folder: Path) -> AsyncIterator[Version]:
    """Let a lane compare the runs of a pipeline, of which one had five times as many rows."""
    (folder / "stages").symlink_to(STAGES)
    published = await put(settings, folder, FILE)
    usual = [row(number, 1_000 + number % 7 * 10) for number in range(RUNS)]
    await end(settings, published, [*usual, row(RUNS, 5_000)])

    async def no_versions() -> None:
        pass

    async with watch_controls(settings) as controls:
        comparing = asyncio.create_task(
            compare_runs(settings, "here", lambda *_: published, controls.documents, no_versions)
        )
        yield published
        comparing.cancel()
        with suppress(asyncio.CancelledError):
            await comparing
