"""Are control documents parsed, and do they apply until they expire or are replaced?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    pause_in_force,
)

T = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def timed(*controls: ControlDocument) -> list[TimedDocument]:
    return [
        TimedDocument(control, T + n * timedelta(seconds=1)) for n, control in enumerate(controls)
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
    more = [*asked, TimedDocument(CancelDocument(run="one more"), T)]
    cancelled = cancelled_runs(more, T)
    assert len(cancelled) == MAX_CANCELLED_RUNS
    assert ("0" in cancelled, "1" in cancelled, "2" in cancelled) == (True, False, True)


def test_the_newest_document_about_a_stage_applies() -> None:
    one, whole = PauseDocument(pipeline="p", stage="s"), PauseDocument(pipeline="p")
    assert pause_in_force(timed(one), "p", "s", T) == TimedDocument(one, T)
    assert pause_in_force(timed(one), "p", "other", T) is None
    assert pause_in_force(timed(one), "other", "s", T) is None
    assert pause_in_force(timed(whole), "p", "other", T) is not None
    assert pause_in_force(timed(one, ResumeDocument(pipeline="p", stage="s")), "p", "s", T) is None
    assert pause_in_force(timed(one, ResumeDocument(pipeline="p")), "p", "s", T) is None
    assert (
        pause_in_force(timed(whole, ResumeDocument(pipeline="p", stage="s")), "p", "s", T) is None
    )
    assert (
        pause_in_force(timed(whole, ResumeDocument(pipeline="p", stage="s")), "p", "other", T)
        is not None
    )


def test_after_an_expired_pause_the_document_of_the_pipeline_applies() -> None:
    for_ever = PauseDocument(pipeline="p", stage="s")
    for_an_hour = PauseDocument(pipeline="p", stage="s", until=T + HOUR)
    whole, now = PauseDocument(pipeline="p"), T + 2 * HOUR
    assert pause_in_force(timed(for_an_hour), "p", "s", now) is None
    assert pause_in_force(timed(whole, for_an_hour), "p", "s", now) == TimedDocument(whole, T)
    assert pause_in_force(timed(for_ever, for_an_hour), "p", "s", now) is None


GATES = st.builds(
    lambda kind, stage, hours: kind(
        pipeline="p", stage=stage, until=None if hours is None else T + hours * HOUR
    ),
    st.sampled_from([PauseDocument, ResumeDocument]),
    st.sampled_from(["", "s", "other"]),
    st.none() | st.integers(0, 3),
)


@given(st.lists(GATES, max_size=12), st.integers(0, 3))
def test_a_document_that_compaction_removes_would_not_have_applied(
    gates: list[ControlDocument], hours: int
) -> None:
    kept = [g for n, g in enumerate(gates) if g.key not in {m.key for m in gates[n + 1 :]}]
    now = T + hours * HOUR
    before, after = (
        pause_in_force(timed(*gates), "p", "s", now),
        pause_in_force(timed(*kept), "p", "s", now),
    )
    assert (before and before.control) == (after and after.control)
