"""Does the time of a call stand still while it waits for a limit, and is it always watched else?"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from farandole.testing.virtual_time import VirtualClock, VirtualTimeLoop
from farandole.worker.call_time import AwaitedCall, CallAbandonedError, CallTerms, ThreadCall


class Watch:
    """The watch of a heartbeat: how long each call under way may still take."""

    def __init__(self) -> None:
        self.under_way: dict[object, float] = {}

    def started(self, seconds: float) -> object:
        token = object()
        self.under_way[token] = seconds
        return token

    def ended(self, token: object) -> None:
        del self.under_way[token]  # it is told once


class Limits:
    """Lets those who wait go on when a test says so."""

    def __init__(self) -> None:
        self.may_pass = asyncio.Event()
        self.waits = threading.Event()

    async def wait(self, name: str, *, in_thread: bool = False) -> None:
        self.waits.set()
        await self.may_pass.wait()

    def is_short(self) -> bool:
        return False


def test_a_deadline_stands_still_while_an_awaited_call_waits() -> None:
    async def main() -> None:
        watch, limits = Watch(), Limits()
        call = AwaitedCall(CallTerms(5.0, watch.started, watch.ended, limits))

        async def function() -> None:
            await asyncio.sleep(2)
            await asyncio.gather(call.limit("a"), call.limit("b"))
            assert [*watch.under_way.values()] == [3 + 1]  # what is left, and the grace
            await asyncio.sleep(4)

        async def use() -> None:
            async with call.deadline():
                await function()

        using = asyncio.create_task(use())
        await asyncio.sleep(1000)
        assert watch.under_way == {}
        limits.may_pass.set()
        with pytest.raises(TimeoutError, match="no result within 5 s"):
            await using
        assert (call.waited, watch.under_way) == (998, {})

    clock = VirtualClock(0.0)
    clock.stop_after(1e9, lambda: None)
    loop = VirtualTimeLoop(clock)
    loop.run_until_complete(main())
    assert clock.passed == 1003
    loop.close()


async def test_a_thread_that_waits_is_not_watched_and_ends_when_its_call_is_abandoned() -> None:
    watch, limits = Watch(), Limits()
    ended: list[type[BaseException] | None] = []

    def work(call: ThreadCall) -> None:
        with call:
            try:
                call.limit("a")
                ended.append(None)
            except BaseException as error:
                ended.append(type(error))
                raise

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        first = ThreadCall(CallTerms(60.0, watch.started, watch.ended, limits))
        working = loop.run_in_executor(pool, work, first)
        await asyncio.to_thread(limits.waits.wait, 60)
        assert watch.under_way == {}
        limits.may_pass.set()
        await working
        limits.may_pass.clear()
        limits.waits.clear()
        second = ThreadCall(CallTerms(60.0, watch.started, watch.ended, limits))
        working = loop.run_in_executor(pool, work, second)
        await asyncio.to_thread(limits.waits.wait, 60)
        second.abandon()
        with pytest.raises(CallAbandonedError):
            await working
        third = ThreadCall(CallTerms(60.0, watch.started, watch.ended, limits))
        third.abandon()  # before it has begun to wait
        with pytest.raises(CallAbandonedError):
            await loop.run_in_executor(pool, work, third)
    assert ended == [None, CallAbandonedError, CallAbandonedError]
    assert watch.under_way == {}
    assert 0 <= first.waited < time.monotonic()
