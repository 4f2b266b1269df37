"""Does a gate let in what may enter, and nothing else, through round after round of faults?"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import orjson
import pytest

from farandole.broker.settings import Settings
from tests.books.clean import assert_clean, books_read, until
from tests.books.stand import rows
from tests.ledger.test_bookkeeper_live import bookkeeper, killed
from tests.rewiring.test_live import behind
from tests.worker.test_gates_live import (
    BAD,
    FILE,
    ITEMS,
    STEPS,
    _async,
    ask,
    at_work,
    loaded,
    records,
)
from tests.worker.test_parked_rows_live import said
from tests.worker.test_retry_queue_live import put

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "6"))
SEED = int(os.environ.get("SOAK_SEED", "1"))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_gates_hold_while_workers_and_bookkeepers_come_and_go(
    settings: Settings, tmp_path: Path, unset: None
) -> None:
    """SOAK_ROUNDS and SOAK_SEED say how much of it."""
    (tmp_path / "topology.yaml").write_text(FILE)
    (tmp_path / "gated_steps.py").write_text(STEPS)
    asyncio.run(survived(settings, tmp_path, random.Random(SEED)))
    assert_clean(settings, tmp_path)


async def survived(settings: Settings, folder: Path, die: random.Random) -> None:
    """In each round three runs are opened, a worker is killed while a bookkeeper is there, which
    is then killed too, and another worker is frozen while none is. In the end the runs that have
    failed their checks are let in."""
    version = await put(settings, folder)
    bad = [die.choice([0, 0, BAD]) for _ in range(3 * ROUNDS)]
    async with at_work(settings, folder) as supervisor:
        for number in range(ROUNDS):
            await ask(settings, version, *bad[3 * number : 3 * number + 3])

            async def some_opened(least: int = 3 * number + 1) -> bool:
                return len((await rows(settings))[0]) >= least

            with bookkeeper(settings) as books:
                await until(some_opened, "no run is opened")
                victim = die.choice([*supervisor.pids().values()])
                os.kill(victim, signal.SIGKILL)
                killed(books)

            def is_replaced(gone: int = victim) -> bool:
                return gone not in supervisor.pids().values() and bool(supervisor.ready())

            await until(_async(is_replaced), "a worker is missing")
            pid = die.choice([*supervisor.pids().values()])
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(1.5 * settings.session_timeout)  # the fault itself
            os.kill(pid, signal.SIGCONT)
        with bookkeeper(settings):
            released = await _let_in(settings, folder, sum(map(bool, bad)))

            async def at_rest() -> bool:
                return not await behind(settings, "gated")

            await until(at_rest, "something waits for ever")
            await books_read(settings)
    await _judge(settings, released, len(bad))


async def _let_in(settings: Settings, folder: Path, failed: int) -> set[str]:
    """Let the runs in that have failed their checks, once each has."""

    async def all_failed() -> bool:
        found = (await said(settings, folder, "gates"))["runs"]
        return sum(each["judged"] is not None for each in found) == failed

    await until(all_failed, "not every bad run has failed")
    found = (await said(settings, folder, "gates"))["runs"]
    shut = {each["run"] for each in found if each["judged"] is not None}
    assert not shut & (await loaded(settings)).keys()
    for run in sorted(shut):
        await said(settings, folder, "gates", "release", run, "--reason", "looked at")
    return shut


async def _judge(settings: Settings, released: set[str], runs: int) -> None:
    found, completed = await rows(settings)
    assert len(found) == runs
    assert completed == dict.fromkeys(found, 1)
    by_run = await loaded(settings)
    assert {run: len(each) for run, each in by_run.items()} == dict.fromkeys(found, ITEMS)
    states = {run: row["gates"]["load"]["state"] for run, row in found.items()}
    assert {run for run, state in states.items() if state == "released"} == released
    opened: dict[str, int] = {}
    for record in await records(settings, settings.names.gates_topic):
        run = (record.key or b"").decode().rpartition("/")[2]
        opened.setdefault(run, orjson.loads(record.value or b"{}").get("at", 0))
    for run, events in by_run.items():
        if run not in released:
            assert min(event.timestamp for event in events) >= opened[run]
