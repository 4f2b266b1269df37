"""Where do other libraries plan otherwise, and why?

Each difference belongs to a class that is stated here; what is in none is a fault of ours or a new
one of theirs.
"""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from croniter import croniter
from cronsim import CronSim, CronSimError

from farandole.scheduler.local_time import changes_in_year
from farandole.scheduler.recurrence import planned_between
from farandole.scheduler.time_zones import load_zone
from tests.scheduler.made import spec, utc
from tests.scheduler.made_expressions import random_expression

_ZONES = ("Europe/Paris", "Europe/Dublin", "America/St_Johns", "Australia/Lord_Howe")
_NAMES = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def _number(word: str) -> int:
    for names, first in ((_NAMES, 1), (_DAYS, 0)):
        if word.lower() in names:
            return names.index(word.lower()) + first
    return int(word)


def croniter_class(expression: str) -> str:
    """Return why croniter plans this expression otherwise in UTC; empty if it should not."""
    _, _, day, _, weekday = expression.split()
    if re.search(r"[#L]", f"{day} {weekday}".upper()):
        return "what is no number: L, LW, #"
    for first, last in re.findall(r"(\w+)-(\w+)", expression):
        if _number(first) % 7 == _number(last) % 7 or _number(first) == _number(last):
            return "a range from a value to itself is all values"
        if _number(first) > _number(last):
            return "a range that wraps"
    if (day[0] == "*") != (day == "*") or (weekday[0] == "*") != (weekday == "*"):
        return "a step of all days: either instead of both"
    if re.search(r"\d/\d|[a-z]/\d", expression.lower()):
        return "a step from a value on"
    if "*/" in f"{day},{weekday}":
        return "a star after the beginning"
    return ""


def cronsim_class(expression: str) -> str:
    """Return why cronsim plans a fixed time otherwise, in any zone; empty if it should not."""
    stepped = re.findall(r"(\w+)-(\w+)/", expression)
    if any(_number(first) == _number(last) for first, last in stepped):
        return "a step of a range of one value goes on behind the range"
    return ""


def test_cronsim_plans_the_same_fixed_times_around_changes_of_the_clocks() -> None:
    rng, compared, differing = random.Random(5), 0, set[str]()
    while compared < 200:
        expression, zone = random_expression(rng), load_zone(rng.choice(_ZONES))
        try:
            CronSim(expression, datetime(2026, 1, 1))
        except CronSimError:
            continue  # a range that wraps
        minute, hour, *_ = expression.split()
        if "*" in (minute[0], hour[0]):
            continue  # minute by minute it is wrong where the clocks move by half an hour
        change = rng.choice(changes_in_year(zone, rng.randrange(2009, 2024)))
        after, until = change - timedelta(hours=26), change + timedelta(hours=30)
        ours = list(planned_between(spec(expression, zone.key), after, until))
        theirs = (time.astimezone(UTC) for time in CronSim(expression, after.astimezone(zone)))
        if list(takewhile(lambda time: time <= until, theirs)) != ours:  # noqa: B023
            assert cronsim_class(expression), (expression, zone.key, change)
            differing.add(cronsim_class(expression))
        compared += 1
    assert len(differing) == 1


def test_croniter_plans_the_same_in_utc_but_for_known_classes() -> None:
    rng, compared, differing = random.Random(4), 0, set[str]()
    for _ in range(400):
        expression = random_expression(rng)
        after = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(10**6))
        ours = list(planned_between(spec(expression), after, after + timedelta(days=1500), 15))
        known = croniter_class(expression)
        try:
            walk = croniter(expression, after)
            theirs = [walk.get_next(datetime) for _ in ours]
        except ValueError:
            theirs = []
        if theirs == ours:
            compared += not known
        else:
            assert known, (expression, after, ours, theirs)
            differing.add(known)
    assert compared > 30
    assert len(differing) > 2


@pytest.mark.parametrize("expression", ["0 20-20 * * *"])
def test_croniter_takes_a_range_of_one_value_for_all(expression: str) -> None:
    begin = utc("2026-01-01")
    assert croniter(expression, begin).get_next(datetime) == utc("2026-01-01 01:00")
    assert list(planned_between(spec(expression), begin, utc("2026-01-02"))) == [
        utc("2026-01-01 20:00")
    ]
