"""Do the documents that a person writes mean what they say, for as long as they say it?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.control import (
    CANCELLED_FOR,
    MOST_CANCELLED,
    Acknowledge,
    Cancel,
    Control,
    Mute,
    Pause,
    Resume,
    Said,
    cancelled,
    paused,
    read,
    understood,
    written,
)

T = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def said(*controls: Control) -> list[Said]:
    return [Said(control, T + n * timedelta(seconds=1)) for n, control in enumerate(controls)]


def test_what_a_person_types_is_read() -> None:
    assert read(b'{"do": "cancel", "run": "abc"}') == Cancel(run="abc")
    assert read(b'{"do": "pause", "pipeline": "p", "stage": "s"}') == Pause(pipeline="p", stage="s")
    assert read(b'{"do": "resume", "pipeline": "p", "of": 1}') == Resume(pipeline="p")
    until = read(b'{"do": "pause", "pipeline": "p", "until": "2026-11-24T13:00:00Z"}')
    assert until == Pause(pipeline="p", until=T + HOUR)


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b'{"do": "dance"}', b'{"do": "cancel"}', b'{"do": "pause", "stage": "s"}',
     b'{"do": "pause", "pipeline": "p", "until": "2026-11-24T13:00:00"}', b"\xff"],
)  # fmt: skip
def test_what_asks_for_nothing_of_ours_is_passed_over(value: bytes) -> None:
    assert understood(value) is None


@pytest.mark.parametrize(
    "control",
    [Cancel(run="r", until=T, by="me"), Pause(pipeline="p", by="me"),
     Resume(pipeline="p", stage="s"), Acknowledge(incident="i"), Mute(stage="s", until=T)],
)  # fmt: skip
def test_what_is_written_is_read(control: Control) -> None:
    assert read(written(control)) == control
    assert json.loads(written(control))["do"] == type(control).__name__.lower()


def test_a_resume_takes_the_place_of_the_pause() -> None:
    assert Pause(pipeline="p", stage="s").key == Resume(pipeline="p", stage="s").key
    assert Pause(pipeline="p").key == Resume(pipeline="p").key != Pause(pipeline="p", stage="s").key


def test_a_run_is_cancelled_for_seven_days_or_as_long_as_it_is_said() -> None:
    asked = said(Cancel(run="a"), Cancel(run="b", until=T + HOUR))
    assert set(cancelled(asked, T)) == {"a", "b"}
    assert set(cancelled(asked, T + HOUR)) == {"a"}
    assert set(cancelled(asked, T + CANCELLED_FOR - HOUR)) == {"a"}
    assert not cancelled(asked, T + CANCELLED_FOR)


def test_of_too_many_cancelled_runs_the_oldest_are_forgotten() -> None:
    asked = said(*(Cancel(run=str(n)) for n in range(MOST_CANCELLED)), Cancel(run="0"))
    more = [*asked, Said(Cancel(run="one more"), T)]
    held = cancelled(more, T)
    assert len(held) == MOST_CANCELLED
    assert ("0" in held, "1" in held, "2" in held) == (True, False, True)


def test_the_newest_that_speaks_of_a_stage_holds() -> None:
    one, whole = Pause(pipeline="p", stage="s"), Pause(pipeline="p")
    assert paused(said(one), "p", "s", T) == Said(one, T)
    assert paused(said(one), "p", "other", T) is None
    assert paused(said(one), "other", "s", T) is None
    assert paused(said(whole), "p", "other", T) is not None
    assert paused(said(one, Resume(pipeline="p", stage="s")), "p", "s", T) is None
    assert paused(said(one, Resume(pipeline="p")), "p", "s", T) is None
    assert paused(said(whole, Resume(pipeline="p", stage="s")), "p", "s", T) is None
    assert paused(said(whole, Resume(pipeline="p", stage="s")), "p", "other", T) is not None


def test_a_pause_that_has_expired_uncovers_what_was_said_of_the_whole() -> None:
    for_ever = Pause(pipeline="p", stage="s")
    for_an_hour = Pause(pipeline="p", stage="s", until=T + HOUR)
    whole, now = Pause(pipeline="p"), T + 2 * HOUR
    assert paused(said(for_an_hour), "p", "s", now) is None
    assert paused(said(whole, for_an_hour), "p", "s", now) == Said(whole, T)
    assert paused(said(for_ever, for_an_hour), "p", "s", now) is None


GATES = st.builds(
    lambda kind, stage, hours: kind(
        pipeline="p", stage=stage, until=None if hours is None else T + hours * HOUR
    ),
    st.sampled_from([Pause, Resume]),
    st.sampled_from(["", "s", "other"]),
    st.none() | st.integers(0, 3),
)


@given(st.lists(GATES, max_size=12), st.integers(0, 3))
def test_what_compaction_takes_away_would_not_have_held(gates: list[Control], hours: int) -> None:
    kept = [g for n, g in enumerate(gates) if g.key not in {m.key for m in gates[n + 1 :]}]
    now = T + hours * HOUR
    before, after = paused(said(*gates), "p", "s", now), paused(said(*kept), "p", "s", now)
    assert (before and before.control) == (after and after.control)
