"""When is a schedule planned, where clocks are changed and where they are not?"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from farandole.events.schedule_spec import ScheduleSpec
from farandole.scheduler.recurrence import (
    firing_time,
    next_planned,
    planned_between,
    previous_planned,
)
from tests.scheduler.made import spec, utc


def _between(spec: ScheduleSpec, after: str, until: str) -> list[str]:
    return [f"{time:%m-%d %H:%M}" for time in planned_between(spec, utc(after), utc(until))]


def test_a_fixed_time_in_a_gap_fires_once_at_its_end() -> None:
    nightly = spec("0,30 2 * * *", "Europe/Paris")
    times = _between(nightly, "2026-03-28 12:00", "2026-03-30 00:10")
    assert times == ["03-29 01:00", "03-30 00:00"]


def test_a_fixed_time_in_an_overlap_fires_in_the_first_pass() -> None:
    nightly = spec("30 2 * * *", "Europe/Paris")
    times = _between(nightly, "2026-10-24 12:00", "2026-10-26 12:00")
    assert times == ["10-25 00:30", "10-26 01:30"]


def test_in_the_second_pass_the_previous_fixed_time_is_one_of_the_first() -> None:
    nightly = spec("45 2 * * *", "Europe/Paris")
    second_pass = utc("2026-10-25 01:15")  # the wall shows 02:15
    assert previous_planned(nightly, second_pass) == utc("2026-10-25 00:45")


def test_a_wildcard_is_skipped_in_a_gap() -> None:
    often = spec("*/20 2 * * *", "Europe/Paris")
    times = _between(often, "2026-03-28 12:00", "2026-03-30 00:25")
    assert times == ["03-30 00:00", "03-30 00:20"]


def test_a_wildcard_fires_in_both_passes_of_an_overlap() -> None:
    often = spec("*/30 2 * * *", "Europe/Paris")
    times = _between(often, "2026-10-24 12:00", "2026-10-25 12:00")
    assert times == ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30"]


def test_a_shift_of_half_an_hour_moves_nothing_else() -> None:
    hourly = spec("15 * * * *", "Australia/Lord_Howe")
    # At 15:00 UTC, 02:00 there, the clock is put back to 01:30.
    times = _between(hourly, "2026-04-04 14:00", "2026-04-04 17:00")
    assert times == ["04-04 14:15", "04-04 15:45", "04-04 16:45"]


def test_a_day_that_a_zone_left_out_fires_once_as_it_ends() -> None:
    daily = spec("0 8 * * *", "Pacific/Apia")  # 30 December 2011 was not
    times = _between(daily, "2011-12-29 00:00", "2011-12-31 00:00")
    assert times == ["12-29 18:00", "12-30 10:00", "12-30 18:00"]


def test_an_interval_counts_from_the_start() -> None:
    often = spec(every=5400.0, start="2026-01-01T00:10", zone="Europe/Paris")
    times = _between(often, "2020-01-01 00:00", "2026-01-01 02:30")
    assert times == ["12-31 23:10", "01-01 00:40", "01-01 02:10"]


def test_an_interval_without_a_start_counts_from_1970() -> None:
    assert next_planned(spec(every=7 * 86_400.0), utc("1970-01-01")) == utc("1970-01-08")


def test_single_times_are_local_unless_they_have_an_offset() -> None:
    once = spec(at=("2026-12-24T18:00", "2026-12-24T16:30Z", "2026-12-24"), zone="Europe/Paris")
    times = _between(once, "2026-01-01 00:00", "2027-01-01 00:00")
    assert times == ["12-23 23:00", "12-24 16:30", "12-24 17:00"]


def test_start_is_a_planned_time_and_end_is_none() -> None:
    daily = spec("0 0 * * *", start="2026-01-02", end="2026-01-04")
    times = _between(daily, "2025-01-01 00:00", "2027-01-01 00:00")
    assert times == ["01-02 00:00", "01-03 00:00"]


def test_before_start_there_is_no_previous_planned_time() -> None:
    daily = spec("0 0 * * *", start="2026-01-02", end="2026-01-04")
    assert previous_planned(daily, utc("2026-01-02")) is None
    assert previous_planned(daily, utc("2030-01-01")) == utc("2026-01-03")


def test_a_schedule_that_waits_for_a_file_has_no_planned_times() -> None:
    assert next_planned(spec(), utc("2026-01-01")) is None


@pytest.mark.parametrize("cron", ["0 0 31 2 *", "* * 29 2 MON#1,TUE#1"])
def test_no_planned_time_is_found_where_there_is_none(cron: str) -> None:
    assert next_planned(spec(cron, end="2026-01-31"), utc("2026-01-30 12:00")) is None


@pytest.mark.parametrize("cron", ["* * * * *", "0 0 1 1 *"])
def test_nothing_is_planned_from_the_year_9000_on(cron: str) -> None:
    assert next_planned(spec(cron), utc("8999-12-31 23:59")) is None
    assert next_planned(spec(cron), datetime.max.replace(tzinfo=utc("2026-01-01").tzinfo)) is None


def test_nothing_is_planned_before_1970() -> None:
    minutely = spec("* * * * *", "Europe/Paris")
    assert next_planned(minutely, datetime.min.replace(tzinfo=utc("2026-01-01").tzinfo)) == utc(
        "1970-01-01"
    )
    assert previous_planned(minutely, utc("1970-01-01")) is None


def test_jitter_is_always_the_same_and_below_its_bound() -> None:
    hourly = spec("0 * * * *", jitter=300.0)
    planned = utc("2026-01-01 05:00")
    fires = firing_time("orders", "hourly", hourly, planned)
    assert planned <= fires < planned + timedelta(seconds=300)
    assert fires == firing_time("orders", "hourly", hourly, planned)


def test_jitter_spreads_schedules_and_times() -> None:
    hourly, planned = spec("0 * * * *", jitter=300.0), utc("2026-01-01 05:00")
    names = [firing_time("orders", f"s{n}", hourly, planned) for n in range(300)]
    assert len({(time - planned) // timedelta(seconds=30) for time in names}) == 10
    assert firing_time("orders", "s1", hourly, planned) - planned != (
        firing_time("orders", "s1", hourly, planned + timedelta(hours=1))
        - planned
        - timedelta(hours=1)
    )


def test_without_jitter_a_schedule_fires_as_planned() -> None:
    assert firing_time("orders", "h", spec("0 * * * *"), utc("2026-01-01")) == utc("2026-01-01")
