"""Do several processes together let no more calls pass than a limit says, and not many fewer?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.broker.broker_errors import UnreachableError
from farandole.events.rate import parse_rate_rule
from farandole.events.share_row import ShareRow
from farandole.events.throttles_in_force import UNLIMITED, RateInForce
from farandole.testing.virtual_time import VirtualClock, VirtualTimeLoop
from farandole.worker.call_time import CallAbandonedError
from farandole.worker.dependency_limits.process_limits import ProcessLimits
from farandole.worker.throttle.share_claim import FORGET_SECONDS, SeenRow

START = 1_790_000_000.0


class Rates:
    """What the file and the documents say."""

    def __init__(self, rate: str | None) -> None:
        self.rate = rate

    def limit(self, name: str) -> RateInForce:
        return UNLIMITED if self.rate is None else RateInForce(parse_rate_rule(self.rate))

    def limit_names(self) -> list[str]:
        return ["crm"]


class Log:
    """A partition that all processes read after a while, each in the same order."""

    def __init__(self, loop: VirtualTimeLoop, chance: random.Random) -> None:
        self.loop = loop
        self.chance = chance
        self.rows: list[tuple[str, ShareRow | None]] = []


class Exchange:
    """`ShareExchange` of one process, whose clock has a start of its own."""

    def __init__(self, log: Log, member: str) -> None:
        self.member = member
        self._log = log
        self._read = 0
        self._seen: dict[str, SeenRow] = {}
        self._next_read = 0.0
        self.is_down = False

    is_open = True

    def start(self) -> None: ...

    def rows(self, limit: str) -> Mapping[str, SeenRow]:
        now = self._log.loop.time()
        if now >= self._next_read and not self.is_down:
            for member, row in self._log.rows[self._read :]:
                if row is None:
                    self._seen.pop(member, None)
                else:
                    self._seen[member] = SeenRow(row, now)
            self._read = len(self._log.rows)
            self._next_read = now + self._log.chance.uniform(0, 0.3)
        return dict(self._seen)

    async def write(self, limit: str, row: ShareRow | None) -> None:
        await asyncio.sleep(self._log.chance.uniform(0, 0.3))
        if self.is_down:
            raise UnreachableError("away")
        self._log.rows.append((self.member, row))

    async def close(self) -> None: ...


class World:
    """Processes that call one dependency."""

    def __init__(self, rate: str | None, seed: int = 0) -> None:
        self.clock = VirtualClock(START)
        self.loop = VirtualTimeLoop(self.clock)
        self.chance = random.Random(seed)
        self.log = Log(self.loop, self.chance)
        self.rates = Rates(rate)
        self.calls: list[float] = []
        self.by_process: dict[str, int] = {}
        self.exchanges: dict[str, Exchange] = {}
        self._callers: dict[str, list[asyncio.Task[None]]] = {}
        self._limits: dict[str, ProcessLimits] = {}

    def start(self, name: str, callers: int, pause: float = 0.0) -> None:
        """Start a process in which so many callers call again and again, after a pause."""
        exchange = self.exchanges[name] = Exchange(self.log, name)
        limits = self._limits[name] = ProcessLimits(
            self.rates, exchange, self.clock.now, lambda: self.clock.passed
        )
        stage = limits.of_stage()

        async def call() -> None:
            while True:
                await stage.wait("crm")
                self.calls.append(self.clock.passed)
                self.by_process[name] = self.by_process.get(name, 0) + 1
                await asyncio.sleep(pause)

        self._callers[name] = [self.loop.create_task(call()) for _ in range(callers)]

    def kill(self, name: str) -> None:
        """End a process between two of its steps: it writes nothing any more."""
        for task in (*self._callers.pop(name), *self._limits[name].tasks()):
            task.cancel()

    def stop(self, name: str) -> None:
        for task in self._callers.pop(name):
            task.cancel()
        self.loop.run_until_complete(self._limits[name].close())

    def run(self, seconds: float) -> None:
        self.clock.stop_after(1e9, lambda: None)
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def rate(self, since: float) -> float:
        """Return how many calls a second have passed since then."""
        passed = sum(at >= since for at in self.calls)
        return passed / (self.clock.passed - since)

    def close(self) -> None:
        for name in [*self._callers]:
            self.kill(name)
        self.loop.run_until_complete(asyncio.sleep(0))
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()


def most_in(calls: list[float], seconds: float) -> int:
    """Return the most calls in any window of this length."""
    most = first = 0
    for last, at in enumerate(calls):
        while calls[first] <= at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_one_process_has_the_whole_rate_soon() -> None:
    world = World("20/s")
    world.start("a", 4)
    world.run(60)
    assert world.rate(since=2) == pytest.approx(20, rel=0.03)
    world.close()


def test_processes_that_all_wait_share_the_rate() -> None:
    world = World("20/s")
    for name in "abc":
        world.start(name, 3)
    world.run(120)
    assert world.rate(since=20) == pytest.approx(20, rel=0.05)
    total = sum(world.by_process.values())
    assert all(world.by_process[name] > total / 3 * 0.85 for name in "abc")
    world.close()


def test_what_one_process_does_not_need_the_others_use() -> None:
    world = World("20/s")
    world.start("idle", 1, pause=10)
    world.start("busy", 5)
    world.run(60)
    assert world.rate(since=20) == pytest.approx(20, rel=0.06)
    world.close()


def test_a_process_that_ends_leaves_its_share_at_once_and_one_that_is_killed_soon() -> None:
    world = World("20/s")
    world.start("a", 3)
    world.start("b", 3)
    world.run(60)
    world.stop("a")
    world.run(5)
    ended = world.clock.passed
    world.run(20)
    assert world.rate(since=ended) == pytest.approx(20, rel=0.05)
    world.start("c", 3)
    world.run(60)
    world.kill("b")
    world.run(FORGET_SECONDS + 5)
    killed = world.clock.passed
    world.run(20)
    assert world.rate(since=killed) == pytest.approx(20, rel=0.05)
    world.close()


def test_a_process_that_cannot_reach_kafka_stops_when_the_others_take_its_share() -> None:
    world = World("20/s")
    world.start("a", 3)
    world.start("b", 3)
    world.run(60)
    world.exchanges["a"].is_down = True
    world.run(60)
    assert most_in(world.calls, 10) <= 20 * 10 * 1.02 + 20 + 2
    quiet = world.by_process["a"]
    world.run(10)
    assert world.by_process["a"] == quiet
    world.close()


def test_no_limit_and_limit_zero() -> None:
    world = World(None)
    world.start("a", 1, pause=0.01)
    world.run(1)
    assert len(world.calls) >= 99
    world.rates.rate = "0"
    world.run(1)
    passed = len(world.calls)
    world.run(100)
    assert len(world.calls) == passed
    world.rates.rate = None
    world.run(2)
    assert len(world.calls) > passed + 50
    world.close()


def test_a_share_below_one_call_still_passes_its_due() -> None:
    world = World("1/m")
    world.start("a", 1)
    world.start("b", 1)
    world.run(1200)
    assert 17 <= len(world.calls) <= 21
    world.close()


def test_those_who_wait_go_on_in_their_order_and_none_after_the_end() -> None:
    world = World("1/s")
    limits = ProcessLimits(world.rates, None, world.clock.now, lambda: world.clock.passed)
    stage, order, ended = limits.of_stage(), list[int](), list[int]()

    async def call(number: int) -> None:
        try:
            await stage.wait("crm")
            order.append(number)
        except CallAbandonedError:
            ended.append(number)

    async def main() -> None:
        calls = [asyncio.create_task(call(number)) for number in range(6)]
        await asyncio.sleep(1.5)
        calls[3].cancel()
        await asyncio.sleep(2)
        stage.end()
        calls.append(asyncio.create_task(call(6)))
        await asyncio.wait(calls)

    world.clock.stop_after(1e9, lambda: None)
    world.loop.run_until_complete(main())
    assert order == [0, 1, 2]
    assert sorted(ended) == [4, 5, 6]
    world.close()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_comes_and_goes_the_rate_is_never_exceeded(seed: int) -> None:
    chance = random.Random(seed)
    rate = chance.choice([0.5, 3, 20, 100])
    world = World(f"{rate}/s", seed)
    alive: list[str] = []
    for step in range(8):
        if alive and chance.random() < 0.4:
            gone = alive.pop(chance.randrange(len(alive)))
            (world.kill if chance.random() < 0.5 else world.stop)(gone)
        else:
            alive.append(f"p{step}")
            world.start(alive[-1], chance.randint(1, 4), chance.choice([0.0, 0.0, 0.5]))
        if alive and chance.random() < 0.3:
            exchange = world.exchanges[chance.choice(alive)]
            exchange.is_down = not exchange.is_down
        world.run(chance.choice([1, 5, 15]))
    for seconds in (1, 10, 60):
        # A bucket keeps a second of its share, and at most one call for each process.
        assert most_in(world.calls, seconds) <= rate * (seconds + 1) * 1.02 + 5
    world.close()
