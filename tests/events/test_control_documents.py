"""Are control documents parsed, and do they apply until they expire or are replaced?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from farandole.events.control_documents import (
    AcknowledgeDocument,
    CancelDocument,
    ControlDocument,
    MuteDocument,
    PauseDocument,
    ResumeDocument,
    parse_control,
    parse_control_or_none,
    serialize_control,
)
from farandole.events.controls_in_force import (
    CANCELLATION_LIFETIME,
    MAX_CANCELLED_RUNS,
    TimedDocument,
    cancelled_runs,
)

T = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def timed(*controls: ControlDocument) -> list[TimedDocument]:
    return [
        TimedDocument(control, T + n * timedelta(seconds=1), n)
        for n, control in enumerate(controls)
    ]


def test_a_document_that_a_person_types_is_parsed() -> None:
    assert parse_control(b'{"do": "cancel", "run": "abc"}') == CancelDocument(run="abc")
    assert parse_control(b'{"do": "pause", "pipeline": "p", "stage": "s"}') == PauseDocument(
        pipeline="p", stage="s"
    )
    assert parse_control(b'{"do": "resume", "pipeline": "p", "of": 1}') == ResumeDocument(
        pipeline="p"
    )
    until = parse_control(b'{"do": "pause", "pipeline": "p", "until": "2026-11-24T13:00:00Z"}')
    assert until == PauseDocument(pipeline="p", until=T + HOUR)


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b'{"do": "dance"}', b'{"do": "cancel"}', b'{"do": "pause", "stage": "s"}',
     b'{"do": "pause", "pipeline": "p", "until": "2026-11-24T13:00:00"}', b"\xff"],
)  # fmt: skip
def test_an_unknown_document_is_ignored(value: bytes) -> None:
    assert parse_control_or_none(value) is None


@pytest.mark.parametrize(
    "control",
    [CancelDocument(run="r", until=T, by="me"), PauseDocument(pipeline="p", by="me"),
     ResumeDocument(pipeline="p", stage="s"), AcknowledgeDocument(incident="i"),
     MuteDocument(stage="s", until=T)],
)  # fmt: skip
def test_what_is_written_is_read(control: ControlDocument) -> None:
    assert parse_control(serialize_control(control)) == control
    assert (
        json.loads(serialize_control(control))["do"]
        == type(control).__name__.removesuffix("Document").lower()
    )


def test_a_resume_takes_the_place_of_the_pause() -> None:
    assert PauseDocument(pipeline="p", stage="s").key == ResumeDocument(pipeline="p", stage="s").key
    assert (
        PauseDocument(pipeline="p").key
        == ResumeDocument(pipeline="p").key
        != PauseDocument(pipeline="p", stage="s").key
    )


def test_a_run_is_cancelled_for_seven_days_or_until_the_given_time() -> None:
    asked = timed(CancelDocument(run="a"), CancelDocument(run="b", until=T + HOUR))
    assert set(cancelled_runs(asked, T)) == {"a", "b"}
    assert set(cancelled_runs(asked, T + HOUR)) == {"a"}
    assert set(cancelled_runs(asked, T + CANCELLATION_LIFETIME - HOUR)) == {"a"}
    assert not cancelled_runs(asked, T + CANCELLATION_LIFETIME)


def test_of_too_many_cancelled_runs_the_oldest_are_forgotten() -> None:
    asked = timed(
        *(CancelDocument(run=str(n)) for n in range(MAX_CANCELLED_RUNS)), CancelDocument(run="0")
    )
    more = [*asked, TimedDocument(CancelDocument(run="one more"), T, len(asked))]
    cancelled = cancelled_runs(more, T)
    assert len(cancelled) == MAX_CANCELLED_RUNS
    assert ("0" in cancelled, "1" in cancelled, "2" in cancelled) == (True, False, True)
