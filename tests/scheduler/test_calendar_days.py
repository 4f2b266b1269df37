"""Which planned times do calendars exclude, and what do they say?"""

from __future__ import annotations

import sys
from datetime import date
from typing import Any

import pytest

from farandole.events.schedule_spec import CalendarSpec
from farandole.scheduler.calendar_days import CalendarError, exclusion, load_holidays
from tests.scheduler.made import spec, utc


def _calendar(**fields: Any) -> CalendarSpec:
    return CalendarSpec(**fields)


_WEEKEND = _calendar(weekdays=(5, 6))
_CHRISTMAS = _calendar(dates=(date(2026, 12, 25),))


def test_without_calendars_no_day_is_excluded() -> None:
    assert exclusion(spec("0 0 * * *"), utc("2026-12-25"), {}) is None


@pytest.mark.parametrize(
    ("calendar", "reason"),
    [
        (_CHRISTMAS, "2026-12-25 is one of the dates"),
        (_calendar(weekdays=(4,)), "2026-12-25 is a Friday"),
        (_calendar(holidays="FR"), "2026-12-25 is a holiday in FR: Christmas Day"),
        (_calendar(holidays="DE-BY"), "2026-12-25 is a holiday in DE-BY: Christmas Day"),
    ],
)
def test_an_excluded_day_says_why(calendar: CalendarSpec, reason: str) -> None:
    daily = spec("0 12 * * *", exclude=(_WEEKEND, calendar))
    assert exclusion(daily, utc("2026-12-25 12:00"), {}) == reason


def test_a_day_in_no_excluded_calendar_is_left() -> None:
    daily = spec("0 12 * * *", exclude=(_WEEKEND, _CHRISTMAS, _calendar(holidays="FR")))
    assert exclusion(daily, utc("2026-12-24 12:00"), {}) is None


def test_a_day_in_no_included_calendar_is_excluded() -> None:
    daily = spec("0 12 * * *", include=(_WEEKEND, _CHRISTMAS))
    assert exclusion(daily, utc("2026-12-26 12:00"), {}) is None
    assert exclusion(daily, utc("2026-12-24 12:00"), {}) == (
        "2026-12-24 is in none of the included calendars"
    )


def test_excluded_counts_before_included() -> None:
    daily = spec("0 12 * * *", include=(_CHRISTMAS,), exclude=(_CHRISTMAS,))
    assert exclusion(daily, utc("2026-12-25 12:00"), {}) == "2026-12-25 is one of the dates"


def test_a_holiday_of_one_part_of_a_country_is_none_in_another() -> None:
    epiphany = date(2026, 1, 6)
    assert (epiphany in load_holidays("DE-BY"), epiphany in load_holidays("DE-BE")) == (True, False)


def test_the_day_is_that_of_the_zone() -> None:
    evening = spec("0 1 * * *", "Asia/Tokyo", exclude=(_CHRISTMAS,))
    assert exclusion(evening, utc("2026-12-24 16:00"), {}) == "2026-12-25 is one of the dates"
    assert exclusion(evening, utc("2026-12-25 16:00"), {}) is None


def test_a_day_of_another_schedule_is_excluded() -> None:
    others = {"monthly": spec("30 23 1 * *", "America/New_York")}
    daily = spec("0 3 * * *", "UTC", exclude=(_calendar(schedule="monthly"),))
    # 1 February 23:30 in New York is 2 February in UTC.
    assert exclusion(daily, utc("2026-02-02 03:00"), others) == (
        "2026-02-02 is a day of the schedule monthly"
    )
    assert exclusion(daily, utc("2026-02-01 03:00"), others) is None


def test_days_that_the_other_schedule_excludes_are_none_of_its_days() -> None:
    others = {"workdays": spec("* * * * *", exclude=(_WEEKEND, _calendar(holidays="FR")))}
    daily = spec("0 3 * * *", include=(_calendar(schedule="workdays"),))
    days = [day for day in range(21, 29) if exclusion(daily, utc(f"2026-12-{day} 03:00"), others)]
    assert days == [25, 26, 27]


def test_calendars_that_name_each_other_come_to_an_end() -> None:
    others = {
        "one": spec("0 0 * * *", exclude=(_calendar(schedule="two"),)),
        "two": spec("0 0 * * *", exclude=(_calendar(schedule="one"),)),
    }
    assert exclusion(others["one"], utc("2026-01-01"), others) is None


def test_a_day_that_comes_once_more_after_midnight_comes_to_an_end() -> None:
    # At 00:01 on 7 November 2010 the clocks of St John's went back to 23:01.
    zone = "America/St_Johns"
    other = spec("15 * * * *", zone, exclude=(_calendar(dates=(date(2010, 11, 6),)),))
    asking = spec("0 12 * * *", zone, exclude=(_calendar(schedule="other"),))
    noon = utc("2010-11-07 15:30")
    assert exclusion(asking, noon, {"other": other}) is not None


def test_a_schedule_that_there_is_not_has_no_days() -> None:
    assert (
        exclusion(spec("0 0 * * *", exclude=(_calendar(schedule="gone"),)), utc("2026-01-01"), {})
        is None
    )


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("XX", "no holidays are known of 'XX'"),
        ("DE-BX", "no holidays are known of 'BX' in DE"),
        ("", "no holidays are known of ''"),
    ],
)
def test_a_place_that_is_not_known_is_an_error(place: str, says: str) -> None:
    with pytest.raises(CalendarError, match=says):
        load_holidays(place)


def test_without_the_package_the_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(CalendarError, match=r"pip install 'farandole\[holidays\]'"):
        load_holidays("AT-9")
