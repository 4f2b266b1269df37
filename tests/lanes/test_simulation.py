"""Is every event handled exactly once and in order, whatever happens in between?"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from farandole.events.record import Partition, PartitionWrites
from farandole.lanes.lane_port import CommittedOffset, PlacedOffsets
from farandole.lanes.simulated_kafka import SimulatedKafka, SimulatedPort, simulation_step
from tests.lanes import broken
from tests.lanes.world import GROUP, LANES, World
from tests.seeds import parts, seeds

INTERLEAVINGS = 2000


def ran(seed: int, **how: object) -> World:
    world = World(random.Random(seed), **how)  # type: ignore[arg-type]
    world.run(steps=250, events=12)
    return world


def exact(world: World) -> bool:
    return all(world.results(i) == world.expected(i) for i in range(LANES))


@seeds(INTERLEAVINGS, kept=INTERLEAVINGS // 4)
def test_every_event_is_settled_once_and_in_order_in_thousands_of_interleavings(
    seeds: range,
) -> None:
    for seed in seeds:
        world = ran(seed)
        for i in range(LANES):
            assert world.results(i) == world.expected(i), (seed, world.history[-80:])
            assert len(set(world.dead(i))) == len(world.dead(i)), seed


@parts(6, kept=2)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(die=st.randoms(use_true_random=False), steps=st.integers(0, 300))
def test_every_event_is_settled_once_under_any_disaster_that_hypothesis_finds(
    part: int, die: random.Random, steps: int
) -> None:
    world = World(die)
    world.run(steps=steps, events=8)
    for i in range(LANES):
        assert world.results(i) == world.expected(i), world.history


@seeds(INTERLEAVINGS // 3, kept=INTERLEAVINGS // 12)
def test_no_event_is_given_up_where_no_process_died(seeds: range) -> None:
    for seed in seeds:
        world = ran(seed, deaths=False, unanswered=0)
        assert not world.given_up, (seed, world.history)


@seeds(INTERLEAVINGS // 2, kept=INTERLEAVINGS // 8)
def test_no_event_is_given_up_for_a_broker_that_does_not_answer(seeds: range) -> None:
    """Lives end before, after and while they note what they begin; the process lives on."""
    for seed in seeds:
        world = ran(seed, deaths=False, rebalances=False, unanswered=0.2)
        assert not world.given_up, (seed, world.history)
        assert exact(world), seed


class _Aside(broken.OffsetOutsideOfTheTransaction):
    async def commit_aside(self, offsets: Mapping[Partition, CommittedOffset]) -> None:
        await simulation_step("aside")
        self.port.kafka.offsets |= {(GROUP, p): c for p, c in offsets.items()}


class _AsNobody(broken._Around):
    """It commits offsets without its generation."""

    async def send(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, CommittedOffset],
        placed: Collection[Partition] = (),
    ) -> PlacedOffsets:
        ours, self.port.generation = self.port.generation, -1
        try:
            found: PlacedOffsets = await self.port.send(writes, offsets, placed)
            return found
        finally:
            self.port.generation = ours


class _NoRejoin(broken._Around):
    """Refused by its group, it waits for a rebalance that may never come."""

    async def withdraw(self) -> None:
        await self.port.withdraw()
        self.port.has_withdrawn = False


def _caught(mutant: type, seed: int) -> bool:
    try:
        return not exact(ran(seed, broken=mutant))
    except AssertionError:  # it never comes to rest
        return True


@pytest.mark.parametrize(
    "mutant",
    [
        broken.OffsetReadBeforeTheFence,
        broken.StateReadBeforeTheFence,
        _Aside,
        broken.RebuiltByAZombie,
        _AsNobody,
        _NoRejoin,
    ],
    ids=[
        "offset read before the fence",
        "state read before the fence",
        "offset outside of the transaction",
        "zombie rebuilds",
        "offset of nobody",
        "refused and silent",
    ],
)
def test_a_lane_broken_on_purpose_is_caught(mutant: type) -> None:
    assert any(_caught(mutant, seed) for seed in range(400))


def test_a_lane_that_waits_for_a_rebalance_after_a_fence_is_caught() -> None:
    with pytest.raises(AssertionError, match="silent"):
        for seed in range(400):
            ran(seed, broken=broken.SilentAfterAFence)


def test_a_simulated_producer_cannot_write_once_it_is_fenced() -> None:
    kafka = SimulatedKafka()
    first = kafka.init("t")
    kafka.begin("t", first)
    kafka.init("t")
    with pytest.raises(Exception, match="t"):
        kafka.commit("t", first)


def test_a_simulated_port_is_a_port() -> None:
    from farandole.lanes.lane_port import LanePort

    port: LanePort = SimulatedPort(SimulatedKafka(), GROUP, "t", [Partition("in", 0)], 1)
    assert port is not None
