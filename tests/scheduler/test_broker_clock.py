"""Is the broker's time known as it should be, whatever this machine's clocks do?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.router.system_topics import system_topic_specs
from farandole.scheduler.broker_clock import READING_AGE, BrokerClock, KafkaClock

DAY = 86_400.0


@dataclass
class Machine:
    """Two machines: the broker's, and ours, whose wall clock is ahead of the broker's."""

    time: float = 1_800_000_000.0
    ahead: float = 0.0
    suspended: float = 0.0

    def clock(self) -> BrokerClock:
        return BrokerClock(lambda: self.time - self.suspended - 1e9, lambda: self.time + self.ahead)

    def read(self, clock: BrokerClock, *ways: float) -> None:
        """Readings whose answers take this long."""
        readings = []
        for way in ways:
            told = self.time
            self.time += way
            readings.append(clock.read(told))
        clock.set(readings)


def test_a_clock_that_was_not_read_tells_no_time() -> None:
    clock = Machine().clock()
    assert (clock.now(), clock.difference, clock.is_due) == (None, None, True)


@given(
    ways=st.lists(st.floats(0, 2), min_size=1, max_size=5),
    ahead=st.floats(-DAY, DAY),
    after=st.floats(0, 165),
)
def test_the_time_is_behind_by_the_quickest_answer_and_the_drift_and_never_ahead(
    ways: list[float], ahead: float, after: float
) -> None:
    machine = Machine(ahead=ahead)
    clock = machine.clock()
    machine.read(clock, *ways)
    machine.time += after
    now = clock.now()
    assert now is not None
    behind = machine.time - now
    allowed = 0.0002 * (after + sum(ways)) + 1e-6
    assert min(ways) - 1e-6 <= behind <= min(ways) + allowed
    difference = clock.difference
    assert difference is not None
    assert abs(difference - ahead - behind) < 1e-6


@pytest.mark.parametrize("jump", [-3600.0, -1.5, 1.5, 3600.0])
def test_after_a_jump_of_the_clock_it_must_be_read_again(jump: float) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.read(clock, 0.001)
    machine.ahead = jump
    assert (clock.now(), clock.is_due) == (None, True)
    machine.read(clock, 0.001)
    assert clock.now() == pytest.approx(machine.time, abs=0.01)
    assert clock.difference == pytest.approx(jump, abs=0.01)


def test_after_a_day_asleep_it_must_be_read_again() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.read(clock, 0.001)
    machine.time += DAY
    machine.suspended = DAY
    assert clock.now() is None
    machine.read(clock, 0.001)
    assert clock.now() == pytest.approx(machine.time, abs=0.01)


def test_a_clock_that_is_smeared_over_a_leap_second_does_not_jump() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.read(clock, 0.001)
    machine.time += READING_AGE
    machine.ahead += READING_AGE / DAY
    assert clock.now() is not None


def test_an_old_reading_is_replaced_and_at_last_tells_nothing() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.read(clock, 0.001)
    assert not clock.is_due
    machine.time += READING_AGE + 1
    assert clock.is_due
    assert clock.now() is not None
    machine.time += 2 * READING_AGE
    assert clock.now() is None


@pytest.mark.kafka
async def test_kafka_tells_its_time(settings: Settings) -> None:
    topic = settings.names.schedules_topic
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: system_topic_specs(settings.names)[topic]})
    clock = KafkaClock(settings)
    running = asyncio.create_task(clock.run())
    try:
        assert clock.now() is None
        await clock.known()
        assert clock.now() is not None
        assert clock.difference is not None
        assert abs(clock.difference) < 60  # both clocks are this machine's, which may be busy
    finally:
        running.cancel()
