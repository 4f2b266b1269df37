"""How are schedules written for people?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from farandole.cli.rendering.schedule_text import times_text, until_text
from farandole.cli.rendering.schedules_view import history_lines, schedules_lines
from farandole.cli.rendering.status_view import schedules_line
from farandole.cli.rendering.tables import Alarm
from farandole.events.next_step import plain_command_line
from farandole.events.schedule_row import Arrival, Decision, WaitingTime
from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.operations.schedules.list_schedules import SchedulesResult
from farandole.operations.schedules.planned_view import planned_view
from farandole.operations.schedules.schedule_state import (
    BackfillState,
    OrderState,
    OverdueState,
    SchedulePauseState,
    ScheduleState,
)
from farandole.operations.schedules.show_schedule import PastFiring
from farandole.operations.status.schedule_summary import ScheduleSummary
from tests.cli.scheduled import RUN, fired, firing

NOW = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
DAY = timedelta(days=1)
SPEC = ScheduleSpec(triggers="feed.requested", cron="30 2 * * *", zone="Europe/Paris")
PAUSE = SchedulePauseState(
    by_file=False, pipeline=False, since=NOW, until=None, by="a\x1bnn", comment="no\ndisk",
    generation=3,
)  # fmt: skip


def state(**more: Any) -> ScheduleState:
    fields = {
        "pipeline": "p", "schedule": "nightly", "version": "p@1", "spec": SPEC, "paused": None,
        "next": [planned_view("p", "nightly", SPEC, NOW + n * DAY) for n in (1, 2)],
        "problem": None, "overdue": None, "late": None, "decided": None, "last": None,
        "running": [], "waiting": [], "arrivals": {}, "orders": [], "backfills": [], "unseen": [],
    }  # fmt: skip
    return ScheduleState.model_validate({**fields, **more})


def lines(*states: ScheduleState, schedulers: int = 1) -> list[str]:
    result = SchedulesResult(schedules=[*states], schedulers=schedulers, unfit=[])
    return [*schedules_lines(result, plain_command_line)]


def test_a_schedule_says_when_it_fires_next_in_its_zone_and_in_utc() -> None:
    assert lines(state()) == [
        "p@1:",
        "nightly: 30 2 * * * in Europe/Paris; triggers feed.requested",
        "  next: 2026-11-25 02:30, 11-26 02:30 Europe/Paris (2026-11-25 01:30 UTC)",
    ]
    assert lines(state(next=[]))[2] == "  next: never, its last planned time is over"


def test_everything_that_keeps_it_from_firing_is_one_line_with_the_reason() -> None:
    (backfill,) = [
        BackfillState(
            id="7f3b", by="ann", start=NOW - DAY, end=NOW, max_parallel=1, missing=False,
            next=NOW, fired=1_500, passed=2, left=None, runs=[fired()], ended=None,
            cancelled=False, why="the books lag",
        )
    ]  # fmt: skip
    order: dict[str, Any] = {"id": "1", "planned": NOW, "by": "ann", "at": NOW}
    found = lines(
        state(
            paused=PAUSE,
            overdue=OverdueState(since=NOW, what="`nightly` has not fired"),
            decided=Decision(planned=NOW, outcome="skipped", reason="run x\nhad not ended", at=NOW),
            last=fired(NOW, status="failed"),
            waiting=[
                WaitingTime(planned=NOW, due=NOW, why=f"run {RUN} has not ended"),
                WaitingTime(planned=NOW + DAY, due=NOW + DAY),
            ],
            orders=[OrderState(**order, refused=""), OrderState(**order, refused="no data")],
            backfills=[backfill],
        )
    )[2:]
    assert found == [
        '  paused by a\\x1bnn ("no disk") since 2026-11-24 01:30:00 UTC; let it go on:'
        " farandole schedules resume nightly",
        "  overdue: `nightly` has not fired",
        "  if it went on: 2026-11-25 02:30, 11-26 02:30 Europe/Paris (2026-11-25 01:30 UTC)",
        "  last planned time: 2026-11-24 01:30:00 UTC was skipped: run x had not ended",
        f"  last fired: run {RUN} of 2026-11-24 01:30:00 UTC: failed",
        f"  2026-11-24 01:30:00 UTC (and 1 later one) waits: run {RUN} has not ended",
        "  the order 1 by ann to fire for 2026-11-24 01:30:00 UTC waits for a scheduler",
        "  the order 1 by ann to fire for 2026-11-24 01:30:00 UTC is refused: no data",
        "  backfill 7f3b by ann from 2026-11-23 01:30:00 UTC to 2026-11-24 01:30:00 UTC:"
        " 1\u202f500 fired, 2 left out, more to look at, 1 run not ended: the books lag",
    ]
    assert [each[:14] for each in found if isinstance(each, Alarm)] == [
        "  overdue: `ni", "  last fired: ", "  the order 1 ",
    ]  # fmt: skip


def test_a_planned_time_on_which_nobody_has_decided_is_named() -> None:
    line = lines(state(late=NOW))[2]
    assert line == (
        "  late: 2026-11-24 01:30:00 UTC has come, and no scheduler has decided on it yet"
    )
    overdue = OverdueState(since=NOW, what="`nightly` has not fired")
    assert "  late" not in "\n".join(lines(state(late=NOW, overdue=overdue)))


def test_without_a_scheduler_the_command_that_runs_one_is_named() -> None:
    assert lines(state(), schedulers=0)[0] == (
        "no scheduler is at work, so nothing fires: farandole keep-time"
    )
    assert lines(schedulers=0) == [
        "no version has schedules; add `schedules:` to the file and apply it"
    ]


def test_where_several_pipelines_have_schedules_commands_name_theirs() -> None:
    found = lines(state(), state(pipeline="q", version="q@2", paused=PAUSE))
    assert "farandole schedules resume nightly --pipeline q" in "\n".join(found)


def test_what_lets_a_schedule_fire_is_written_as_in_a_plan() -> None:
    after = DependencySpec(pipeline="orders", event="feed.requested", status=("failed",))
    spec = ScheduleSpec(triggers="a", every=900.0, after=(after,))
    assert lines(state(spec=spec))[1] == (
        "nightly: every 15m after orders feed.requested failed; triggers a"
    )
    many = ScheduleSpec(triggers="a", at=tuple(f"2026-12-{n:02}" for n in range(1, 31)))
    assert len(lines(state(spec=many))[1]) < 300


def test_what_has_not_come_is_named_once_something_has() -> None:
    after = tuple(DependencySpec(pipeline=name, status=("failed",)) for name in ("a", "b"))
    spec = ScheduleSpec(triggers="a", after=after)
    assert len(lines(state(spec=spec, next=[]))) == 2
    came = {"0": [Arrival(at=NOW, cause=RUN)], "1": []}
    assert lines(state(spec=spec, next=[], arrivals=came))[2] == (
        "  of what it depends on b failed has not come yet"
    )


def test_what_it_waits_for_and_was_never_there_is_said() -> None:
    spec = ScheduleSpec(triggers="a", after=(DependencySpec(pipeline="depoot"),))
    line = lines(state(spec=spec, next=[], unseen=["it waits for runs of 'depoot'"]))[2]
    assert line == "  it waits for runs of 'depoot'"
    assert isinstance(line, Alarm)


def test_a_day_and_a_year_are_named_once() -> None:
    times = [NOW, NOW + timedelta(minutes=1), NOW + DAY, NOW + 60 * DAY]
    assert times_text(times) == "2026-11-24 01:30, 01:31, 11-25 01:30, 2027-01-23 01:30"


def test_all_times_have_seconds_or_none_has() -> None:
    times = [NOW, NOW + timedelta(seconds=20)]
    assert times_text(times) == "2026-11-24 01:30:00, 01:30:20"


def test_the_history_has_the_local_time_where_that_is_another_and_the_reason_below() -> None:
    made = firing(NOW, run=RUN, by="ann", reason="late: x").model_dump()
    past = PastFiring(**made, local="2026-11-24T02:30:00+01:00", status="completed")
    head, line, why = history_lines([past], "Europe/Paris")
    assert head.split("  ")[0] == "planned (Europe/Paris)"
    assert line.split() == ["2026-11-24", "02:30:00", "01:30:00", "fired", RUN, "completed"]
    assert why == "  by ann: late: x"
    assert history_lines([past], "UTC")[1].split()[2] == "fired"
    assert history_lines([], "UTC") == []


def test_a_time_of_another_day_in_utc_has_that_day() -> None:
    made = firing(datetime(2026, 11, 24, 23, 30, tzinfo=UTC)).model_dump()
    past = PastFiring(**made, local="2026-11-25T00:30:00+01:00", status="")
    assert history_lines([past], "Europe/Paris")[1].split()[2:4] == ["11-24", "23:30:00"]


def test_a_history_fits_into_80_columns() -> None:
    made = firing(NOW, run=RUN, reason="x " * 40).model_dump()
    past = PastFiring(**made, local="2026-11-24T02:30:00+01:00", status="completed")
    assert max(map(len, history_lines([past], "Europe/Paris")[:2])) <= 80


def test_status_has_one_line_about_schedules() -> None:
    summary = ScheduleSummary(schedules=9, paused={}, overdue=[], schedulers=1)
    assert schedules_line(summary, plain_command_line) == "9 schedules: farandole schedules"
    late = summary.model_copy(
        update={"overdue": ["a", "b", "c", "d"], "paused": {"e": PAUSE}, "schedulers": 0}
    )
    text = schedules_line(late, plain_command_line)
    assert text == (
        "9 schedules, 1 paused, overdue: a, b, c and 1 more, no scheduler is at work:"
        " farandole schedules"
    )
    assert isinstance(text, Alarm)


def test_the_end_of_a_pause_is_also_said_in_the_zone_of_its_schedule() -> None:
    assert until_text(None, None) == ""
    assert until_text(NOW, "2026-11-24T01:30:00+00:00") == " until 2026-11-24 01:30:00 UTC"
    assert until_text(NOW, "2026-11-24T02:30:00+01:00") == (
        " until 2026-11-24 01:30:00 UTC (2026-11-24 02:30:00+01:00 in its zone)"
    )
