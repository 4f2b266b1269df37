"""Which rules do the planned times of any schedule follow?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.schedule_spec import ScheduleSpec
from farandole.scheduler.recurrence import (
    firing_time,
    next_planned,
    planned_between,
    previous_planned,
)
from tests.scheduler.made import spec
from tests.scheduler.made_expressions import random_expression

_ZONES = st.sampled_from(
    ("UTC", "Europe/Paris", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "Asia/Gaza")
)
_LOCAL_TIMES = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)).map(
    lambda time: time.replace(second=0, microsecond=0).isoformat()
)
_INSTANTS = st.datetimes(datetime(2008, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
_BOUNDS = st.none() | _LOCAL_TIMES


@st.composite
def _schedules(draw: st.DrawFn) -> ScheduleSpec:
    expressions = st.builds(random_expression, st.randoms(use_true_random=False))
    times = st.one_of(
        st.tuples(st.just("cron"), expressions),
        st.tuples(st.just("every"), st.floats(1, 1e7)),
        st.tuples(st.just("at"), st.lists(_LOCAL_TIMES, min_size=1, max_size=5).map(tuple)),
    )
    kind, value = draw(times)
    fields: dict[str, Any] = {kind: value, "start": draw(_BOUNDS), "end": draw(_BOUNDS)}
    return spec(zone=draw(_ZONES), jitter=draw(st.floats(0, 1e4)), **fields)


@given(_schedules(), _INSTANTS)
def test_the_next_planned_time_is_later(schedule: ScheduleSpec, after: datetime) -> None:
    planned = next_planned(schedule, after)
    assert planned is None or planned > after


@given(_schedules(), _INSTANTS, _INSTANTS)
def test_a_later_instant_has_no_earlier_next_planned_time(
    schedule: ScheduleSpec, one: datetime, other: datetime
) -> None:
    never = datetime.max.replace(tzinfo=UTC)
    first, second = (next_planned(schedule, after) or never for after in sorted((one, other)))
    assert first <= second


@settings(max_examples=50)
@given(_schedules(), _INSTANTS, st.integers(0, 50))
def test_the_planned_times_between_are_each_the_next_of_the_one_before(
    schedule: ScheduleSpec, after: datetime, limit: int
) -> None:
    until = after + timedelta(days=400)
    found = list(planned_between(schedule, after, until, limit))
    assert all(next_planned(schedule, one) == two for one, two in pairwise((after, *found)))
    following = next_planned(schedule, (after, *found)[-1])
    assert len(found) == limit or following is None or following > until


@given(_schedules(), _INSTANTS)
def test_the_previous_planned_time_is_the_one_of_which_this_is_the_next(
    schedule: ScheduleSpec, at: datetime
) -> None:
    previous, following = previous_planned(schedule, at), next_planned(schedule, at)
    if previous is not None:
        assert previous < at
        after = next_planned(schedule, previous)
        assert after in (following, at)
    if following is not None:
        assert previous_planned(schedule, following) in (previous, at)


@given(_schedules(), _INSTANTS)
def test_no_planned_time_is_outside_of_start_and_end(schedule: ScheduleSpec, at: datetime) -> None:
    free = schedule.model_copy(update={"start": None, "end": None})
    zone_slack = timedelta(days=2)
    for planned in (next_planned(schedule, at), previous_planned(schedule, at)):
        if planned is None:
            continue
        if schedule.start is not None:
            start = datetime.fromisoformat(schedule.start).replace(tzinfo=UTC)
            assert planned >= start - zone_slack
        if schedule.end is not None:
            end = datetime.fromisoformat(schedule.end).replace(tzinfo=UTC)
            assert planned < end + zone_slack
        if schedule.every is None:  # an interval counts from its start
            assert next_planned(free, planned - timedelta(microseconds=1)) == planned


@given(_schedules(), _INSTANTS, st.text(max_size=5))
def test_jitter_is_below_its_bound_and_always_the_same(
    schedule: ScheduleSpec, planned: datetime, name: str
) -> None:
    fires = firing_time("orders", name, schedule, planned)
    assert planned <= fires
    assert fires < planned + timedelta(seconds=schedule.jitter) or fires == planned
    assert fires == firing_time("orders", name, schedule, planned)
