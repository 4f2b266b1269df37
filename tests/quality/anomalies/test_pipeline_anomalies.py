"""What is told of the numbers of a pipeline, and what is not?"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from farandole.events.quality_history import Measurement
from farandole.quality.anomalies.incidents import Incident
from farandole.quality.anomalies.metric_key import MetricKey
from farandole.quality.anomalies.pipeline_anomalies import PipelineAnomalies

HOUR = 3_600.0
USUAL = 1_000


def rows(value: float, edge: str = "line") -> Measurement:
    return Measurement(edge, "", "rows", "volume", value)


def nulls(share: float) -> Measurement:
    return Measurement("line", "item", "nulls", "null share", share, USUAL)


def drawn(seed: int) -> Iterator[float]:
    """Numbers of rows around the usual one, with more in the afternoon."""
    die = random.Random(seed)
    hour = 0
    while True:
        yield USUAL * (1.5 if 12 <= hour % 24 < 18 else 1.0) * die.gauss(1, 0.02)
        hour += 1


def learnt(hours: int, seed: int = 1) -> tuple[PipelineAnomalies, Iterator[float]]:
    known, values = PipelineAnomalies(), drawn(seed)
    for hour in range(hours):
        changes = known.take(hour * HOUR, [rows(next(values)), nulls(0.01)])
        assert changes.opened == ()
    return known, values


def test_a_month_of_a_feed_with_a_season_is_told_of_nothing() -> None:
    learnt(24 * 30)


def test_what_is_usual_in_the_afternoon_is_unusual_at_night() -> None:
    known, _ = learnt(24 * 21)
    night = known.take(24 * 21 * HOUR, [rows(1.5 * USUAL), nulls(0.01)])
    (incident,) = night.opened
    assert (incident.main.key.edge, incident.main.key.statistic) == ("line", "rows")
    assert incident.main.low < USUAL < incident.main.high < 1.5 * USUAL


def test_numbers_of_one_cause_are_one_incident_told_once() -> None:
    known, _ = learnt(24 * 21)
    first = known.take(24 * 21 * HOUR, [rows(10), nulls(0.9)])
    (incident,) = first.opened
    assert {each.key.statistic for each in incident.findings} == {"rows", "nulls"}
    assert known.take((24 * 21 + 1) * HOUR, [rows(10), nulls(0.9)]).opened == ()


def test_a_run_that_trains_nothing_leaves_what_is_expected() -> None:
    known, values = learnt(24 * 21)
    for hour in range(5):
        at = (24 * 21 + hour) * HOUR
        known.take(at, [rows(10 * USUAL), nulls(0.01)], trains=False)
    after = known.take((24 * 21 + 48) * HOUR, [rows(next(values)), nulls(0.01)])
    assert after.opened == ()


def test_a_new_level_becomes_the_usual_one() -> None:
    known, values = learnt(24 * 21)
    told = [
        known.take((24 * 21 + hour) * HOUR, [rows(4 * next(values)), nulls(0.01)])
        for hour in range(24 * 4)
    ]
    assert [len(each.opened) for each in told if each.opened] == [1]
    assert [len(each.over) for each in told if each.over] == [1]


def test_an_incident_that_a_person_expects_is_over_and_not_told_again() -> None:
    known, values = learnt(24 * 21)
    (incident,) = known.take(24 * 21 * HOUR, [rows(3 * USUAL), nulls(0.01)]).opened
    assert known.expect(incident).over == (incident,)
    for hour in range(1, 24):
        known.take((24 * 21 + hour) * HOUR, [rows(next(values)), nulls(0.01)])
    again = known.take(24 * 22 * HOUR, [rows(3 * USUAL), nulls(0.01)])
    assert again.opened == ()


def test_what_is_expected_of_one_edge_hides_nothing_of_another() -> None:
    known, die = PipelineAnomalies(), random.Random(2)

    def run(number: int, line: float = 1.0, other: float = 1.0) -> tuple[Incident, ...]:
        sizes = (each * USUAL * die.gauss(1, 0.02) for each in (line, other))
        points = [rows(size, edge) for size, edge in zip(sizes, ("line", "other"), strict=True)]
        return known.take(number * 6 * HOUR, points).opened

    for number in range(40):
        assert run(number) == ()
    (incident,) = run(40, line=50)
    known.expect(incident)
    for number in range(41, 50):
        assert run(number) == ()
    (told,) = run(50, other=1.6)
    assert told.main.key.edge == "other"


def test_an_incident_that_is_over_is_still_known_and_can_be_expected() -> None:
    known, values = learnt(24 * 14)
    next(values)
    (incident,) = known.take(24 * 14 * HOUR, [rows(3 * USUAL), nulls(0.01)]).opened
    for hour in range(24 * 14 + 1, 24 * 15):
        known.take(hour * HOUR, [rows(next(values)), nulls(0.01)])
    assert known.log.open == []
    assert known.find(incident.id) == incident
    assert known.expect(incident).over == ()
    again = known.take(24 * 15 * HOUR, [rows(3 * USUAL), nulls(0.01)])
    assert again.opened == ()


def distinct(count: float) -> Measurement:
    return Measurement("line", "item", "distinct", "distinct", count)


def test_half_of_the_values_are_missed_where_half_of_the_rows_are_missing_too() -> None:
    """What the number of rows lets expect explains it, and still it is told."""
    known, die = PipelineAnomalies(), random.Random(3)
    for day in range(60):
        size = die.gauss(1, 0.1)
        known.take(day * 24 * HOUR, [rows(size * USUAL), distinct(size * USUAL / 2)])
    (incident,) = known.take(60 * 24 * HOUR, [rows(USUAL / 2), distinct(USUAL / 4)]).opened
    assert "distinct in all" in {each.key.statistic for each in incident.findings}


def test_who_ignores_different_values_hears_of_them_in_no_form() -> None:
    known, die = PipelineAnomalies(), random.Random(3)
    ignored = {MetricKey("line", "item", "distinct")}
    for day in range(60):
        known.take(day * 24 * HOUR, [distinct(USUAL * die.gauss(1, 0.02))], ignored=ignored)
    assert known.take(60 * 24 * HOUR, [distinct(USUAL / 2)], ignored=ignored).opened == ()


def test_a_rhythm_of_the_week_does_not_hide_a_bad_day() -> None:
    """Ten times as much on Sundays: the errors of the level are those of another baseline."""
    known, die = PipelineAnomalies(), random.Random(4)
    for day in range(84):
        usual = USUAL * (10 if day % 7 == 6 else 1)
        known.take(day * 24 * HOUR, [rows(usual * die.gauss(1, 0.05))])
    (incident,) = known.take(84 * 24 * HOUR, [rows(0.7 * USUAL)]).opened
    assert incident.main.expected == pytest.approx(USUAL, rel=0.1)
