"""Which local times does a cron expression mean, and what is said of one that is none?"""

from __future__ import annotations

from datetime import datetime

import pytest

from farandole.scheduler.cron_expression import CronError, parse_cron

_MAY = datetime(2026, 5, 1)  # a Friday


def _times(text: str, count: int, after: datetime = _MAY) -> list[str]:
    expression, times = parse_cron(text), list[str]()
    time = expression.next(after)
    while time is not None and len(times) < count:
        times.append(f"{time:%m-%d %H:%M}")
        time = expression.next(time)
    return times


def _days(text: str, count: int) -> list[str]:
    return [time[:5] for time in _times(text, count)]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("*/20 * * * *", ["05-01 00:20", "05-01 00:40", "05-01 01:00"]),
        ("5/25 9 * * *", ["05-01 09:05", "05-01 09:30", "05-01 09:55"]),
        ("0 20-20 * * *", ["05-01 20:00", "05-02 20:00"]),
        ("0 20-20/2 * * *", ["05-01 20:00", "05-02 20:00"]),
        ("0 22-2/2 * * *", ["05-01 02:00", "05-01 22:00", "05-02 00:00"]),
        ("30 8,17 * * *", ["05-01 08:30", "05-01 17:30", "05-02 08:30"]),
        ("0 12 * feb,DEC *", ["12-01 12:00", "12-02 12:00"]),
    ],
)
def test_times_of_an_expression(text: str, times: list[str]) -> None:
    assert _times(text, len(times)) == times


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 1 * * FRI-MON", ["05-01", "05-02", "05-03", "05-04", "05-08"]),
        ("0 1 * * 5-7", ["05-01", "05-02", "05-03", "05-08"]),
        ("0 1 * * 7", ["05-03", "05-10"]),
        ("0 1 * * 0", ["05-03", "05-10"]),
        ("0 1 * * 7-1", ["05-03", "05-04", "05-10"]),
        ("0 1 * * 1/2", ["05-01", "05-03", "05-04", "05-06"]),
        ("0 1 30-2 * *", ["05-01", "05-02", "05-30", "05-31", "06-01"]),
        ("0 1 L * *", ["05-31", "06-30", "07-31"]),
        ("0 1 LW * *", ["05-29", "06-30", "07-31"]),
        ("0 1 * * fri#2", ["05-08", "06-12"]),
        ("0 1 * * FRIL", ["05-29", "06-26"]),
        ("0 1 15,L * *", ["05-15", "05-31", "06-15"]),
    ],
)
def test_days_of_an_expression(text: str, days: list[str]) -> None:
    assert _days(text, len(days)) == days


def test_a_day_of_the_month_and_one_of_the_week_without_a_star_are_either() -> None:
    assert _days("0 1 13 * FRI", 4) == ["05-01", "05-08", "05-13", "05-15"]


@pytest.mark.parametrize("text", ["0 1 */2 * MON", "0 1 */2,1-31/2 * MON"])
def test_a_day_field_that_begins_with_a_star_must_fit_as_well(text: str) -> None:
    assert _days(text, 3) == ["05-11", "05-25", "06-01"]


def test_a_star_later_in_a_day_field_is_no_star_field() -> None:
    assert _days("0 1 13,*/30 * MON", 4) == ["05-01", "05-04", "05-11", "05-13"]


@pytest.mark.parametrize("text", ["@yearly", "@annually", "@ANNUALLY", " @yearly "])
def test_named_times_are_the_same_as_their_five_fields(text: str) -> None:
    assert _times(text, 2) == _times("0 0 1 1 *", 2)


@pytest.mark.parametrize(
    "text", ["0 0 31 2 *", "0 0 30,31 FEB *", "0 0 31 4-6/2,2 *", "0 0 31 2 */2"]
)
def test_an_expression_for_days_that_there_are_not_has_no_times(text: str) -> None:
    expression = parse_cron(text)
    assert (expression.next(_MAY), expression.previous(_MAY)) == (None, None)


def test_29_february_comes_in_leap_years_only() -> None:
    expression, years = parse_cron("0 0 29 2 *"), list[int]()
    time = expression.next(datetime(2090, 1, 1))
    while time is not None and time.year < 2110:
        years.append(time.year)
        time = expression.next(time)
    assert years == [2092, 2096, 2104, 2108]


@pytest.mark.parametrize("text", ["*/7 3 * * *", "0 20-20 * * *", "15 6 L * FRI-MON", "@monthly"])
def test_previous_leads_back_over_the_same_times(text: str) -> None:
    expression = parse_cron(text)
    times = [_MAY]
    for _ in range(100):
        times.append(expression.next(times[-1]) or _MAY)
    back = [times[-1]]
    while len(back) < 100:
        back.append(expression.previous(back[-1]) or _MAY)
    assert back[::-1] == times[1:]


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "empty"),
        ("* * * *", 8, "day of the week is missing"),
        ("0 * * * * *", 11, "seconds and years are not supported"),
        ("60 * * * *", 1, "minute: 60 is not in 0-59"),
        ("0 1,24 * * *", 5, "hour: 24 is not in 0-23"),
        ("0 0 0 * *", 5, "day of the month: 0 is not in 1-31"),
        ("0 0 * 13 *", 7, "month: 13 is not in 1-12 or JAN-DEC"),
        ("0 0 * * 8", 9, "day of the week: 8 is not in 0-7 or SUN-SAT"),
        ("0 0 * * MON-FRIDAY", 13, "did you mean FRI?"),
        ("0 0 * Sept *", 7, "did you mean SEP?"),
        ("*/0 * * * *", 3, "minute: a step is 1 to 60"),
        ("*/90 * * * *", 3, "every: 90m"),
        ("*/ * * * *", 3, "a step is"),
        ("1- * * * *", 3, "a value is missing here"),
        ("1,,2 * * * *", 3, "a value is missing here"),
        ("-5 * * * *", 1, "a value is missing here"),
        ("1-2-3 * * * *", 3, "2-3 is no value"),
        ("0 0 ? * MON", 5, "write * instead"),
        ("H 0 * * *", 1, "jitter"),
        ("0 0 15W * *", 5, "there are only L, LW and FRIL"),
        ("0 0 L-3 * *", 5, "there are only L, LW and FRIL"),
        ("0 0 * * L", 9, "write SAT"),
        ("0 0 * * FRI#6", 13, "# is followed by 1 to 5"),
        ("0 0 * * #2", 9, "a value is missing here"),
        ("0 L * * *", 3, "hour: L is no value"),
        ("٣ * * * *", 1, "no value"),
        ("99999999999999999999 * * * *", 1, "no value"),
        ("@reboot", 1, "no machine that starts"),
        ("@every 5m", 1, "every: 15m"),
        (" @dayly", 2, "did you mean '@daily'"),
        ("@daily 5", 8, "nothing may follow"),
        ("*," * 400, 501, "longer than 500"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_column(
    text: str, column: int, says: str
) -> None:
    with pytest.raises(CronError) as caught:
        parse_cron(text)
    assert (caught.value.column, says in caught.value.message) == (column, True), caught.value
