"""Does a lane with thousands of schedules stay a member of its group?"""

from __future__ import annotations

from itertools import count

import pytest

from farandole.events.schedule_spec import ScheduleSpec
from farandole.scheduler import scheduler_lane
from tests.scheduler.driven import STATE, World, at


def test_a_lane_with_much_to_decide_writes_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would send no heartbeat for so long that it is expelled, each time anew."""
    ticks = count()
    monkeypatch.setattr(f"{scheduler_lane.__name__}.time.monotonic", lambda: next(ticks) * 0.01)
    names = [f"s{number}" for number in range(100)]
    world = World()
    world.publish(**dict.fromkeys(names, ScheduleSpec(triggers="asked", cron="* * * * *")))
    world.start()
    world.advance(at("10:00:30"))
    assert all(world.row(name) for name in names)
    transactions = [entry for entry in world.kafka.log(STATE) if entry.outgoing is None]
    assert len(transactions) > 3
