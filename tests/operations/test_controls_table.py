"""What is in force, and how much waits for a stage on hold?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from farandole.events.controls_in_force import TimedDocument
from farandole.events.release_document import ReleaseDocument
from farandole.operations.control.controls_table import (
    ControlDone,
    release_rows,
    waiting_by_books,
)
from tests.operations.personal_lines import version


def test_events_that_wait_are_counted_by_the_books() -> None:
    made = version()
    stage, spec = next(iter(made.stages.items()))
    books: dict[str, int | None] = {f"{event}>{stage}": 8 for event in spec.subscribes}
    assert waiting_by_books(made, books) == {stage: ControlDone(in_flight=8)}


def test_of_roots_and_without_books_nothing_is_known() -> None:
    made = version()
    stage, spec = next(iter(made.stages.items()))
    roots: dict[str, int | None] = {f"{event}>{stage}": None for event in spec.subscribes}
    assert waiting_by_books(made, roots) == waiting_by_books(made, None) == {}


def test_runs_that_were_let_into_gates_are_in_force_until_their_time_is_over() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    let_in = [
        TimedDocument(
            ReleaseDocument(
                pipeline=pipeline, stage=stage, run=f"run{number}", by="ann", comment="checked",
                until=now + timedelta(hours=hours),
            ),
            at=now,
            generation=number,
        )
        for number, (pipeline, stage, hours) in enumerate(
            [("p", "load", 1), ("p", "", 1), ("q", "load", 1), ("p", "load", -1)]
        )
    ]  # fmt: skip
    assert [
        (row.mode, row.target, row.value, row.by, row.comment)
        for row in release_rows(let_in, "p", now)
    ] == [("release", "run0", "load", "ann", "checked"), ("release", "run1", "", "ann", "checked")]
