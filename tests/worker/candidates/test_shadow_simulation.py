"""Does a shadow change nothing, and is each chosen event counted once, whatever dies when?

The lanes are the real ones, over `farandole.lanes.simulated_kafka`. The candidate answers late, in
its order, or never; its process may be lost with all that waits for it."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast
from zlib import crc32

import orjson
import pytest

from farandole.events.controls_in_force import StageMode
from farandole.events.outcome import OutcomeCounts, handled_count
from farandole.events.record import Partition
from farandole.events.shadow_counts import ShadowCounts, parse_shadow_key, summed_counts
from farandole.events.topology_version import BreakerPolicy, StageSpec
from farandole.lanes.lane_work import LaneWork
from farandole.worker.candidates import lane_shadow
from farandole.worker.candidates.candidate_messages import CallResult
from farandole.worker.candidates.candidate_process import CandidateAnswer, CandidateCall
from farandole.worker.candidates.lane_shadow import LaneShadow
from farandole.worker.candidates.stage_candidates import Answered, StageCandidates
from tests.lanes.world import LANES
from tests.seeds import seeds
from tests.worker.made import In, Lane, Out, controls_with, version
from tests.worker.test_retry_queue_simulation import (
    BREAKS,
    INPUTS,
    POLICY,
    STATE,
    Parked,
)

BOOKS = 4
ROOM = 6  # calls that may wait


@dataclass
class Answering:
    """The candidate of a process: what it was offered and has not answered yet."""

    waiting: deque[tuple[CandidateCall, Answered]] = field(default_factory=deque)
    takes_context: bool = True
    offered: list[tuple[str, int, int]] = field(default_factory=list)
    answered: int = 0

    def offer(self, call: CandidateCall, size: int, answered: Answered) -> bool:
        (event,) = call.events
        assert call.compare_with is not None
        assert size > 0
        self.offered.append((event.topic, event.partition, event.offset))
        if len(self.waiting) >= ROOM:
            return False
        self.waiting.append((call, answered))
        return True

    def answer(self) -> None:
        call, answered = self.waiting.popleft()
        assert call.compare_with is not None
        is_odd = orjson.loads(call.events[0].value or b"")["n"] % 2
        comparison = {"differs": ["out: n"]} if is_odd else {}
        self.answered += 1
        answered(CandidateAnswer(CallResult("handled", seconds=0.001), comparison))

    def lose(self) -> None:
        while self.waiting:
            self.waiting.popleft()[1](None)


@dataclass
class Shadowed(Parked):
    """A stage with parked events, and a shadow of its function."""

    odds: float = 0.0
    share: float = 1.0
    generation_of_switch: int = 7
    candidate: Answering = field(default_factory=Answering)

    def current(self, mode: StageMode) -> Answering | None:
        return self.candidate if mode.mode == "shadow" else None

    def mode(self) -> StageMode:
        return StageMode("shadow", "m:f", self.share, generation=self.generation_of_switch)

    def work(self, index: int) -> LaneWork:
        def function(event: In) -> Out | None:
            if event.n < self.poison or self.chance.random() < self.failing:
                raise TimeoutError(str(event.n))
            return Out(n=event.n)

        controls: Any = controls_with()
        controls.mode = self.mode
        breaker = BreakerPolicy(failures=10**6) if self.poison else BREAKS
        stage = StageSpec(
            run="m:f", subscribes=INPUTS, emits=("out",), retry=POLICY, breaker=breaker
        )
        known = version(stages={"stage": stage}).model_copy(update={"ledger": BOOKS})
        lane = Lane(
            function,
            versions=[known],
            clock=self.clock,
            monotonic=lambda: 0.0,
            lane=index,
            state=STATE,
            controls=controls,
            candidates=cast(StageCandidates, self),
        )
        return lane.work

    def _step(self) -> None:
        if self.candidate.waiting and self.die.random() < 0.1:
            self.candidate.answer()
        super()._step()

    def _kill(self) -> None:
        super()._kill()
        if self.die.random() < 0.5:  # the candidate of the process that was killed
            self.candidate.waiting.clear()
        elif self.die.random() < 0.5:
            self.candidate.lose()

    def rest(self) -> None:
        """Let everything be counted that ever will be."""
        while self.candidate.waiting:
            self.candidate.answer()
        self._rebalance(abandon=False)
        self._calm()
        for _ in range(1_000):
            self._step()
        self._calm()

    def rows(self) -> dict[tuple[int, bytes], bytes]:
        found: dict[tuple[int, bytes], bytes] = {}
        for index in range(LANES):
            for row in self.kafka.read_committed(Partition(STATE, index)):
                found.pop((index, row.key or b""), None)
                if row.value is not None:
                    found[index, row.key or b""] = row.value
        return found

    def counts(self) -> tuple[int, ShadowCounts]:
        rows = [(key, value) for (_, key), value in self.rows().items()]
        return summed_counts(rows, lambda generation: generation == self.generation_of_switch)

    def chosen(self) -> list[tuple[str, int, int]]:
        """The positions of all events that were given, but for those that are not chosen."""
        limit = self.share * 2**32
        return sorted(
            place for place in self.places if crc32(b"%b/%d/%d" % _encoded(place)) < limit
        )

    def faults(self) -> list[str]:
        emitted, dead = self.emitted(), self.dead()
        found = []
        if sorted([*emitted, *dead]) != sorted(self.given):
            found.append(f"of {len(self.given)}: emitted {emitted}, dead {dead}")
        books = self.books()
        if books != (len(emitted), len(dead), len(emitted)):
            found.append(f"emitted {len(emitted)}, dead {len(dead)}, by the books {books}")
        return found

    def books(self) -> tuple[int, int, int]:
        """Return how many events were handled, died and were emitted, by the ledger."""
        outcomes, consumed, sent = OutcomeCounts(), 0, 0
        for index in range(BOOKS):
            for record in self.kafka.read_committed(Partition("ledger", index)):
                for run in orjson.loads(record.value or b"")["runs"]:
                    for counts in run["in"].values():
                        consumed += counts["n"]
                        outcomes.add(OutcomeCounts.from_fields(counts))
                    sent += sum(counts["n"] for counts in run.get("out", {}).values())
        return handled_count(consumed, outcomes), outcomes["dead"], sent  # type: ignore[index]


def _encoded(place: tuple[str, int, int]) -> tuple[bytes, int, int]:
    return place[0].encode(), place[1], place[2]


def lived(seed: int, steps: int = 400, **how: Any) -> Shadowed:
    world = Shadowed(random.Random(seed), **how)
    world.lived(steps, events=14)
    world.rest()
    return world


@seeds(200, kept=40)
def test_each_chosen_event_is_counted_once_and_nothing_else_changes(seeds: range) -> None:
    for seed in seeds:
        world = lived(seed, poison=seed % 3, share=(1.0, 0.5, 0.1)[seed % 3])
        assert world.faults() == [], (seed, world.history[-60:])
        offered, chosen = world.candidate.offered, world.chosen()
        assert len({*offered}) == len(offered), "handed over twice"
        assert {*offered} <= {*chosen}
        number, counts = world.counts()
        assert number == len(chosen), (seed, world.history[-60:])
        assert counts.known == number
        assert counts.candidate.calls <= world.candidate.answered


@seeds(40, kept=10)
def test_without_deaths_nothing_is_lost(seeds: range) -> None:
    for seed in seeds:
        world = lived(seed, deaths=False, rebalances=False, unanswered=0)
        number, counts = world.counts()
        assert (number, counts.lost) == (len(world.places), 0)
        assert counts.candidate.calls == world.candidate.answered == number - counts.skipped
        odd = sum(n % 2 for n in world.given)
        assert odd - counts.skipped <= counts.candidate.differing <= odd


def test_rows_of_an_older_switch_are_removed() -> None:
    world = lived(1)
    world.generation_of_switch = 8
    world.lived(200, events=30)
    world.rest()
    number, counts = world.counts()
    assert number == counts.known > 0
    generations = {parse_shadow_key(key) for _, key in world.rows()}
    assert {named[0] for named in generations if named} == {8}


@pytest.mark.parametrize("mutant", ["before the commit", "parked too", "forgets the lost"])
def test_a_shadow_broken_on_purpose_is_caught(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant == "before the commit":
        put_rows = LaneShadow.put_rows

        def early(self: LaneShadow, **how: Any) -> None:
            put_rows(self, **how)
            self.committed()

        monkeypatch.setattr(LaneShadow, "put_rows", early)
    elif mutant == "parked too":
        monkeypatch.setattr(lane_shadow, "_has_parked", lambda *_: False)
    else:
        monkeypatch.setattr(ShadowCounts, "known", property(lambda self: 10**6))
    with pytest.raises(AssertionError):
        test_each_chosen_event_is_counted_once_and_nothing_else_changes(range(20))
