"""Is a rate read as it is written, and is it the right one at each moment?"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farandole.events.daily_window import Window
from farandole.events.rate import (
    Ramp,
    Rate,
    RateError,
    RateRule,
    parse_rate,
    parse_rate_rule,
    rate_at,
)

NIGHT = "1000/s between 22:00 and 06:00 Europe/Berlin"
WORDS = ("from", "to", "over", "between", "and", "else", "0", "5/s", "1/m", "2", "lines/s")
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # its clock is changed by half an hour
    "Africa/Casablanca",
    "Pacific/Apia",  # it had no 30 December 2011
    "Asia/Kathmandu",
]

counts = st.one_of(
    st.integers(1, 10**9).map(float), st.integers(1, 10**6).map(lambda n: round(n / 1000, 3))
)


def rates(unit: str) -> st.SearchStrategy[Rate]:
    return st.one_of(
        st.just(Rate(0)), st.builds(Rate, counts, st.sampled_from("smh"), st.just(unit))
    )


clocks = st.builds(time, st.integers(0, 23), st.integers(0, 59))
windows = st.builds(Window, clocks, clocks, st.sampled_from(ZONES)).filter(
    lambda window: window.begins != window.ends
)


@st.composite
def rules(draw: st.DrawFn) -> RateRule:
    rate = rates(draw(st.sampled_from(["events", "lines"])))
    seconds = st.integers(1, 10**8).map(lambda n: n / 1000)
    limit = draw(st.one_of(rate, st.builds(Ramp, rate, rate, seconds)))
    window = draw(st.none() | windows)
    return RateRule(limit, window, draw(st.none() | rate) if window else None)


def at(text: str, zone: str = "Europe/Berlin", *, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


@given(rules())
def test_a_rule_is_read_as_it_is_printed(rule: RateRule) -> None:
    assert parse_rate_rule(str(rule)) == rule


@pytest.mark.parametrize(
    ("written", "per_second"),
    [
        ("1000/s", 1000),
        ("60/m", 1),
        ("10/h", 10 / 3600),
        ("2.5/s", 2.5),
        ("  7 events/s ", 7),
        ("1000 lines/s", 1000),
        ("0", 0),
        (0, 0),
        ("0/h", 0),
    ],
)
def test_a_plain_rate_is_always_the_same(written: object, per_second: float) -> None:
    assert rate_at(parse_rate_rule(written), 1e9, 0) == per_second


def test_lines_are_another_unit_than_events() -> None:
    assert parse_rate_rule("1000/s").unit == "events"
    assert parse_rate_rule("1000 lines/s").unit == "lines"
    assert parse_rate_rule("from 0 to 10 lines/s over 1m").unit == "lines"


def test_a_ramp_goes_evenly_and_stays() -> None:
    ramp = parse_rate_rule("from 100/s to 5000/s over 10m")
    assert [rate_at(ramp, 1000 + after, 1000) for after in (-5, 0, 300, 600, 10**9)] == [
        100,
        100,
        2550,
        5000,
        5000,
    ]


@given(rules(), st.floats(0, 4e9), st.floats(0, 4e9))
def test_a_rate_lies_between_those_that_are_written(
    rule: RateRule, now: float, begun: float
) -> None:
    limit = rule.limit
    written = [limit] if isinstance(limit, Rate) else [limit.first, limit.last]
    if rule.otherwise is not None:
        written.append(rule.otherwise)
    allowed = rate_at(rule, now, begun)
    if allowed is None:
        assert rule.window is not None
        assert rule.otherwise is None
    else:
        values = [rate.per_second for rate in written]
        # Beside a large number the small one is lost in its rounding.
        rounding = 1e-9 * max(values)
        assert min(values) - rounding <= allowed <= max(values) + rounding


def test_outside_of_its_window_a_rate_has_no_limit() -> None:
    rule = parse_rate_rule(NIGHT)
    inside = [at("2026-11-29 22:00"), at("2026-11-30 03:00"), at("2026-11-30 05:59:59.9")]
    assert [rate_at(rule, now, 0) for now in inside] == [1000, 1000, 1000]
    outside = [at("2026-11-29 21:59:59.9"), at("2026-11-30 06:00")]
    assert [rate_at(rule, now, 0) for now in outside] == [None, None]
    elsewhere = parse_rate_rule(NIGHT + ", else 0")
    assert rate_at(elsewhere, outside[0], 0) == 0


def test_a_ramp_begins_each_time_that_its_window_opens() -> None:
    rule = parse_rate_rule("from 0 to 600/s over 10m between 22:00 and 06:00 Europe/Berlin")
    begun = at("2026-11-01 12:00")
    for day in ("2026-11-28", "2026-11-29"):
        assert rate_at(rule, at(f"{day} 22:05"), begun) == pytest.approx(300)
    # In the window in which it comes into force, it begins then.
    assert rate_at(rule, at("2026-11-28 22:05"), at("2026-11-28 22:04")) == pytest.approx(60)


def test_a_window_opens_and_closes_once_when_clocks_are_set_back() -> None:
    window = Window(time(1, 0), time(2, 30), "Europe/Berlin")  # at 03:00 it is 02:00 again
    opened = at("2026-10-25 01:00")
    assert window.opened_at(at("2026-10-25 02:29")) == opened
    assert window.opened_at(at("2026-10-25 02:45")) is None
    assert window.opened_at(at("2026-10-25 02:15", fold=1)) is None
    late = Window(time(2, 30), time(5, 0), "Europe/Berlin")
    assert late.opened_at(at("2026-10-25 02:10", fold=1)) == at("2026-10-25 02:30")


def test_a_window_that_begins_in_a_skipped_hour_opens_after_it() -> None:
    window = Window(time(2, 30), time(5, 0), "Europe/Berlin")  # at 02:00 it is 03:00
    assert window.opened_at(at("2026-03-29 01:59:59")) is None
    assert window.opened_at(at("2026-03-29 03:00")) == at("2026-03-29 03:00")
    inside = Window(time(2, 10), time(2, 50), "Europe/Berlin")
    assert inside.opened_at(at("2026-03-29 03:00")) is None


@given(windows, st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1)))
@example(Window(time(2, 10), time(2, 50), "Europe/Berlin"), datetime(2026, 3, 29, 1, 0))
@example(Window(time(23, 50), time(0, 10), "Pacific/Apia"), datetime(2011, 12, 30, 10, 0))
def test_a_window_is_open_as_long_as_the_clock_says(window: Window, when: datetime) -> None:
    """Where no clock is changed within a day, the times of the local clock decide."""
    zone, now = ZoneInfo(window.zone), when.replace(tzinfo=UTC)
    offsets = {(now + timedelta(days=n)).astimezone(zone).utcoffset() for n in (-2, -1, 0, 1, 2)}
    opened = window.opened_at(now.timestamp())
    if opened is not None:
        assert opened <= now.timestamp()
        shown = datetime.fromtimestamp(opened, zone)
        assert shown.time() >= window.begins or len(offsets) > 1
    if len(offsets) == 1:
        local = now.astimezone(zone).time().replace(tzinfo=None)
        first, last = window.begins, window.ends
        inside = first <= local < last if first < last else local >= first or local < last
        assert (opened is not None) == inside


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (1000, "1000 has no unit; write for example 1000/s"),
        ("1000", "'1000' has no unit; write for example 1000/s"),
        ("100 per second", "'100 per second' is no rate; write 100/s"),
        ("100 lines per min", "'100 lines per min' is no rate; write 100 lines/m"),
        ("100/hour", "'100/hour' is no rate; write 100/h"),
        (True, "bool is no rate; write for example 1000/s"),
        (None, "NoneType is no rate; write for example 1000/s"),
        ("", "'' is no rate; write for example 1000/s"),
        ("-5/s", "'-5/s' is no rate"),
        ("1e3/s", "'1e3/s' is no rate"),
        ("inf/s", "'inf/s' is no rate"),
        ("٣/s", "is no rate"),
        ("9999999999/s", "is more than 1000000000; for no limit, leave the rate out"),
        ("from 1/s to 2/s", "'from 1/s to 2/s' is no ramp"),
        ("from 1/s to 2/s over 0s", "'0s' is no time for a ramp; write for example 30s"),
        ("from 1/s to 2 lines/s over 5m", "mixes events and lines"),
        ("1/s else 2/s", "has an `else`, but no window"),
        ("1/s between 22:00 and 06:00", "no time zone; write for example between 22:00 and 06:00"),
        ("1/s between 22:00 and 06:00 Europe/Berlim", "did you mean Europe/Berlin?"),
        ("1/s between 22:00 and 06:00 +02:00", "'+02:00' is no time zone"),
        ("1/s between 22:00 and 06:00 localtime", "'localtime' is no time zone"),
        ("1/s between 22:00 and 06:00 ../../../etc/passwd", "is no time zone"),
        ("1/s between 22:00 and 06:00 Europe", "'Europe' is no time zone"),
        ("1/s between 22:00 and 25:00 UTC", "'25:00' is no time of day"),
        ("1/s between 22:00 and 22:00 UTC", "begins and ends at 22:00"),
        ("between 22:00 and 06:00 UTC", "has no whole window"),
        ("1/s between 22:00 and 06:00 UTC, else 5 lines/s", "mixes events and lines"),
    ],
)
def test_what_is_no_rate_is_told_what_to_write(written: object, says: str) -> None:
    with pytest.raises(RateError) as refused:
        parse_rate_rule(written)
    assert says in f"{refused.value.message}; {refused.value.remedy}"


@given(
    st.one_of(
        st.text(),
        st.lists(
            st.sampled_from([*WORDS, "22:00", "06:00", "UTC", "10m", "a/b", ","]),
            max_size=12,
        ).map(" ".join),
        st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.integers()),
    )
)
def test_anything_is_a_rate_or_refused(written: object) -> None:
    try:
        rule = parse_rate_rule(written)
    except RateError as refused:
        assert refused.remedy  # noqa: PT017
    else:
        assert parse_rate_rule(str(rule)) == rule


def test_a_rate_for_each_key_is_plain() -> None:
    assert parse_rate("10/s") == Rate(10)
    with pytest.raises(RateError):
        parse_rate(NIGHT)
