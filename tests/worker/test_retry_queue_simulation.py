"""Do parked events keep the order of their key, and is each settled once, whatever dies when?

The lane, the handling and the parking are the real ones, over `farandole.lanes.simulated_kafka`;
the model is that of `docs/retries.md`: per input and key, what was emitted stands in the order of
the input, and each event is emitted once or dead once."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farandole.events import retry_record
from farandole.events.header_codec import decode_headers
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.retry_record import (
    PARKED_PREFIX,
    REPLAY_PREFIX,
    make_retry_row,
    parse_retry_row,
    to_parked_event,
)
from farandole.events.topology_version import BreakerPolicy, RetryPolicy, Version
from farandole.lanes.lane_port import StateTables
from farandole.lanes.lane_work import LaneWork
from farandole.worker.lane_state import LaneState
from farandole.worker.parked_events import ParkedEvents
from farandole.worker.stage_controls import StageControls
from tests import next_release
from tests.foreign import append_odd
from tests.lanes import broken
from tests.lanes.world import LANES, World
from tests.seeds import parts, seeds
from tests.worker.made import In, Lane, Out

INPUTS = ("in", "in2")
KEYS = 3
RETRY = "p.stage.retry"
STATE = "p.stage.state"
POSITION = ("dead_topic", "dead_partition", "dead_offset")
POLICY = RetryPolicy(attempts=3, backoff=2, jitter=0.5, in_place=0, parked=8)
BREAKS = BreakerPolicy(failures=4, window=5, probe=1, longest=4)


def n_of(record: Any) -> int:
    return int(orjson.loads(record.value or b"")["n"])


def position_of(letter: Record) -> tuple[str, int, int]:
    """Return where the event of a dead letter stands."""
    headers = {name: value.decode() for name, value in letter.headers if name in POSITION}
    topic, partition, offset = (headers[name] for name in POSITION)
    return topic, int(partition), int(offset)


@dataclass
class Parked(World):
    """Two inputs, few keys, a function that fails now and then; some keys fail always."""

    now: float = 1_000_000.0
    failing: float = 0.4
    poison: int = 0
    """Events below this number always fail."""
    given: dict[int, tuple[str, int, bytes | None]] = field(default_factory=dict)
    odd: set[int] = field(default_factory=set)
    """Which of these are no events of ours: each must die, once."""
    odds: float = 0.15
    places: dict[tuple[str, int, int], int] = field(default_factory=dict)

    subscribes: tuple[str, ...] = INPUTS

    def inputs(self, index: int) -> list[Partition]:
        return [Partition(f"p.{name}", index) for name in (*self.subscribes, "stage.retry")]

    def state(self, index: int) -> list[Partition]:
        return [Partition(RETRY, index), Partition(STATE, index)]

    def __post_init__(self) -> None:
        # Of its own: a die that hypothesis holds may fall badly for ever.
        self.chance = random.Random(self.die.getrandbits(32))
        super().__post_init__()

    def lane_controls(self) -> StageControls | None:
        return None

    def known(self) -> Sequence[Version]:
        return ()

    @property
    def breaker(self) -> BreakerPolicy:
        # Where nothing that is left can succeed, a lane that holds goes on holding.
        return BreakerPolicy(failures=10**6) if self.poison else BREAKS

    def work(self, index: int) -> LaneWork:
        def function(event: In) -> Out:
            if event.n < self.poison or self.chance.random() < self.failing:
                raise TimeoutError(str(event.n))
            key = b"succeeded/%d" % event.n
            kept = lane.work.state
            kept.put(key, b"%d" % (int(kept.get(key) or 0) + 1))
            return Out(n=event.n)

        lane = Lane(
            function,
            subscribes=self.subscribes,
            retry=POLICY,
            breaker=self.breaker,
            clock=self.clock,
            # A loaded machine must not change the course of a simulation.
            monotonic=lambda: 0.0,
            lane=index,
            state=STATE,
            controls=self.lane_controls(),
            versions=self.known(),
        )
        return lane.work

    def clock(self) -> float:
        self.now += 0.02
        return self.now

    def give(self) -> None:
        n, index = len(self.given), self.die.randrange(LANES)
        topic = f"p.{self.die.choice(self.subscribes)}"
        key = self.die.choice([None, *(b"%d" % k for k in range(KEYS))])
        self.given[n] = topic, index, key
        self.places[topic, index, len(self.kafka.log(Partition(topic, index)))] = n
        if self.die.random() < self.odds:
            self.odd.add(n)
            append_odd(self.kafka, self.die, Partition(topic, index), key)
            append_odd(self.kafka, self.die, Partition(RETRY, index), b"parked/%d" % n)
            return
        value = orjson.dumps({"n": n})
        self.kafka.append(Partition(topic, index), OutgoingRecord(key, value))

    def lived(self, steps: int, events: int) -> None:
        for _ in range(steps):
            if len(self.given) < events and self.die.random() < 0.2:
                self.give()
            self._disaster() if self.die.random() < 0.1 else self._step()
        self._calm()

    def _settled(self) -> bool:
        return super()._settled() and not any(self.waiting(i) for i in range(LANES))

    def waiting(self, index: int) -> list[int]:
        rows: dict[bytes, bytes] = {}
        for record in self.kafka.read_committed(Partition(RETRY, index)):
            rows.pop(record.key or b"", None)
            if record.value is not None:
                rows[record.key or b""] = record.value
        parked = []
        for key, value in rows.items():
            with suppress(ValueError):  # what a foreigner wrote
                if key.startswith(PARKED_PREFIX):
                    parked.append(parse_retry_row(value))
        return [self.places[event.topic, event.partition, event.offset] for event in parked]

    def emitted(self) -> list[int]:
        """Of each lane in order, whatever partition a result went to."""
        places = [Partition("p.out", i) for i in range(4)]
        return [n_of(r) for place in places for r in self.kafka.read_committed(place)]

    def counted(self) -> dict[int, int]:
        """Return how often each event has succeeded, by the states of the lanes."""
        found = {}
        for index in range(LANES):
            for row in self.kafka.read_committed(Partition(STATE, index)):
                found[int((row.key or b"").rpartition(b"/")[2])] = int(row.value or b"0")
        return found

    def dead(self) -> list[int]:  # type: ignore[override]
        letters = self.kafka.read_committed(Partition("p.stage.dead", 0))
        return [self.places[position_of(letter)] for letter in letters]

    def faults(self) -> list[str]:
        emitted, dead = self.emitted(), self.dead()
        found = []
        if not self.odd <= {*dead}:
            found.append(f"alive: {self.odd - {*dead}}")
        if sorted([*emitted, *dead]) != sorted(self.given):
            found.append(f"of {len(self.given)}: emitted {emitted}, dead {dead}")
        if self.counted() != dict.fromkeys(emitted, 1):
            found.append(f"emitted {emitted}, and by the states {self.counted()}")
        found += [f"{path}: {ns}" for path, ns in self.by_key(emitted) if ns != sorted(ns)]
        return found

    def by_key(self, emitted: Iterable[int]) -> Iterable[tuple[Any, list[int]]]:
        """Return what was emitted by input and key."""
        paths: dict[Any, list[int]] = {}
        for n in emitted:
            topic, index, key = self.given[n]
            if key is not None:
                paths.setdefault((topic, index, key), []).append(n)
        return paths.items()


def lived(die: random.Random, steps: int, **how: Any) -> Parked:
    world = Parked(die, **how)
    world.lived(steps, events=14)
    return world


@parts(5, kept=2)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    die=st.randoms(use_true_random=False),
    steps=st.integers(0, 500),
    failing=st.floats(0, 0.9),
    poison=st.integers(0, 3),
)
def test_each_event_is_settled_once_and_in_the_order_of_its_key(
    part: int, die: random.Random, steps: int, failing: float, poison: int
) -> None:
    world = lived(die, steps, failing=failing, poison=poison)
    assert world.faults() == [], world.history[-60:]


@seeds(200, kept=60)
def test_each_event_is_settled_once_in_many_interleavings(seeds: range) -> None:
    for seed in seeds:
        world = lived(random.Random(seed), 500, poison=seed % 3)
        assert world.faults() == [], (seed, world.history[-60:])


@seeds(100, kept=40)
def test_a_full_lane_with_an_open_breaker_goes_on(seeds: range) -> None:
    """It takes no input, so the input cannot be the probe."""
    for seed in seeds:
        world = lived(random.Random(seed), 300, failing=0.75)
        assert world.faults() == [], (seed, world.history[-60:])


@seeds(60, kept=20)
def test_a_replay_is_handled_once_whichever_worker_is_killed(seeds: range) -> None:
    for seed in seeds:
        world = Parked(random.Random(seed), failing=0.0, poison=4, odds=0.0)
        world.lived(150, events=8)
        world.poison, dead = 0, world.dead()
        for n in dead:
            topic, index, _ = world.given[n]
            place = Partition(topic, index)
            (record,) = [r for r in world.kafka.read_committed(place) if n_of(r) == n]
            world.kafka.append(
                Partition(RETRY, index), make_retry_row(to_parked_event(record), REPLAY_PREFIX)
            )
        world.lived(200, events=8)
        assert sorted(world.emitted()) == sorted(world.given), seed
        assert world.dead() == dead


@seeds(60, kept=20)
def test_rows_of_the_next_release_wait_for_it_and_are_handled_once(seeds: range) -> None:
    """Some only have a field more; some have a newer format, and stop their lanes meanwhile."""
    for seed in seeds:
        world = replayed_by_the_next_release(seed)
        assert sorted(world.emitted()) == sorted(world.given), seed


def replayed_by_the_next_release(seed: int) -> Parked:
    world = Parked(random.Random(seed), failing=0.0, poison=4, odds=0.0)
    world.lived(150, events=8)
    world.poison, newer = 0, set()
    for n in world.dead():
        topic, index, _ = world.given[n]
        (record,) = [r for r in world.kafka.read_committed(Partition(topic, index)) if n_of(r) == n]
        row = make_retry_row(to_parked_event(record), REPLAY_PREFIX)
        account, _, value = (row.value or b"").partition(b"\n")
        later = next_release.with_later_field(orjson.loads(account))
        if world.die.random() < 0.5:
            later = next_release.of_newer_format("retry row", later)
            newer.add(n)
        written = row._replace(value=orjson.dumps(later) + b"\n" + value)
        world.kafka.append(Partition(RETRY, index), written)
    for _ in range(150):
        world._disaster() if world.die.random() < 0.1 else world._step()
    assert not newer & {*world.emitted()}, "read by the older release"
    with next_release.upgraded("retry row"):
        world.lived(150, events=10)
    return world


def test_a_lane_that_drops_rows_of_the_next_release_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry_record, "check_format", next_release.drop_newer)
    worlds = map(replayed_by_the_next_release, range(20))
    assert any(sorted(world.emitted()) != sorted(world.given) for world in worlds)


def _caught(**how: Any) -> bool:
    for seed in range(200):
        try:
            if lived(random.Random(seed), 500, poison=seed % 3, **how).faults():
                return True
        except (AssertionError, KeyError, IndexError):
            return True
    return False


def test_state_read_before_the_fence_is_caught() -> None:
    assert _caught(broken=broken.StateReadBeforeTheFence)


@pytest.mark.parametrize(
    "mutant", ["nobody waits behind", "forgets at a birth", "keeps what was not committed"]
)
def test_a_lane_broken_on_purpose_is_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant == "nobody waits behind":
        monkeypatch.setattr(ParkedEvents, "is_blocked", lambda self, record: False)
        monkeypatch.setattr("farandole.worker.lane_processor.queue_key_of", lambda record: None)
    elif mutant == "keeps what was not committed":
        monkeypatch.setattr(LaneState, "restore", lambda self, rows: self._rows.update(rows))
    else:

        def forgets(self: ParkedEvents, rows: StateTables, ours: object) -> None:
            self.clear()

        monkeypatch.setattr(ParkedEvents, "restore", forgets)
    assert _caught()


def test_a_dead_letter_names_the_position_of_its_event() -> None:
    world = lived(random.Random(1), 400, failing=0.0, poison=2, odds=0.0)
    for record in world.kafka.read_committed(Partition("p.stage.dead", 0)):
        letter_headers = dict(record.headers)
        topic, index, _ = world.given[n_of(record)]
        assert (letter_headers["dead_topic"], letter_headers["dead_partition"]) == (
            topic.encode(),
            b"%d" % index,
        )
    assert decode_headers(b"\0") == []
