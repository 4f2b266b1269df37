"""Is every output of a program without transactions relayed once and in order, whatever happens?"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest

from farandole.events.record import Partition
from tests.lanes.broken import _Around
from tests.lanes.relay_world import RelayWorld, raw
from tests.lanes.world import LANES
from tests.seeds import seeds

INTERLEAVINGS = 800


def ran(seed: int, **how: Any) -> RelayWorld:
    world = RelayWorld(random.Random(seed), strays=3, **how)
    world.run(steps=400, events=12)
    return world


def exact(world: RelayWorld) -> bool:
    return all(world.results(i) == world.expected(i) for i in range(LANES))


@seeds(INTERLEAVINGS, kept=INTERLEAVINGS // 4)
def test_every_output_is_relayed_once_and_in_order_in_hundreds_of_interleavings(
    seeds: range,
) -> None:
    for seed in seeds:
        world = ran(seed)
        for i in range(LANES):
            assert world.results(i) == world.expected(i), (seed, world.history[-120:])


@seeds(INTERLEAVINGS // 4, kept=INTERLEAVINGS // 16)
def test_what_is_no_output_of_an_event_is_given_up_once(seeds: range) -> None:
    for seed in seeds:
        world = ran(seed, deaths=False, unanswered=0)
        written = [
            each.value or b""
            for i in range(LANES)
            for each in world.kafka.read_committed(raw(i))
            if (each.value or b"").startswith(b"stray")
        ]
        given_up = [value for i in range(LANES) for value in world.dead(i)]
        assert sorted(given_up) == sorted(written), (seed, world.history[-120:])


class EndsReadBeforeTheOffsets(_Around):
    """What the program writes and commits in between is missed."""

    _early: Mapping[Partition, int] | None = None

    async def offsets_of(self, group: str) -> Mapping[Partition, int | None]:
        self._early = await self.port.ends()
        found: Mapping[Partition, int | None] = await self.port.offsets_of(group)
        return found

    async def ends(self) -> Mapping[Partition, int]:
        early, self._early = self._early, None
        return early or await self._late()

    async def _late(self) -> Mapping[Partition, int]:
        ends: Mapping[Partition, int] = await self.port.ends()
        return ends


class RawTopicNotReadToItsEnd(_Around):
    async def ends(self) -> Mapping[Partition, int]:
        ends: Mapping[Partition, int] = await self.port.ends()
        return {p: 0 if p.topic == raw(0).topic else end for p, end in ends.items()}


class RawOffsetBehindWhatIsNeeded(_Around):
    """The outputs of events that the program has not committed are not read again."""

    def positions(self) -> Mapping[Partition, int]:
        inner: Mapping[Partition, int] = self.port._port.positions()
        return {
            p: inner[p] if p.topic == raw(0).topic else o for p, o in self.port.positions().items()
        }


class HandsOverWhatTheProgramHasNotHandled(_Around):
    async def offsets_of(self, group: str) -> Mapping[Partition, int | None]:
        ends: Mapping[Partition, int] = await self.port.ends()
        return dict(ends)


@pytest.mark.parametrize(
    "how",
    [
        {"within": EndsReadBeforeTheOffsets},
        {"within": RawTopicNotReadToItsEnd},
        {"within": HandsOverWhatTheProgramHasNotHandled},
        {"around": RawOffsetBehindWhatIsNeeded},
    ],
    ids=lambda how: next(iter(how.values())).__name__,
)
def test_a_relay_broken_on_purpose_is_caught(how: dict[str, type]) -> None:
    assert any(not exact(ran(seed, **how)) for seed in range(200))
