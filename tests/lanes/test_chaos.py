"""Is each event handled exactly once on a real Kafka, whichever worker is killed, frozen or fenced?

Each test counts what a reader at `read_committed` sees, in order; the lanes broken on purpose show
that the same counting catches each mistake.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from farandole.broker import embedded_kafka
from farandole.broker.broker_errors import DeadlineExceededError
from farandole.broker.settings import Settings
from tests.lanes.troupe import PARTITIONS, Troupe, until, wake
from tests.session_template import SessionTemplate

pytestmark = pytest.mark.kafka

UNNOTICED = "the broken lane went unnoticed"


@pytest.fixture
async def troupe(
    settings: Settings, tmp_path: Path, session_template: SessionTemplate
) -> AsyncIterator[Troupe]:
    troupe = Troupe(settings, tmp_path, session_template)
    await troupe.prepare()
    yield troupe
    troupe.end()


async def test_kill_9_at_random_moments_loses_and_doubles_nothing(troupe: Troupe) -> None:
    die = random.Random(7)
    members = [troupe.start(), troupe.start()]
    for round_ in range(4):
        await troupe.give(1500)
        await troupe.some(3000 * round_ + die.randrange(500, 2500))
        victim = die.randrange(2)
        members[victim].kill()
        members[victim].wait()
        members[victim] = troupe.start()
    assert await troupe.settled() == troupe.expected()


@pytest.mark.parametrize(
    "point", ["before the transaction", "inside the transaction", "after the offsets"]
)
async def test_a_zombie_that_wakes_after_a_take_over_changes_nothing(
    troupe: Troupe, point: str
) -> None:
    zombie = troupe.start()
    await troupe.give(400)
    await troupe.some(1)
    await _frozen(troupe, zombie, point)
    troupe.start()
    await troupe.give(400)
    assert await troupe.settled() == troupe.expected()
    wake(zombie)
    await troupe.give(400)
    assert await troupe.settled() == troupe.expected()


async def test_a_zombie_that_rebuilds_its_producer_is_refused_by_its_group(troupe: Troupe) -> None:
    """It fences the rightful owner, and cannot commit."""
    zombie = troupe.start("rebuilt by a zombie")
    await troupe.give(400)
    await _frozen(troupe, zombie, "inside the transaction")
    troupe.start()
    await troupe.settled(patience=10)
    wake(zombie)
    await troupe.give(400)
    assert await troupe.settled() == troupe.expected()


async def test_a_zombie_whose_group_does_not_check_its_offsets_is_caught(troupe: Troupe) -> None:
    """It does harm only if its lane hears of the fence before its group stops it: several try."""
    for _ in range(5):
        zombie = troupe.start("rebuilt as nobody")
        await troupe.give(400)
        await _frozen(troupe, zombie, "inside the transaction")
        successor = troupe.start()
        await troupe.settled(patience=10)
        wake(zombie)
        if await doubled(troupe, patience=5):
            return
        for member in (zombie, successor):
            member.kill()
            member.wait()
    raise AssertionError(UNNOTICED)


async def test_a_transaction_that_outlives_its_time_out_is_worked_again_by_its_living_owner(
    troupe: Troupe,
) -> None:
    """No rebalance follows: a lane that waited for one would be silent for good."""
    member = troupe.start(session_timeout=20, transaction_timeout=1.5, deadline=1.2)
    await troupe.give(400)
    await _frozen(troupe, member, "after the offsets")
    await troupe.aborted()
    wake(member)
    assert await troupe.settled() == troupe.expected()


async def test_a_lane_that_goes_silent_after_a_fence_is_caught(troupe: Troupe) -> None:
    member = troupe.start(
        "silent after a fence", session_timeout=20, transaction_timeout=1.5, deadline=1.2
    )
    await troupe.give(400)
    await _frozen(troupe, member, "after the offsets")
    await troupe.aborted()
    wake(member)
    assert await troupe.settled(patience=5) != troupe.expected()


async def test_a_rebalance_that_gives_the_same_partitions_back_changes_nothing(
    troupe: Troupe,
) -> None:
    troupe.start()
    for round_ in range(4):
        await troupe.give(500)
        await troupe.some(1000 * round_ + 1)
        guest = troupe.start()
        await troupe.give(500)
        await troupe.joined(guest)
        guest.terminate()
        await asyncio.to_thread(guest.wait, 20)
        assert guest.returncode == 0, "a member that is told to go drains and leaves"
    assert await troupe.settled() == troupe.expected()


@pytest.mark.parametrize(("port", "exact"), [("slow", True), ("early offset", False)])
async def test_an_offset_read_before_the_fence_is_caught(
    troupe: Troupe, port: str, *, exact: bool
) -> None:
    """The last owner is frozen before its commit, expelled, woken, and commits: not fenced yet."""
    # However long a busy machine takes to start the successor, that commit is not too late.
    patient = {"transaction_timeout": 60.0, "deadline": 50.0}
    troupe.settings = troupe.settings.model_copy(update=patient)
    last = troupe.start()
    await troupe.give(400)
    await _frozen(troupe, last, "after the offsets")
    successor = troupe.start(port)
    read = [troupe.folder / f"{successor.pid}.{p}.read" for p in range(PARTITIONS)]
    await until(lambda: all(file.exists() for file in read), "no successor")
    before = await troupe.offsets()
    wake(last)
    while await troupe.offsets() == before:  # its commit, after the successor has read
        await asyncio.sleep(0.05)
    last.kill()
    (troupe.folder / "go on").touch()
    await troupe.give(100)
    if exact:
        assert await troupe.settled() == troupe.expected()
    else:
        await until_doubled(troupe)


@pytest.mark.parametrize(("port", "exact"), [("commit point", True), ("offset aside", False)])
async def test_an_offset_outside_of_the_transaction_is_caught(
    troupe: Troupe, port: str, *, exact: bool
) -> None:
    member = troupe.start(port)
    await troupe.give(200)
    await troupe.some(1)
    await asyncio.gather(
        troupe.until_at(member, "between outputs and offset", "kill"), troupe.give(400)
    )
    troupe.start()
    if exact:
        assert await troupe.settled() == troupe.expected()
    else:
        await until_doubled(troupe)


async def test_a_broker_killed_and_started_again_loses_and_doubles_nothing(
    tmp_path: Path, session_template: SessionTemplate
) -> None:
    home = tmp_path / "own broker"
    home.mkdir()
    running = await embedded_kafka.start_embedded(home, progress=lambda _: None, port=19092)
    settings = Settings(bootstrap=running.address, replication_factor=1, session_timeout=3)
    troupe = Troupe(settings, tmp_path, session_template)
    try:
        await troupe.prepare()
        troupe.start()
        await troupe.give(2000)
        await troupe.some(500)
        os.kill(running.first.pid, signal.SIGKILL)
        await until(lambda: embedded_kafka.embedded_status(home) is None, "it survived kill -9")
        await embedded_kafka.start_embedded(home, progress=lambda _: None)
        await troupe.give(500)
        assert await troupe.settled(patience=60) == troupe.expected()
    finally:
        troupe.end()
        await embedded_kafka.stop_embedded(home)


async def _frozen(troupe: Troupe, member: object, point: str) -> None:
    """Freeze a member at a point, with events on the way so that it gets there."""
    await asyncio.gather(troupe.until_at(member, point, "stop"), troupe.give(400))  # type: ignore[arg-type]


async def until_doubled(troupe: Troupe) -> None:
    """The counting sees that something was done twice."""
    assert await doubled(troupe, patience=40), UNNOTICED


async def doubled(troupe: Troupe, patience: float) -> bool:
    """Does the counting see, within so many seconds, that something was done twice?"""
    ends = time.monotonic() + patience
    while time.monotonic() < ends:
        found: dict[int, list[bytes]] = {}
        with suppress(DeadlineExceededError):  # on a busy machine: asked again
            found = await troupe.results()
        if any(len(set(v)) < len(v) for v in found.values()):
            return True
        await asyncio.sleep(0.1)
    return False
