"""Are planned times those at which a walk over every minute of UTC finds that they fit?"""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from farandole.events.schedule_spec import ScheduleSpec
from farandole.scheduler.recurrence import next_planned, planned_between, previous_planned
from farandole.scheduler.time_zones import zone_names
from tests.scheduler.cron_oracle import Years, firing_minutes, stretches
from tests.scheduler.made import spec
from tests.scheduler.made_expressions import random_expression

_ODD_ZONES = (
    "Africa/Cairo", "Africa/Casablanca", "Africa/El_Aaiun", "America/St_Johns", "Antarctica/Troll",
    "Asia/Gaza", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/Dublin", "Pacific/Apia",
    "Pacific/Chatham", "UTC",
)  # fmt: skip
_BEFORE, _AFTER = 4 * 60, 27 * 60
"""How many minutes around a change of offset are compared, of an expression that fires too often
for a comparison of all."""


def _check(expression: str, zone: str, years: Years, rng: random.Random, *, limit: int) -> None:
    """Compare all firings, or, if there are more than `limit`, those around changes of offset and
    at some points in time."""
    schedule, fires = spec(expression, zone), firing_minutes(expression, zone, years)
    about = f"{expression} in {zone}"
    if fires.count(1) <= limit:
        _compare(schedule, fires, years, 0, years.minutes, about)
    else:
        _compare_some(schedule, fires, years, rng, limit, about)
    for _ in range(min(200, limit // 6)):
        minute = rng.randrange(years.minutes)
        later, earlier = fires.find(1, minute + 1), fires.rfind(1, 0, minute)
        instant = years.instant(minute)
        if later >= 0:
            assert next_planned(schedule, instant) == years.instant(later), about
        if earlier >= 0:
            assert previous_planned(schedule, instant) == years.instant(earlier), about


def _compare_some(
    schedule: ScheduleSpec, fires: bytes, years: Years, rng: random.Random, limit: int, about: str
) -> None:
    changes = [begins for begins, _, _ in stretches(schedule.zone, years)[1:]]
    rng.shuffle(changes)
    for minute in changes:
        begins, ends = max(0, minute - _BEFORE), min(minute + _AFTER, years.minutes)
        _compare(schedule, fires, years, begins, ends, about)
        limit -= fires.count(1, begins, ends)
        if limit < 0:
            break


def _compare(
    schedule: ScheduleSpec, fires: bytes, years: Years, begins: int, ends: int, about: str
) -> None:
    minute, expected = fires.find(1, begins, ends), []
    while minute >= 0:
        expected.append(years.instant(minute))
        minute = fires.find(1, minute + 1, ends)
    after = years.instant(begins) - timedelta(microseconds=1)
    until = years.instant(ends) - timedelta(microseconds=1)
    found = list(planned_between(schedule, after, until))
    assert found == expected, (about, sorted(set(found) ^ set(expected))[:5])


def test_three_hundred_schedules_fire_as_a_walk_over_every_minute_says() -> None:
    rng = random.Random(17)
    for _ in range(300):
        _check(random_expression(rng), rng.choice(_ODD_ZONES), Years(2008), rng, limit=300)


@pytest.mark.soak
@pytest.mark.parametrize("piece", range(20))
def test_ten_thousand_schedules_fire_as_a_walk_over_every_minute_says(piece: int) -> None:
    rng = random.Random(f"piece {piece}")
    years = Years((1973, 1993, 2008, 2024)[piece % 4])
    zones = [*_ODD_ZONES, *rng.sample(sorted(zone_names()), 20)]
    for _ in range(500):
        _check(random_expression(rng), rng.choice(zones), years, rng, limit=6_000)
