"""Is a canary sticky, and is each event observed once, whatever dies when?

The lanes of two workers are the real ones, over `farandole.lanes.simulated_kafka`, and so is the
world of parked events; the candidate is called in this process."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import pytest

from farandole.events.controls_in_force import ON, StageMode
from farandole.events.key_share import share_test
from farandole.events.record import Partition
from farandole.events.topology_version import BreakerPolicy
from farandole.lanes.lane_work import LaneWork
from farandole.worker.candidates.lane_canary import LaneCanary
from farandole.worker.candidates.stage_candidates import StageCandidates
from tests.seeds import seeds
from tests.worker.made import In, Lane, Out
from tests.worker.made_candidate import MadeCandidates, MadeControls, canary
from tests.worker.test_retry_queue_simulation import (
    INPUTS,
    POLICY,
    STATE,
    Parked,
    n_of,
    position_of,
)

LEDGER = 3
FIRST, SECOND = canary(0.5, 7), canary(0.3, 9)


@dataclass
class Canaried(Parked):
    """A stage under a canary; `modes` are in force one after the other."""

    modes: tuple[StageMode, ...] = (FIRST,)
    exits: float = 0.0
    """The chance that the candidate is lost, at each call."""
    odds: float = 0.0
    controls: MadeControls = field(default_factory=MadeControls)
    tried: dict[int, set[str]] = field(default_factory=dict)
    """By event: the variants that have tried it, committed or not."""

    def work(self, index: int) -> LaneWork:
        def function(variant: str, event: In) -> Out:
            self.tried.setdefault(event.n, set()).add(variant)
            if event.n < self.poison or self.chance.random() < self.failing:
                raise TimeoutError(str(event.n))
            return Out(n=event.n, household=int(variant == "candidate"))

        def stable(event: In) -> Out:
            return function("stable", event)

        def candidate(event: In) -> Out:
            candidates.lost_in = 0 if self.chance.random() < self.exits else None
            return function("candidate", event)

        candidates = MadeCandidates(candidate, retry=POLICY)
        lane = Lane(
            stable,
            subscribes=INPUTS,
            retry=POLICY,
            breaker=BreakerPolicy(failures=10**6),
            clock=self.clock,
            monotonic=lambda: 0.0,
            lane=index,
            state=STATE,
            controls=self.controls.of_stage,
            candidates=cast(StageCandidates, candidates),
            ledger=LEDGER,
        )
        return lane.work

    def lived(self, steps: int, events: int) -> None:
        for number, mode in enumerate(self.modes, 1):
            self.controls.now = mode
            for _ in range(steps):
                if len(self.given) < events * number and self.die.random() < 0.2:
                    self.give()
                self._disaster() if self.die.random() < 0.1 else self._step()
        self._calm()

    def counted(self) -> dict[int, int]:
        return dict.fromkeys(self.emitted(), 1)  # of the world of parked events: not used here

    def by_candidate(self) -> set[int]:
        """Return the events whose results the candidate has made."""
        found = set()
        for index in range(4):
            for record in self.kafka.read_committed(Partition("p.out", index)):
                if orjson.loads(record.value or b"")["household"]:
                    found.add(n_of(record))
        return found

    def observed(self) -> dict[int, Counter[str]]:
        """Return by generation how many observations of each kind are in the ledger."""
        found: dict[int, Counter[str]] = {}
        places = set()
        for number in range(LEDGER):
            for record in self.kafka.read_committed(Partition("ledger", number)):
                part = orjson.loads(record.value or b"").get("canary")
                if part is None:
                    continue
                places.add(number)
                counts = found.setdefault(part["generation"], Counter())
                for variant in ("candidate", "stable"):
                    counts[variant] += part[variant]["n"]
                    counts[f"{variant} failed"] += part[variant]["failed"]
        assert len(places) <= 1  # one lane of the bookkeeper reads all of them
        return found

    def killers(self) -> set[int]:
        """Return the events that were given up because their process died with them."""
        letters = self.kafka.read_committed(Partition("p.stage.dead", 0))
        return {
            self.places[position_of(letter)]
            for letter in letters
            if dict(letter.headers)["dead_error"] == b"ProcessDied"
        }

    def keys(self, n: int) -> bytes:
        topic, index, key = self.given[n]
        offset = next(o for (t, i, o), each in self.places.items() if each == n)
        return key if key is not None else b"%b/%d/%d" % (topic.encode(), index, offset)


def lived(seed: int, **how: Any) -> Canaried:
    world = Canaried(random.Random(seed), failing=0.3, poison=seed % 3, **how)
    world.lived(300, events=14)
    return world


def faults_of_one(seed: int) -> list[str]:
    """Return what is wrong under one canary from the first event to the last."""
    world = lived(seed)
    found = world.faults()
    is_chosen = share_test(FIRST.share, "stage")
    ours = {n for n in world.given if is_chosen(world.keys(n))}
    for n, variants in world.tried.items():
        if variants != {"candidate" if n in ours else "stable"}:
            found.append(f"{n} was tried by {variants}")
    if world.by_candidate() != ours & {*world.emitted()}:
        found.append(f"emitted by the candidate: {world.by_candidate()} of {ours}")
    counts = world.observed().get(7, Counter())
    tried = {n for n in world.given if n not in world.killers()}
    if (counts["candidate"], counts["stable"]) != (len(ours & tried), len(tried - ours)):
        found.append(f"observed {counts}, and given were {len(world.given)}, {len(ours)} chosen")
    failed = counts["candidate failed"] + counts["stable failed"]
    if failed < len([n for n in world.given if n < world.poison]) or failed > len(world.given):
        found.append(f"failed at first: {counts}")
    return found


@seeds(150, kept=20)
def test_a_canary_is_sticky_and_observed_once_through_rebalances_and_retries(seeds: range) -> None:
    for seed in seeds:
        assert faults_of_one(seed) == [], seed


@seeds(100, kept=10)
def test_nothing_is_lost_or_doubled_as_switches_come_and_go(seeds: range) -> None:
    for seed in seeds:
        world = lived(seed, modes=(ON, FIRST, SECOND, ON))
        assert world.faults() == [], (seed, world.history[-60:])
        observed = world.observed()
        assert sum(counts["candidate"] + counts["stable"] for counts in observed.values()) <= len(
            world.given
        )


@seeds(100, kept=10)
def test_nothing_is_lost_or_doubled_by_a_candidate_that_exits(seeds: range) -> None:
    for seed in seeds:
        world = lived(seed, exits=0.3)
        assert world.faults() == [], (seed, world.history[-60:])


@pytest.mark.parametrize("mutant", ["a new choice at each try", "retries count", "never forgets"])
def test_a_canary_broken_on_purpose_is_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant == "a new choice at each try":
        die = random.Random(1)
        monkeypatch.setattr(
            LaneCanary, "takes", lambda self, _: self.is_active and die.random() < 0.5
        )
    elif mutant == "never forgets":
        monkeypatch.setattr(LaneCanary, "restore", lambda self: None)
    else:
        plain = LaneCanary.observe

        def every(self: LaneCanary, record: Any, attempt: int, *rest: Any, **more: Any) -> None:
            self._observed and self._observed._known.clear()  # type: ignore[func-returns-value]
            plain(self, record, 1, *rest, **more)

        monkeypatch.setattr(LaneCanary, "observe", every)
    assert any(faults_of_one(seed) for seed in range(40))
