"""Is a time of day the right moment, also when clocks are changed?"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farandole.events.daily_window import (
    ClockError,
    DailyTime,
    Window,
    parse_daily_time,
    parse_window,
)

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]
clocks = st.builds(time, st.integers(0, 23), st.integers(0, 59))
moments = st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


@given(st.builds(DailyTime, clocks, st.sampled_from(ZONES)), moments)
@example(DailyTime(time(2, 30), "Europe/Berlin"), datetime(2026, 3, 29, 0, 0, tzinfo=UTC))
@example(DailyTime(time(9, 0), "Pacific/Apia"), datetime(2011, 12, 29, 20, 0, tzinfo=UTC))
def test_each_day_has_the_time_once(daily: DailyTime, moment: datetime) -> None:
    first = daily.next_after(moment)
    second = daily.next_after(first)
    assert moment < first < second
    assert timedelta(0) < second - first <= timedelta(hours=50)
    shown = first.astimezone(ZoneInfo(daily.zone)).time()
    if second - first == timedelta(hours=24):
        assert shown >= daily.clock


def test_a_time_that_the_clock_skips_is_the_moment_of_the_change() -> None:
    daily = parse_daily_time("02:30 Europe/Berlin")
    assert daily.next_after(datetime(2026, 3, 28, 20, tzinfo=UTC)) == datetime(
        2026, 3, 29, 1, tzinfo=UTC
    )


@given(st.builds(Window, clocks, clocks, st.sampled_from(ZONES)), moments)
def test_a_window_is_open_until_it_closes(window: Window, moment: datetime) -> None:
    now = moment.timestamp()
    closes = window.closes_at(now)
    if window.begins == window.ends or closes is None:
        return
    opened = window.opened_at(now)
    assert opened is not None
    assert opened <= now < closes
    assert window.opened_at(closes - 1) == opened
    assert window.opened_at(closes) != opened


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("22:00", "no time of the day from and to"),
        ("22:00-22:00 UTC", "begins and ends at 22:00"),
        ("22:00-06:00", "names no time zone"),
        ("22-06 UTC", "'22' is no time of day"),
        ("22:00-06:00 Europe/Berlim", "no time zone of the IANA database"),
        ("22:00-06:00 ../etc/passwd", "no time zone of the IANA database"),
    ],
)
def test_what_is_no_window_says_so(written: str, says: str) -> None:
    with pytest.raises(ClockError, match=says):
        parse_window(written)
