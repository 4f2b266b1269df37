"""Are switches parsed strictly, and which mode does a stage have?"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from farandole.events.control_documents import (
    CancelDocument,
    ControlDocument,
    PauseDocument,
    ResumeDocument,
    parse_control,
    serialize_control,
)
from farandole.events.controls_in_force import (
    ON,
    TimedDocument,
    end_of_switch,
    hold_ended_at,
    next_expiry,
    stage_mode,
)
from farandole.events.row_format import NewerFormatError
from farandole.events.switch_document import EndSwitchDocument, SwitchDocument

T = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
RUN = "stages.shop.price2:price"


def parsed(**fields: Any) -> ControlDocument:
    return parse_control(json.dumps({"do": "switch", "pipeline": "p", **fields}).encode())


def switch(mode: Any, stage: str = "s", **fields: Any) -> SwitchDocument:
    return SwitchDocument(pipeline="p", stage=stage, mode=mode, **fields)


def canary(**fields: Any) -> SwitchDocument:
    return switch("canary", run=RUN, share=0.1, **fields)


def end_of(generation: int, stage: str = "s") -> EndSwitchDocument:
    return EndSwitchDocument(pipeline="p", stage=stage, generation=generation, why="died")


def timed(*controls: ControlDocument) -> list[TimedDocument]:
    """Each a second after the one before."""
    return [TimedDocument(control, T + n * SECOND, n) for n, control in enumerate(controls)]


def mode(*controls: ControlDocument, stage: str = "s", now: datetime = T + HOUR) -> str:
    return stage_mode(timed(*controls), "p", stage, now).mode


# -- parsing


def test_what_a_person_writes_is_parsed() -> None:
    assert parsed(stage="s", mode="hold", comment="the disk") == switch("hold", comment="the disk")
    assert parsed(mode="on") == switch("on", stage="")
    assert parsed(stage="s", mode="shadow", run=RUN) == switch("shadow", run=RUN)
    found = parsed(stage="s", mode="canary", run=RUN, share="10%", until="2026-11-24T13:00:00Z")
    assert found == canary(until=T + HOUR)
    assert parse_control(b'{"do": "end-switch", "pipeline": "p", "stage": "s", "generation": 7,'
                         b' "why": "died", "format": 1}') == end_of(7)  # fmt: skip


@pytest.mark.parametrize("share", ["10%", " 10 % ", 0.1])
def test_a_share_is_a_number_or_a_percentage(share: object) -> None:
    found = parsed(stage="s", mode="canary", run=RUN, share=share)
    assert isinstance(found, SwitchDocument)
    assert found.share == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"mode": "hold", "untl": "2026-11-24T13:00:00Z"}, "untl"),
        ({"mode": "of"}, "mode"),
        ({}, "mode"),
        ({"mode": "hold", "pipeline": ""}, "pipeline"),
        ({"mode": "hold", "until": "2026-11-24T13:00:00"}, "timezone"),
        ({"mode": "bypass"}, "needs a stage"),
        ({"mode": "canary", "run": RUN, "share": 0.5}, "needs a stage"),
        ({"mode": "on", "stage": "s", "run": RUN}, "has no run"),
        ({"mode": "hold", "stage": "s", "share": 0.5}, "has no run"),
        ({"mode": "bypass", "stage": "s", "allow_effects": True}, "has no run"),
        ({"mode": "shadow", "stage": "s"}, "needs run"),
        ({"mode": "shadow", "stage": "s", "run": "price2"}, "run"),
        ({"mode": "shadow", "stage": "s", "run": "a b:c"}, "run"),
        ({"mode": "shadow", "stage": "s", "run": RUN, "allow_effects": "yes"}, "allow_effects"),
        ({"mode": "canary", "stage": "s", "run": RUN}, "needs a share"),
    ],
)  # fmt: skip
def test_a_switch_that_is_wrong_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        parsed(**fields)


@pytest.mark.parametrize(
    "share", [0, 10, 1.01, -0.1, "10", "ten%", "%", "nan%", "1e999%", "0%", True, []]
)
def test_what_is_no_share_is_refused(share: object) -> None:
    with pytest.raises(ValidationError, match="share"):
        parsed(mode="canary", stage="s", run=RUN, share=share)


@pytest.mark.parametrize("generation", [-1, True, "7", 7.5, None])
def test_an_end_names_a_generation(generation: object) -> None:
    with pytest.raises(ValidationError, match="generation"):
        parsed(do="end-switch", stage="s", generation=generation)


def test_a_switch_of_a_newer_format_is_refused_as_such() -> None:
    with pytest.raises(NewerFormatError):
        parsed(mode="on", format=2)


@pytest.mark.parametrize("control", [canary(until=T, by="ann", comment="try"), end_of(3)])
def test_what_is_written_is_read(control: ControlDocument) -> None:
    assert parse_control(serialize_control(control)) == control


# -- which is in force


def test_pause_and_resume_mean_hold_and_on() -> None:
    pause, resume = PauseDocument(pipeline="p", stage="s"), ResumeDocument(pipeline="p", stage="s")
    assert mode(pause) == mode(switch("hold")) == "hold"
    assert mode(pause, switch("on")) == mode(switch("hold"), resume) == "on"
    assert mode(switch("on"), pause) == "hold"
    assert mode(pause, stage="other") == "on"
    assert stage_mode(timed(pause), "other", "s", T).mode == "on"


def test_the_newer_of_stage_and_pipeline_decides_whether_it_is_held() -> None:
    all_held, all_on = switch("hold", stage=""), switch("on", stage="")
    assert mode(all_held) == "hold"
    assert mode(all_held, switch("on")) == "on"
    assert mode(all_held, switch("on"), stage="other") == "hold"
    assert mode(switch("hold"), all_on) == "on"
    assert mode(all_held, canary()) == "canary"
    assert mode(canary(), all_held) == "hold"


def test_a_pipeline_that_is_held_and_let_on_again_keeps_its_canary() -> None:
    assert mode(canary(), switch("hold", stage=""), switch("on", stage="")) == "canary"
    assert mode(canary(), switch("hold"), switch("on", stage="")) == "on"


def test_an_expired_document_is_as_if_it_were_not_there() -> None:
    held = switch("hold", until=T + HOUR)
    assert mode(held, now=T + HOUR - SECOND) == "hold"
    assert mode(held, now=T + HOUR) == "on"
    assert mode(switch("hold", stage=""), switch("on", until=T + HOUR)) == "hold"
    assert mode(canary(), held) == "on"


def test_an_ended_switch_is_as_if_it_were_not_there() -> None:
    assert mode(canary(), end_of(0)) == "on"
    assert mode(switch("hold"), canary(), end_of(1)) == "on"
    assert mode(switch("hold", stage=""), canary(), end_of(1)) == "hold"
    assert end_of_switch(timed(canary())[0], timed(canary(), end_of(0))) is not None


def test_an_end_concerns_one_switch_of_one_stage() -> None:
    assert mode(canary(), end_of(0, stage="other")) == "canary"
    assert mode(canary(), end_of(0), canary()) == "canary"
    # Nobody can end a switch that was not written yet.
    assert mode(end_of(1), canary()) == "canary"


def test_a_mode_says_who_set_it() -> None:
    controls = timed(CancelDocument(run="r"), canary(until=T + HOUR, by="ann"))
    found = stage_mode(controls, "p", "s", T)
    assert (found.mode, found.run, found.share) == ("canary", RUN, 0.1)
    assert (found.generation, found.since, found.until) == (1, T + SECOND, T + HOUR)
    assert (found.by, found.of_pipeline) == ("ann", False)
    assert stage_mode(timed(switch("shadow", run=RUN)), "p", "s", T).share == 1
    assert stage_mode(timed(switch("hold", stage="")), "p", "s", T).of_pipeline
    assert stage_mode([], "p", "s", T) == ON


def ended(*controls: ControlDocument, now: datetime = T + HOUR) -> float:
    return hold_ended_at(timed(*controls), "p", "s", now) - T.timestamp()


def test_a_hold_ends_when_it_is_lifted_or_expires() -> None:
    assert hold_ended_at([], "p", "s", T) == 0
    assert hold_ended_at(timed(switch("hold")), "p", "s", T) == 0
    assert ended(switch("hold"), switch("on")) == 1
    assert ended(switch("hold"), switch("on", stage="")) == 1
    assert ended(switch("hold"), CancelDocument(run="r"), end_of(0)) == 2
    until = switch("hold", until=T + HOUR)
    assert ended(until) == 3600
    assert hold_ended_at(timed(until), "p", "s", T + HOUR - SECOND) == 0


MODES = st.one_of(
    st.builds(
        lambda kind, stage, hours: kind(
            pipeline="p", stage=stage, until=None if hours is None else T + hours * HOUR
        ),
        st.sampled_from([PauseDocument, ResumeDocument]),
        st.sampled_from(["", "s", "other"]),
        st.none() | st.integers(0, 3),
    ),
    st.builds(
        lambda mode, stage, hours: SwitchDocument(
            pipeline="p",
            stage=stage if mode in ("on", "hold") else "s",
            mode=mode,
            run=RUN if mode == "canary" else "",
            share=0.1 if mode == "canary" else None,
            until=None if hours is None else T + hours * HOUR,
        ),
        st.sampled_from(["on", "hold", "bypass", "canary"]),
        st.sampled_from(["", "s", "other"]),
        st.none() | st.integers(0, 3),
    ),
    st.builds(end_of, st.integers(0, 12)),
)


@given(st.lists(MODES, max_size=12), st.integers(0, 3))
@example([switch(mode="hold"), end_of(0), end_of(0)], 1)
@example([switch(mode="canary", run=RUN, share=0.1), end_of(0), end_of(1)], 1)
def test_compaction_changes_no_mode(controls: list[ControlDocument], hours: int) -> None:
    every = timed(*controls)
    kept = [
        each for each in every
        if each.control.key not in {m.control.key for m in every[each.generation + 1 :]}
    ]  # fmt: skip
    now = T + hours * HOUR
    for about in (stage_mode, hold_ended_at):
        assert about(kept, "p", "s", now) == about(every, "p", "s", now)


@given(st.lists(MODES, max_size=8), st.integers(0, 3))
def test_no_answer_changes_before_the_next_expiry(
    controls: list[ControlDocument], hours: int
) -> None:
    documents, now = timed(*controls), T + hours * HOUR + 20 * SECOND
    expiry = next_expiry(documents, now)
    later = (expiry or now + 100 * HOUR) - SECOND
    for about in (stage_mode, hold_ended_at):
        assert about(documents, "p", "s", later) == about(documents, "p", "s", now)


@given(st.lists(MODES, max_size=12))
def test_what_is_written_last_about_a_stage_is_in_force(controls: list[ControlDocument]) -> None:
    for written in (switch("bypass"), switch("hold"), switch("hold", stage=""), canary()):
        assert mode(*controls, written) == written.mode
    assert mode(*controls, switch("on", stage="")) != "hold"
