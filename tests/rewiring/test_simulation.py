"""Is every event handled once by exactly the stages of its version, whatever edits come?"""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from farandole.events.outcome import Outcome
from farandole.events.switch_document import Mode
from tests.rewiring.edits import PLAIN, Stages
from tests.rewiring.world import World
from tests.seeds import seeds

EVENTS = ("asked", "b", "c", "d", "e")
NAMES = ("one", "two", "three", "four", "five")


@st.composite
def topologies(draw: st.DrawFn) -> Stages:
    """Up to five stages, from an event to a later one, each reachable from the root."""
    reachable = {"asked"}
    stages = {}
    for name in draw(st.permutations(NAMES))[: draw(st.integers(1, 5))]:
        takes = draw(st.sampled_from(sorted(reachable - {EVENTS[-1]})))
        gives = draw(st.sampled_from(EVENTS[EVENTS.index(takes) + 1 :]))
        stages[name] = takes, gives
        reachable.add(gives)
    if not any(takes == "asked" for takes, _ in stages.values()):  # pragma: no cover
        raise AssertionError("the first stage subscribes to the root")
    return stages


widths = st.dictionaries(st.sampled_from(EVENTS[1:]), st.integers(1, 3), max_size=2)


class Rewiring(RuleBasedStateMachine):
    """Random legal edits and switches, while roots come in and workers die."""

    @initialize(die=st.randoms(use_true_random=False), first=topologies())
    def begin(self, die: random.Random, first: Stages) -> None:
        self.world = World(die)
        self.world.edit(first, {})
        while self.world.routers:
            self.world.advance(1)

    @rule(count=st.integers(1, 4))
    def give(self, count: int) -> None:
        for _ in range(count):
            self.world.give()

    @rule(stages=topologies(), wide=widths)
    def edit(self, stages: Stages, wide: dict[str, int]) -> None:
        self.world.edit(stages, wide)

    @rule(steps=st.integers(1, 80))
    def advance(self, steps: int) -> None:
        self.world.advance(steps)

    @rule()
    def kill(self) -> None:
        self.world.kill()

    @rule()
    def widen(self) -> None:
        self.world.widen()

    @rule()
    def delete(self) -> None:
        self.world.delete()

    @rule()
    def settle(self) -> None:
        self.world.settle()

    @rule(mode=st.sampled_from(["on", "hold", "bypass"]), stage=st.sampled_from(NAMES))
    def switch(self, mode: Mode, stage: str) -> None:
        self.world.switch(mode, stage)

    @rule(mode=st.sampled_from(["on", "hold"]))
    def switch_everything(self, mode: Mode) -> None:
        self.world.switch(mode)

    @rule()
    def rebalance(self) -> None:
        self.world.rebalance()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            assert self.world.calm() == [], self.world.history


class MoreRewiring(Rewiring):
    """The same at greater length."""


FEW_EXAMPLES = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestRewiring = Rewiring.TestCase
TestRewiring.settings = FEW_EXAMPLES
TestMoreRewiring = pytest.mark.soak(MoreRewiring.TestCase)
TestMoreRewiring.settings = settings(FEW_EXAMPLES, max_examples=60)


def ran(seed: int, *, without: str = "", operator: float = 0.0, switches: float = 0.0) -> World:
    """Edits between the same few topologies, at random moments. `operator` is the share of moments
    at which somebody changes a topic, `switches` that at which somebody switches a stage."""
    die = random.Random(seed)
    world = World(die, without)
    world.edit(PLAIN, {})
    while world.routers:
        world.advance(1)
    for _ in range(6):
        world.edit(die.choice(FEW), {})
        for _ in range(die.randrange(300)):
            world.advance(1)
            if die.random() < 0.04:
                world.give()
            if die.random() < operator:
                die.choice([world.widen, world.delete, world.settle, world.settle])()
            if switches and die.random() < switches:
                modes: Sequence[Mode] = ("on", "on", "bypass", "hold")
                world.switch(die.choice(modes), die.choice(("take", "make", "give", "also")))
        if die.random() < 0.3:
            world.kill()
    return world


@seeds(80, kept=16)
def test_edits_and_switches_lose_and_double_nothing(seeds: range) -> None:
    both = 0
    for seed in seeds:
        world = ran(seed, switches=0.05)
        assert world.calm() == [], (seed, world.history)
        both += bool(world.outcomes[Outcome.BYPASSED] and world.outcomes[Outcome.HANDLED])
    assert both > len(seeds) / 3


FEW: tuple[Stages, ...] = (
    PLAIN,
    {"take": ("asked", "taken")},
    {**PLAIN, "also": ("asked", "noted")},
    {"also": ("asked", "noted"), "make": ("noted", "made")},
)


@seeds(80, kept=24)
def test_hundreds_of_edits_lose_and_double_nothing(seeds: range) -> None:
    for seed in seeds:
        assert ran(seed).calm() == [], seed


@seeds(160, kept=32)
def test_topics_that_others_change_cost_only_what_was_in_them(seeds: range) -> None:
    """Widened, deleted, created again, in the middle of work and of publications."""
    for seed in seeds:
        assert ran(seed, operator=0.01).calm() == [], seed


@pytest.mark.parametrize(
    ("without", "operator"),
    [
        # Without a hold, readers pass a boundary.
        ("hold", 0.0),
        # Kafka has acknowledged the version, its coordinator has not yet marked it as committed,
        # and meanwhile the hold of its boundaries has timed out.
        ("wait", 0.0),
        # A worker does not ask for new versions.
        ("ask", 0.0),
        ("known topics", 0.01),
        ("lives", 0.01),
        ("fence of the lanes", 0.01),
        ("start of added partitions", 0.01),
    ],
)
def test_what_a_pipeline_cannot_do_without(without: str, operator: float) -> None:
    assert any(_fails(seed, without, operator) for seed in range(200))


def _fails(seed: int, without: str, operator: float) -> bool:
    try:
        return bool(ran(seed, without=without, operator=operator).calm())
    except AssertionError:  # it never comes to rest
        return True
