"""Are templates replaced by what they say, and is each mistake in one found?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.schedule_row import Arrival
from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.scheduler.trigger_data import (
    TemplateError,
    TemplateValues,
    named_arrivals,
    render,
    template_problems,
)

PARIS = ZoneInfo("Europe/Paris")
PLANNED = datetime(2026, 11, 30, 1, 30, tzinfo=UTC)  # 02:30 in Paris, a Monday
RUN = Arrival(at=PLANNED, cause="r7abc", detail={"status": "completed"})
FILE = Arrival(at=PLANNED, cause="s3://b/in/a.csv", detail={"etag": "e1", "size": "12"})
NIGHTLY = ScheduleSpec(triggers="feed.requested", cron="30 2 * * *", zone="Europe/Paris")
ORDERS = DependencySpec(pipeline="orders", status=("completed",))
INBOX = DependencySpec(file="inbox/*.csv")
AFTER_BOTH = ScheduleSpec(triggers="report.requested", after=(ORDERS, INBOX))


def values(**changed: Any) -> TemplateValues:
    return TemplateValues(
        **{
            "pipeline": "shop",
            "schedule": "nightly",
            "planned": PLANNED,
            "previous": datetime(2026, 11, 29, 1, 30, tzinfo=UTC),
            "zone": PARIS,
            **changed,
        }
    )


@pytest.mark.parametrize(
    ("written", "rendered"),
    [
        ("${planned}", "2026-11-30T02:30:00+01:00"),
        ("${planned.utc}", "2026-11-30T01:30:00Z"),
        ("${planned:%Y-%m-%d}", "2026-11-30"),
        ("${planned - 1d:%Y-%m-%d}", "2026-11-29"),
        ("${ planned-1w+2h:%d %H:%M}", "23 04:30"),
        ("${planned.date - 1d}", "2026-11-29"),
        ("${previous.date}", "2026-11-29"),
        ("day-${planned.day}", "day-30"),
        ("${schedule} of ${pipeline}", "nightly of shop"),
        ("$${planned} costs $5", "${planned} costs $5"),
        ("${planned.year}", 2026),
        ("${planned.month}", 11),
        ("${planned.hour}", 2),
        ("${planned.minute}", 30),
        ("${planned.second}", 0),
        ("${planned.week}", 49),
        ("${planned.weekday}", 1),
        ("${planned.epoch}", int(PLANNED.timestamp())),
        ({"weeks": ["${planned.week}"], "n": 1}, {"weeks": [49], "n": 1}),
        ([None, True, 1.5, {"${planned}": "x"}], [None, True, 1.5, {"${planned}": "x"}]),
    ],
)
def test_a_template_is_replaced_by_what_it_says(written: Any, rendered: Any) -> None:
    assert render(written, values()) == rendered


def test_a_day_before_has_the_same_time_of_day_also_where_the_clocks_change() -> None:
    after_the_change = datetime(2026, 10, 25, 2, 0, tzinfo=UTC)  # 03:00, the day has 25 hours
    assert (
        render("${planned - 1d}", values(planned=after_the_change)) == "2026-10-24T03:00:00+02:00"
    )
    assert (
        render("${planned - 24h}", values(planned=after_the_change)) == "2026-10-24T04:00:00+02:00"
    )


def test_a_time_that_a_gap_has_taken_is_moved_on() -> None:
    day_after = datetime(2026, 3, 30, 0, 30, tzinfo=UTC)  # 02:30, which 29 March does not have
    assert render("${planned - 1d}", values(planned=day_after)) == "2026-03-29T03:30:00+02:00"


def test_what_is_missing_is_null_where_it_stands_alone() -> None:
    assert render({"since": "${previous}"}, values(previous=None)) == {"since": None}
    assert render(["${run}", "${file.size}"], values()) == [None, None]


def test_a_text_around_something_missing_cannot_be_rendered() -> None:
    with pytest.raises(TemplateError, match=r"^data.a.0: there is nothing for \$\{previous\}$"):
        render({"a": ["since ${previous}"]}, values(previous=None))


def test_what_has_come_is_named_by_its_kind_or_its_place() -> None:
    come = values(arrivals={0: RUN, 1: FILE})
    assert render("${run} ${status} ${file} ${file.etag}", come) == (
        "r7abc completed s3://b/in/a.csv e1"
    )
    assert render(["${after.0.run}", "${after.1.file.size}"], come) == ["r7abc", 12]


def test_the_templates_of_what_has_come_are_found() -> None:
    data = {"at": "${planned:%Y}", "of": ["${run}", "${after.0.file.size} of ${run}", "$${file}"]}
    found = named_arrivals(ScheduleSpec(triggers="a", data=data))
    assert found == ["${run}", "${after.0.file.size}"]


@pytest.mark.parametrize("moves", ["- 999999w", "+ 999999w"])
def test_a_time_beyond_all_calendars_is_an_error(moves: str) -> None:
    with pytest.raises(TemplateError, match="is no time that can be written"):
        render(f"${{planned {moves}}}", values())


@pytest.mark.parametrize(
    ("text", "spec", "column", "message", "remedy"),
    [
        ("a ${planed}", NIGHTLY, 3, "there is no ${planed} here", "did you mean 'planned'?"),
        ("${planned", NIGHTLY, 1, "has no end", "close it"),
        ("${}", NIGHTLY, 1, "is no template", "write for example ${planned}"),
        ("${planned - one day}", NIGHTLY, 1, "is no template", "${planned - 1d:%Y-%m-%d}"),
        ("${planned.weak}", NIGHTLY, 1, "is no part of a time", "did you mean 'week'?"),
        ("${planned:%F}", NIGHTLY, 1, "no format has %F", "%Y-%m-%d"),
        ("${planned:}", NIGHTLY, 1, "an empty format", "${planned:%Y-%m-%d}"),
        ("${planned.week:%d}", NIGHTLY, 1, "a part and a format", "one of the two"),
        ("${schedule - 1d}", NIGHTLY, 1, "only planned and previous", "write ${schedule}"),
        ("${run}", NIGHTLY, 1, "there is no ${run} here", "planned, previous, schedule, pipeline"),
        ("${previous}", AFTER_BOTH, 1, "has no planned times", "write ${planned}"),
        ("${after.2.run}", AFTER_BOTH, 1, "there is no", "did you mean 'after.0.run'?"),
        (
            "of ${run}",
            AFTER_BOTH.model_copy(update={"otherwise": "fire"}),
            4,
            "may be missing",
            "then it is null",
        ),
    ],
)
def test_a_mistake_in_a_template_is_found(
    text: str, spec: ScheduleSpec, column: int, message: str, remedy: str
) -> None:
    (problem,) = template_problems({"a": [text]}, spec)
    assert (problem.path, problem.column) == (("a", 0), column)
    assert message in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize("text", ["${run}", "${file}", "${after.0.status}", "${after.1.file}"])
def test_names_of_what_a_schedule_waits_for_are_known(text: str) -> None:
    assert template_problems(text, AFTER_BOTH) == []


@given(st.text(alphabet="${}planed.:%Y-1drun ", max_size=30))
def test_a_text_without_a_problem_can_be_rendered(text: str) -> None:
    if not template_problems(text, NIGHTLY):
        render(text, values())


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(alphabet="ab$ {}"),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_data_without_templates_stay_as_they_are(data: Any) -> None:
    if "${" not in str(data):
        assert render(data, values()) == data
