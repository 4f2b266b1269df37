"""Does a process write heartbeats as long as it is alive and responsive, and only then?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import orjson
import pytest

from farandole.broker.awake_clock import AwakeClock
from farandole.events.outcome import Outcome, OutcomeCounts
from farandole.worker import heartbeat as beats
from farandole.worker.counters import Counters
from farandole.worker.heartbeat import Heartbeat


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "HEARTBEAT_PERIOD", 0.001)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    yield reading, writing
    for fd in (reading, writing):
        with suppress(OSError):
            os.close(fd)


@asynccontextmanager
async def beating(beat: Heartbeat, orphaned: asyncio.Event | None = None) -> AsyncIterator[None]:
    task = asyncio.create_task(beat.run({"load": lambda: 2}, orphaned or asyncio.Event()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def heard(fd: int) -> bytes:
    """What stands in the pipe, as soon as something does."""
    async with asyncio.timeout(180):
        while True:
            try:
                return os.read(fd, 2**20)
            except BlockingIOError:
                await asyncio.sleep(0.001)


def drained(fd: int) -> None:
    with suppress(BlockingIOError):
        while os.read(fd, 2**20):
            pass


async def turns(count: int) -> None:
    """Let a few beats pass."""
    for _ in range(count):
        await asyncio.sleep(0.002)


async def test_a_heartbeat_contains_what_was_settled(pipe: tuple[int, int]) -> None:
    beat = Heartbeat(pipe[1])
    outcomes = {Outcome.DROPPED: 1, Outcome.FILTERED: 2, Outcome.DEAD: 1, Outcome.CANCELLED: 4}
    beat.counters("load").add(Counters(5, 3, outcomes=OutcomeCounts(outcomes)))
    async with beating(beat):
        line = (await heard(pipe[0])).splitlines()[0]
    assert orjson.loads(line) == {
        "load": {
            "consumed": 5,
            "emitted": 3,
            "bypassed": 0,
            "dropped": 1,
            "filtered": 2,
            "dead": 1,
            "cancelled": 4,
            "parked": 0,
            "lanes": 2,
        }
    }


async def test_the_last_heartbeat_contains_what_was_settled_last(pipe: tuple[int, int]) -> None:
    """Or the books of a process that ends in good order would miss its last moments."""
    beat = Heartbeat(pipe[1])
    counters = beat.counters("load")
    async with beating(beat):
        await heard(pipe[0])
        counters.add(Counters(consumed=7))
    assert orjson.loads((await heard(pipe[0])).splitlines()[-1])["load"]["consumed"] == 7


async def test_an_overdue_call_stops_the_heartbeats(pipe: tuple[int, int]) -> None:
    beat = Heartbeat(pipe[1])
    began, ended = beat.call_watch("load")
    token = began(-1)
    async with beating(beat):
        await turns(20)
        with pytest.raises(BlockingIOError):
            os.read(pipe[0], 1)
        ended(token)
        assert await heard(pipe[0])


async def test_a_call_within_its_time_out_stops_no_heartbeat(pipe: tuple[int, int]) -> None:
    beat = Heartbeat(pipe[1])
    began, _ = beat.call_watch("load")
    began(60)
    async with beating(beat):
        assert await heard(pipe[0])


async def test_each_of_two_calls_is_watched(pipe: tuple[int, int]) -> None:
    beat = Heartbeat(pipe[1])
    began, ended = beat.call_watch("load")
    began(-1)
    ended(began(60))
    async with beating(beat):
        await turns(20)
        with pytest.raises(BlockingIOError):
            os.read(pipe[0], 1)


async def test_a_process_notices_that_its_supervisor_is_gone(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    orphaned = asyncio.Event()
    async with beating(Heartbeat(pipe[1]), orphaned), asyncio.timeout(180):
        await orphaned.wait()


async def test_a_supervisor_that_does_not_read_is_no_reason_to_end(pipe: tuple[int, int]) -> None:
    with pytest.raises(BlockingIOError):
        while True:
            os.write(pipe[1], b"\n" * 4096)
    orphaned = asyncio.Event()
    async with beating(Heartbeat(pipe[1]), orphaned):
        await turns(5)
        drained(pipe[0])
        assert await heard(pipe[0])
    assert not orphaned.is_set()


async def test_a_process_without_a_supervisor_runs() -> None:
    async with beating(Heartbeat(None)):
        await turns(3)


def test_a_call_is_not_overdue_for_the_time_in_which_its_process_was_frozen() -> None:
    at = 0.0
    beat = Heartbeat(None, AwakeClock(monotonic=lambda: at))
    started, _ = beat.call_watch("load")
    started(10.0)
    at += 3600
    assert beat._overdue() is None
    for _ in range(20):
        at += 0.5
        overdue = beat._overdue()
    assert overdue == "load"
