"""Lanes that share a rate, in random scenarios: late rows, fast and slow clocks, workers that join
and die, loads that shift."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from farandole.events.share_row import ShareRow
from farandole.worker.throttle.rate_budget import RateBudget
from farandole.worker.throttle.share_claim import EPOCH, FORGET_SECONDS, SeenRow

TICK = 0.25  # seconds
WINDOW = 60.0
LONG_WINDOW = 600.0
_FETCHED = 500  # records that a lane has at hand at most


@dataclass
class Process:
    """A worker: its clock, and how late it reads the rows of the lanes."""

    offset: float
    speed: float
    delay: float
    stalls: list[tuple[float, float]] = field(default_factory=list)
    position: int = 0
    rows: Mapping[str, SeenRow] = field(default_factory=dict)

    def clock(self, now: float) -> float:
        return self.offset + now * self.speed

    def read(self, log: list[tuple[float, str, ShareRow]], now: float, blocked_at: float) -> None:
        until = min(now - self.delay, blocked_at)
        for begins, ends in self.stalls:
            if begins <= now < ends:
                until = min(until, begins)
        position = self.position
        while position < len(log) and log[position][0] <= until:
            position += 1
        if position > self.position:
            rows = dict(self.rows)
            for _, lane, row in log[self.position : position]:
                rows[lane] = SeenRow(row, self.clock(now))
            self.rows, self.position = rows, position


@dataclass
class Lane:
    index: int
    arrivals: float = 0.0
    backlog: int = 0
    owner: Process | None = None
    budget: RateBudget | None = None
    away_until: float = 0.0  # without an owner
    busy_until: float = 0.0  # in a long call
    taken: list[int] = field(default_factory=list)
    was_piled: bool = False
    emptied_in_phase: bool = False


@dataclass
class Result:
    rate: float
    taken: list[int]
    by_lane: list[list[int]]
    saturated: list[bool]
    unfair: list[tuple[float, float]]
    """Times for which less than the rate is no fault."""
    is_equal: bool
    text: str


class Scenario:
    """One random scenario."""

    def __init__(self, seed: int) -> None:
        self._random = r = random.Random(seed)
        self.lanes = [Lane(index) for index in range(r.choice([1, 2, 3, 4, 6, 8, 8, 8, 12, 16]))]
        self.rate = 10 ** r.uniform(-0.3, 3.7)
        self.is_long = r.random() < 0.08
        self.seconds = r.uniform(760, 900) if self.is_long else r.uniform(200, 280)
        self.processes = [self._process() for _ in range(r.randint(1, 4))]
        self.log: list[tuple[float, str, ShareRow]] = []
        self.blocked_at = math.inf
        self.blocked_until = 0.0
        self.unfair: list[tuple[float, float]] = [(0.0, 3 * EPOCH)]
        self.is_equal = r.random() < 0.25
        self.births = itertools.count()
        self._set_loads()
        self._events = self._plan()
        self._assign(0.0, 0.0)

    # -- what happens

    def _process(self) -> Process:
        r = self._random
        return Process(
            offset=r.uniform(0, 1e6),
            speed=1 + r.uniform(-2e-4, 2e-4),
            delay=10 ** r.uniform(-1.7, 0),
        )

    def _set_loads(self) -> None:
        r = self._random
        total = self.rate * r.uniform(1.15, 4)
        if self.is_equal:
            parts = [1.0] * len(self.lanes)
        elif r.random() < 0.5:  # nearly all on one lane
            parts = [1.0] * len(self.lanes)
            parts[r.randrange(len(parts))] = 9.0 * max(1, len(parts) - 1)
        else:
            parts = [r.random() ** 3 + 1e-3 for _ in self.lanes]
        for lane, part in zip(self.lanes, parts, strict=True):
            lane.arrivals = total * part / sum(parts)
            lane.emptied_in_phase = False

    def _plan(self) -> list[tuple[float, str]]:
        r = self._random
        names = ["join", "kill", "shift", "freeze", "broken", "busy", "stall"]
        count = r.choice([0, 1, 1, 2, 2, 3, 4])
        chosen = r.choices(names, weights=[3, 3, 3, 1, 1, 1, 1], k=count)
        if self.is_equal:
            chosen = [name for name in chosen if name not in ("shift", "broken", "busy")]
        return sorted((r.uniform(20, self.seconds - 90), name) for name in chosen)

    def _happen(self, name: str, now: float) -> None:
        r = self._random
        if name == "join":
            self.processes.append(self._process())
            self.processes[-1].read(self.log, now, math.inf)
            self._assign(now, r.uniform(0.2, 3))
        elif name == "kill" and len(self.processes) > 1:
            self.processes.pop(r.randrange(len(self.processes)))
            pause = r.uniform(5, 13)
            if r.random() < 0.3:  # killed in a transaction: what follows cannot be read
                self.blocked_at, self.blocked_until = now, now + pause + r.uniform(0, 5)
                self.unfair.append((now, self.blocked_until + 3 * EPOCH))
            self._assign(now, pause)
        elif name == "shift":
            self._set_loads()
            self.unfair.append((now, now + 3 * EPOCH))
        elif name == "freeze":  # of all lanes of a worker, without a rebalance
            process = r.choice(self.processes)
            until = now + r.uniform(1, 4)
            for lane in self.lanes:
                if lane.owner is process:
                    lane.busy_until = until
            self.unfair.append((now, until))
        elif name == "busy":  # one call takes long
            lane = r.choice(self.lanes)
            lane.busy_until = now + r.uniform(20, 110)
            self.unfair.append((now, lane.busy_until + 3 * EPOCH))
        elif name == "broken":
            lane = r.choice(self.lanes)
            lane.owner = lane.budget = None
            lane.away_until = now + r.uniform(60, 150)
            self.unfair.append((now, now + FORGET_SECONDS + 3 * EPOCH))
            self.unfair.append((lane.away_until, lane.away_until + 3 * EPOCH))
        elif name == "stall":
            process, until = r.choice(self.processes), now + r.uniform(2, 50)
            process.stalls.append((now, until))
            self.unfair.append((now, until + 3 * EPOCH))

    def _assign(self, now: float, pause: float) -> None:
        """Let the group rebalance: each lane ends, and gets an owner."""
        r = self._random
        last = now
        for lane in self.lanes:
            if lane.owner is None and lane.away_until > now:
                continue  # broken
            lane.budget = lane.owner = None
            lane.away_until = now + pause + r.uniform(0, 1)
            last = max(last, lane.away_until)
        if now:
            self.unfair.append((now, last + 3))

    def _bear(self, lane: Lane, now: float) -> None:
        owner = lane.owner = self._random.choice(self.processes)
        owner.read(self.log, now, self.blocked_at)
        seen = owner.rows.get(str(lane.index))
        lane.budget = RateBudget(
            str(lane.index),
            lane.index,
            f"b{next(self.births)}",
            owner.clock(now),
            seen and seen.row,
        )

    # -- time

    def run(self) -> Result:
        r = self._random
        taken: list[int] = []
        saturated: list[bool] = []
        events = list(self._events)
        for tick in range(int(self.seconds / TICK)):
            now = tick * TICK
            while events and events[0][0] <= now:
                self._happen(events.pop(0)[1], now)
            if now >= self.blocked_until:
                self.blocked_at = math.inf
            for process in self.processes:
                process.read(self.log, now, self.blocked_at)
            total = 0
            rows: list[tuple[float, str, ShareRow]] = []
            for lane in r.sample(self.lanes, len(self.lanes)):
                lane.backlog += self._arrived(lane.arrivals * TICK)
                took = self._step(lane, now, rows)
                lane.taken.append(took)
                total += took
                self._note_emptied(lane, now)
            rows.sort(key=lambda row: row[0])
            # Appended in the order of time, but not before what is there.
            for at, name, row in rows:
                self.log.append((max(at, self.log[-1][0] if self.log else 0.0), name, row))
            taken.append(total)
            saturated.append(sum(lane.backlog for lane in self.lanes if lane.owner) > self.rate)
        return Result(
            self.rate,
            taken,
            [lane.taken for lane in self.lanes],
            saturated,
            self.unfair,
            self.is_equal,
            f"rate {self.rate:.2f}, {len(self.lanes)} lanes, {self._events}",
        )

    def _step(self, lane: Lane, now: float, rows: list[tuple[float, str, ShareRow]]) -> int:
        if lane.owner is None:
            if now < lane.away_until or not self.processes:
                return 0
            self._bear(lane, now)
        if now < lane.busy_until:
            return 0
        budget, owner = lane.budget, lane.owner
        assert budget is not None
        assert owner is not None
        clock, took = owner.clock(now), 0
        budget.update(owner.rows, self.rate, clock)
        budget.note_waiting(lane.backlog)
        while lane.backlog:
            allowed = budget.allowance(min(_FETCHED, lane.backlog), 1)
            if not allowed:
                break
            batch = min(allowed, lane.backlog, _FETCHED)
            budget.take(batch)
            lane.backlog -= batch
            took += batch
        row = budget.row_to_write(len(self.lanes), clock, int(now * 1000))
        if row is not None:
            rows.append((now + self._random.uniform(0.01, 0.4), str(lane.index), row))
        return took

    def _note_emptied(self, lane: Lane, now: float) -> None:
        """Take it as a shift of the load, once, that a lane has no more of what piled up before."""
        if lane.backlog > 5 * self.rate:
            lane.was_piled = True
        elif not lane.backlog and lane.was_piled and not lane.emptied_in_phase:
            lane.emptied_in_phase, lane.was_piled = True, False
            self.unfair.append((now, now + 3 * EPOCH))

    def _arrived(self, mean: float) -> int:
        r = self._random
        if mean > 10:
            return max(0, round(r.gauss(mean, math.sqrt(mean))))
        arrived, product, least = 0, r.random(), math.exp(-mean)
        while product > least:
            arrived += 1
            product *= r.random()
        return arrived


def faults(result: Result) -> list[str]:
    """Return which bounds a scenario has broken."""
    found = []
    sums = [0, *itertools.accumulate(result.taken)]
    most = len(result.taken)
    for length, tolerance in ((WINDOW, 0.05), (LONG_WINDOW, 0.02)):
        ticks = int(length / TICK)
        if ticks > most:
            continue
        highest = max(sums[i + ticks] - sums[i] for i in range(most - ticks + 1))
        # Each lane may be ahead by less than one event.
        more = max(tolerance * result.rate * length, len(result.by_lane))
        if highest > result.rate * length + more:
            found.append(f"{highest / result.rate / length:.4f} of the rate in {length:g} s")
    ticks = int(WINDOW / TICK)
    bad = [not saturated for saturated in result.saturated]
    for begins, ends in result.unfair:
        for tick in range(int(begins / TICK), min(most, math.ceil(ends / TICK) + 1)):
            bad[tick] = True
    bad_sums = [0, *itertools.accumulate(bad)]
    clean = [i for i in range(most - ticks + 1) if bad_sums[i + ticks] == bad_sums[i]]
    if clean:
        first = min(clean, key=lambda i: sums[i + ticks] - sums[i])
        lowest = sums[first + ticks] - sums[first]
        expected = result.rate * WINDOW
        # A lane with a few events a second cannot know how many will come next.
        tolerance = 0.05 if result.rate >= max(60, 4 * len(result.by_lane)) else 0.25
        if lowest < expected - max(tolerance * expected, 3 * math.sqrt(expected)) - 1:
            share = lowest / expected
            found.append(f"only {share:.4f} of the rate from {first * TICK:g} s on")
        if result.is_equal and result.rate * WINDOW / len(result.by_lane) >= 20:
            for start in (clean[0], clean[-1]):
                index = jain([sum(lane[start : start + ticks]) for lane in result.by_lane])
                if index < 0.95:
                    found.append(f"fairness {index:.3f} from {start * TICK:g} s on")
    return found


def jain(values: list[int]) -> float:
    """Return Jain's fairness index."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0
