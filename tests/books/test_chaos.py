"""Are the run rows right although processes are killed, frozen and the pipeline is rewired?"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from tests.books.clean import assert_clean, books_read, until
from tests.books.disturbed import workers
from tests.books.stand import (
    PIPELINE,
    POLISHED,
    ask,
    at_rest,
    counted,
    faults,
    linked,
    opened,
    put,
    rows,
)
from tests.ledger.test_bookkeeper_live import bookkeeper, killed

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

ITEMS = 250
PAUSE = 0.003  # seconds an item, so that there is something to interrupt


def test_runs_complete_once_and_agree_with_the_topics_after_any_faults(
    settings: Settings, tmp_path: Path, unset: None
) -> None:
    """A worker is killed, another is frozen until it has lost its lanes, the bookkeeper is killed
    and started late, and the pipeline is rewired; all of it while events are in flight."""
    folder = linked(tmp_path)
    asyncio.run(survived(settings, folder))
    assert_clean(settings, folder)


async def survived(settings: Settings, folder: Path) -> None:
    version = await put(settings, folder)
    async with workers(settings, folder, PIPELINE) as at_work:
        with bookkeeper(settings) as first:
            await ask(settings, version, 4, ITEMS, PAUSE)
            await at_work.consumed(300)
            at_work.kill()
            await at_work.consumed(300)
            await until(opened(settings), "the bookkeeper has opened no run")
            killed(first)
        await ask(settings, version, 4, ITEMS, PAUSE)
        await at_work.ready()
        await at_work.freeze()
        with bookkeeper(settings):
            await ask(settings, version, 2, ITEMS, PAUSE)
            await at_work.consumed(100)
            await put(settings, folder, POLISHED)
            await ask(settings, version, 2, ITEMS, PAUSE)
            await at_rest(settings)
            await books_read(settings)
    found, completed = await rows(settings)
    counts = await counted(settings)
    assert len(counts) == 12
    assert completed == dict.fromkeys(counts, 1)
    assert [f for run, count in counts.items() for f in faults(found[run], count)] == []
    for run, count in counts.items():
        polished = {"polished": ITEMS} if found[run]["version"] == 2 else {}
        made = {"item": ITEMS, "made": ITEMS, "checked": ITEMS * 9 // 10}
        assert (count.events, count.dead) == ({**made, **polished}, {"load": ITEMS // 50})
    by_version = Counter(row["version"] for row in found.values())
    assert by_version[2] >= 2
    assert {row["status"] for row in found.values()} == {"completed with dead letters"}
