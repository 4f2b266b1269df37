"""Is what people are told of a schedule what its version, its documents and its row say?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from farandole.events.control_documents import ControlDocument
from farandole.events.controls_in_force import TimedDocument
from farandole.events.schedule_document import BackfillDocument, FireDocument, ScheduleDocument
from farandole.events.schedule_row import BackfillRow, OrderRow, order_key
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.topology_version import Version
from farandole.operations.errors import InvalidRequestError
from farandole.operations.schedules.planned_view import next_firings
from farandole.operations.schedules.schedule_state import ScheduleScope, ScheduleState
from farandole.operations.schedules.schedule_table import decode_schedule_rows
from farandole.operations.schedules.time_input import both_times, parse_planned_time
from tests.catalog.made import version as made_version
from tests.cli.scheduled import RUN, fired, schedule_row

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NIGHTLY = ScheduleSpec(triggers="a", cron="30 2 * * *", zone="Europe/Paris")
NAMED: dict[str, Any] = {"pipeline": "p", "schedule": "nightly"}
BACKFILL = {**NAMED, "id": "7f3b", "from": NOW - 4 * DAY, "to": NOW}


def version(spec: ScheduleSpec = NIGHTLY, **others: ScheduleSpec) -> Version:
    return made_version(1).model_copy(update={"schedules": {"nightly": spec, **others}})


def state(
    *documents: ControlDocument,
    rows: dict[bytes, bytes] | None = None,
    spec: ScheduleSpec = NIGHTLY,
    statuses: dict[str, str] | None = None,
) -> ScheduleState:
    timed = [TimedDocument(each, NOW - HOUR, n) for n, each in enumerate(documents)]
    table = decode_schedule_rows(rows or {})
    scope = ScheduleScope(table, timed, {}, statuses or {}, NOW, {}, Path())
    return scope.state(version(spec), "nightly")


def backfill_row(**more: Any) -> BackfillRow:
    fields = {**NAMED, "id": "7f3b", "next": NOW - DAY, "end": NOW}
    return BackfillRow.model_validate({**fields, **more})


def written(*rows: Any) -> dict[bytes, bytes]:
    return {row.key: row.model_dump_json().encode() for row in rows}


def test_the_next_firings_stand_in_both_time_zones_and_with_their_jitter() -> None:
    found = state(spec=NIGHTLY.model_copy(update={"jitter": 600.0})).next
    assert [each.local for each in found[:2]] == [
        "2026-11-25T02:30:00+01:00", "2026-11-26T02:30:00+01:00"
    ]  # fmt: skip
    assert len(found) == 5
    assert found[0].planned == datetime(2026, 11, 25, 1, 30, tzinfo=UTC)
    assert all(timedelta(0) <= each.fires - each.planned < timedelta(minutes=10) for each in found)


def test_excluded_days_are_not_among_the_next_firings() -> None:
    spec = ScheduleSpec.model_validate(
        {**NIGHTLY.model_dump(), "exclude": [{"weekdays": [*range(5)]}]}
    )
    days = [each.planned.astimezone(UTC).weekday() for each in state(spec=spec).next]
    assert set(days) == {5, 6}
    never = ScheduleSpec.model_validate(
        {**NIGHTLY.model_dump(), "exclude": [{"weekdays": [*range(7)]}]}
    )
    assert next_firings(version(never), "nightly", NOW, 5) == []


def test_a_paused_schedule_fires_next_after_its_pause() -> None:
    until = NOW + 10 * DAY
    found = state(ScheduleDocument(**NAMED, paused=True, until=until, by="ann"))
    assert found.paused is not None
    assert (found.paused.by, found.paused.by_file) == ("ann", False)
    assert found.next[0].planned > until
    by_file = state(spec=NIGHTLY.model_copy(update={"paused": True}))
    assert by_file.paused is not None
    assert by_file.paused.by_file
    assert by_file.next[0].planned < NOW + DAY


def test_what_this_machine_does_not_know_is_said() -> None:
    found = state(spec=NIGHTLY.model_copy(update={"zone": "Mars/Base"}))
    assert found.next == []
    assert found.problem is not None
    assert "Mars/Base" in found.problem


def test_a_planned_time_that_nobody_has_noted_is_late_unless_it_is_paused() -> None:
    come = NOW - timedelta(seconds=30)
    rows = written(schedule_row(pipeline="p", next=come, due=come))
    assert state(rows=rows).late == come
    assert state(ScheduleDocument(**NAMED, paused=True), rows=rows).late is None
    to_come = written(schedule_row(pipeline="p", next=NOW + HOUR, due=NOW - HOUR))
    assert state(rows=to_come).late is None


def test_a_run_has_the_status_that_the_books_have() -> None:
    rows = written(schedule_row(pipeline="p", last=fired(status="running"), runs=[fired(run=None)]))
    found = state(rows=rows, statuses={RUN: "failed"})
    assert found.last is not None
    assert found.last.status == "failed"
    assert [each.run for each in found.running] == [None]


@pytest.mark.parametrize(("status", "running"), [("running", [RUN]), ("completed", [])])
def test_a_run_that_has_ended_in_the_books_is_not_running(status: str, running: list[str]) -> None:
    """The scheduler may not have read so far."""
    row = schedule_row(pipeline="p", runs=[fired(state="running", status="running")])
    backfill = backfill_row(runs=[fired(state="running", status="running")])
    found = state(rows=written(row, backfill), statuses={RUN: status})
    assert [each.run for each in found.running] == running
    assert [each.run for each in found.backfills[0].runs] == running


def test_an_order_is_shown_until_it_is_executed() -> None:
    order = FireDocument(**NAMED, id="1", planned=NOW, by="ann")

    def orders(row: OrderRow | None) -> list[str]:
        rows = {} if row is None else {order_key(order.key): row.model_dump_json().encode()}
        return [each.refused for each in state(order, rows=rows).orders]

    assert orders(None) == [""]
    assert orders(OrderRow(id="1", at=NOW)) == []
    assert orders(OrderRow(id="1", at=NOW, refused="no")) == ["no"]
    assert orders(OrderRow(id="of another order", at=NOW)) == [""]


def test_a_backfill_is_known_by_its_document_and_then_by_its_row() -> None:
    document = BackfillDocument.model_validate({**BACKFILL, "by": "ann", "max_parallel": 2})
    (ordered,) = state(document).backfills
    assert (ordered.start, ordered.left, ordered.fired) == (NOW - 4 * DAY, 4, 0)
    row = backfill_row(fired=3, runs=[fired()], by="ann")
    (begun,) = state(document, rows=written(row)).backfills
    assert (begun.left, begun.fired, len(begun.runs), begun.cancelled) == (1, 3, 1, False)
    (cancelled,) = state(rows=written(row)).backfills
    assert (cancelled.cancelled, cancelled.start) == (True, None)
    (over,) = state(document, rows=written(backfill_row(next=None, ended=NOW))).backfills
    assert (over.left, over.ended, over.cancelled) == (0, NOW, False)


def test_the_scheduler_may_refuse_a_backfill() -> None:
    document = BackfillDocument.model_validate(BACKFILL)
    refused = BackfillRow(
        pipeline=document.pipeline,
        schedule=document.schedule,
        id=document.id,
        next=document.start,
        end=document.end,
        ended=NOW,
        why="no",
    )
    (found,) = state(document, rows=written(refused)).backfills
    assert (found.why, found.ended) == ("no", NOW)


def test_a_row_that_no_scheduler_wrote_is_skipped() -> None:
    table = decode_schedule_rows({b"schedule/p/nightly": b"{}", **written(schedule_row())})
    assert [*table.schedules] == [("order-lines", "nightly")]


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-24T02:30", "2026-11-24 02:30:00 Europe/Paris (2026-11-24 01:30:00 UTC)"),
        ("2026-11-24T02:30Z", "2026-11-24 03:30:00 Europe/Paris (2026-11-24 02:30:00 UTC)"),
        ("2026-11-24", "2026-11-24 00:00:00 Europe/Paris (2026-11-23 23:00:00 UTC)"),
        # In the gap: its end. In the overlap: the first.
        ("2026-03-29T02:30", "2026-03-29 03:00:00 Europe/Paris (2026-03-29 01:00:00 UTC)"),
        ("2026-10-25T02:30", "2026-10-25 02:30:00 Europe/Paris (2026-10-25 00:30:00 UTC)"),
    ],
)
def test_a_time_without_an_offset_is_one_of_the_zone(text: str, time: str) -> None:
    assert both_times(NIGHTLY, parse_planned_time(text, NIGHTLY)) == time


@pytest.mark.parametrize("text", ["soon", "", "2026-02-30", "24.12.2026", "02:30"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="is no time; write 2026-11-24T02:30"):
        parse_planned_time(text, NIGHTLY)
