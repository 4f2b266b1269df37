"""Which documents are told to people, because they change nothing?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from farandole.catalog.control_misfits import (
    active_versions,
    control_misfits,
    ended_switches,
    mode_misfit,
)
from farandole.events.anomaly_document import ExpectDocument, IgnoreDocument
from farandole.events.check_spec import ProfileSpec
from farandole.events.control_documents import CancelDocument, ControlDocument, PauseDocument
from farandole.events.controls_in_force import TimedDocument
from farandole.events.drain_document import DrainDocument
from farandole.events.feature_flags import FlagSpec
from farandole.events.flag_document import FlagDocument
from farandole.events.schedule_document import BackfillDocument, FireDocument, ScheduleDocument
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.switch_document import EndSwitchDocument, SwitchDocument
from farandole.events.throttle_document import ThrottleDocument
from farandole.events.topology_version import EventSpec, StageSpec, Version
from tests.catalog.made import version

T = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RUN = "shop.price2:price"
STAGE = StageSpec(run="m:f", subscribes=("a",), emits=("b",))


def versions(*stages: str, number: int = 1, retired: datetime | None = None) -> Version:
    events = {name: EventSpec(topic=f"p.{name}", partitions=1) for name in ("a", "b")}
    made = version(number, events, stages=dict.fromkeys(stages, STAGE))
    return made.model_copy(update={"retired": retired})


def switch(mode: Any = "hold", stage: str = "s", **fields: Any) -> SwitchDocument:
    return SwitchDocument.model_validate({"pipeline": "p", "stage": stage, "mode": mode, **fields})


def timed(*controls: ControlDocument) -> list[TimedDocument]:
    return [TimedDocument(control, T, n) for n, control in enumerate(controls)]


def misfits(*controls: ControlDocument, of: tuple[Version, ...] = (versions("s"),)) -> list[str]:
    return [each.why for each in control_misfits(timed(*controls), active_versions(of), T)]


def misfit(spec: StageSpec, switch: SwitchDocument) -> str | None:
    found = versions("s")
    return mode_misfit(found.model_copy(update={"stages": {"s": spec}}), switch)


def test_a_document_about_a_stage_that_is_there_fits() -> None:
    assert misfits(switch(), switch("bypass"), switch(stage=""), CancelDocument(run="r")) == []


def test_what_names_nothing_is_told() -> None:
    assert misfits(switch(stage="t")) == ["no version of p has a stage t"]
    assert misfits(PauseDocument(pipeline="p", stage="t")) == ["no version of p has a stage t"]
    assert misfits(switch(pipeline="q")) == ["there is no pipeline q"]
    assert misfits(switch(stage="", pipeline="q\x1b[31m")) == ["there is no pipeline q\\x1b[31m"]


def test_what_is_said_of_unusual_data_needs_a_pipeline_whose_data_are_looked_at() -> None:
    said = (
        ExpectDocument(pipeline="p", anomaly="0123456789abcdef"),
        IgnoreDocument(pipeline="p", edge="a", until=T + HOUR),
        IgnoreDocument(pipeline="p", edge="b", until=T - HOUR),
    )
    nothing = "no event type of p is profiled or checked: nothing is compared"
    assert misfits(*said) == [nothing, nothing]
    profiled = EventSpec(topic="p.a", partitions=1, profile=ProfileSpec())
    made = versions("s").model_copy(update={"events": {"a": profiled}})
    assert misfits(*said, of=(made,)) == []
    assert misfits(IgnoreDocument(pipeline="q", edge="a"), of=(made,)) == ["there is no pipeline q"]


def test_what_is_said_of_a_schedule_must_fit_the_newest_version() -> None:
    spec = ScheduleSpec(cron="@daily", triggers="a")
    scheduled = versions("s", number=2).model_copy(update={"schedules": {"nightly": spec}})
    of = (versions("s"), scheduled)
    pause = ScheduleDocument(pipeline="p", schedule="nightly", paused=True)
    of_all = ScheduleDocument(pipeline="p", paused=True)
    fire = FireDocument(pipeline="p", schedule="nightly", id="1", planned=T)
    backfill = BackfillDocument.model_validate(
        {"pipeline": "p", "schedule": "nightly", "id": "1", "from": T - HOUR, "to": T}
    )
    assert misfits(pause, of_all, fire, backfill, of=of) == []
    assert misfits(pause) == ["p@1 has no schedule nightly; `schedules resume nightly` deletes it"]
    assert misfits(fire) == misfits(backfill) == ["p@1 has no schedule nightly"]
    assert misfits(of_all.model_copy(update={"pipeline": "q"})) == ["there is no pipeline q"]
    resumed = pause.model_copy(update={"paused": False})
    assert misfits(pause, resumed) == []  # nothing is missing without it
    assert misfits(pause.model_copy(update={"until": T - HOUR})) == []


def test_a_pause_that_a_newer_document_of_the_pipeline_has_ended_is_not_told() -> None:
    pause = ScheduleDocument(pipeline="p", schedule="gone", paused=True)
    assert misfits(pause, ScheduleDocument(pipeline="p", paused=False)) == []
    assert misfits(ScheduleDocument(pipeline="p", paused=False), pause) != []


def test_an_order_of_a_schedule_that_was_removed_later_is_not_told() -> None:
    order = FireDocument(pipeline="p", schedule="gone", id="1", planned=T)
    later = versions("s").model_copy(update={"published": T + HOUR})
    assert misfits(order, of=(later,)) == []


def test_an_order_is_said_to_fit_nothing_for_a_day() -> None:
    order = FireDocument(pipeline="p", schedule="gone", id="1", planned=T)
    active = active_versions([versions("s")])
    for hours, found in ((23, 1), (25, 0)):
        assert len([*control_misfits(timed(order), active, T + hours * HOUR)]) == found


def test_a_second_order_with_an_id_is_told() -> None:
    spec = ScheduleSpec(cron="@daily", triggers="a")
    of = (versions("s").model_copy(update={"schedules": {"nightly": spec}}),)
    first = FireDocument(pipeline="p", schedule="nightly", id="1", planned=T)
    second = first.model_copy(update={"planned": T - HOUR})
    assert misfits(first, first, of=of) == []
    assert misfits(first, second, of=of) == [
        "the document fire/p/nightly/1 is an order with the same id; each needs one of its own"
    ]


def test_flags_and_drains_must_fit_too() -> None:
    flagged = versions("s").model_copy(
        update={"flags": {"vip": FlagSpec(type="bool", default=False)}}
    )
    vip = FlagDocument(pipeline="p", flag="vip", value=True)
    assert misfits(vip, DrainDocument(pipeline="p"), of=(flagged,)) == []
    assert misfits(vip) == ["the file has no flag 'vip'"]
    assert (
        "is no bool" in misfits(FlagDocument(pipeline="p", flag="vip", value=3), of=(flagged,))[0]
    )
    (why,) = misfits(FlagDocument(pipeline="p", flag="vip", value=True, when="x"), of=(flagged,))
    assert why.startswith("the flag 'vip': `x` cannot be a condition: ")
    assert misfits(FlagDocument(pipeline="p", flag="gone", clear=True)) == []
    assert misfits(FlagDocument(pipeline="p", flag="vip", value=3), vip, of=(flagged,)) == []
    assert (
        misfits(DrainDocument(pipeline="q"), vip.model_copy(update={"pipeline": "q"}))
        == ["there is no pipeline q"] * 2
    )


def test_a_stage_of_a_version_that_is_not_retired_counts() -> None:
    old, new = versions("s"), versions("t", number=2)
    assert misfits(switch(), of=(old, new)) == []
    assert misfits(switch(), of=(versions("s", retired=T), new)) != []


@pytest.mark.parametrize("control", [switch("on", "t"), switch(stage="t", until=T)])
def test_what_changes_nothing_anyway_is_not_told(control: ControlDocument) -> None:
    assert misfits(control) == []


def test_only_the_newest_document_about_a_stage_is_told() -> None:
    assert misfits(PauseDocument(pipeline="p", stage="t"), switch("on", "t")) == []
    end = EndSwitchDocument(pipeline="p", stage="t", generation=0)
    assert misfits(switch(stage="t"), end) == []


def test_a_candidate_of_a_stage_with_effects_must_be_allowed() -> None:
    effects = STAGE.model_copy(update={"emits": ()})
    for mode in ("shadow", "canary"):
        candidate = switch(mode, run=RUN, share=0.1)
        assert misfit(STAGE, candidate) is None
        assert "writes to the outside" in str(misfit(effects, candidate))
        assert "`--allow-effects`" in str(misfit(effects, candidate))
        allowed = candidate.model_copy(update={"allow_effects": True})
        assert misfit(effects, allowed) is None
        declared = effects.model_copy(update={"effects": False})
        assert misfit(declared, candidate) is None


def test_a_bypass_is_told_where_the_events_of_the_stage_cannot_go_on_as_they_came() -> None:
    sink = STAGE.model_copy(update={"emits": ()})
    assert misfit(STAGE, switch("bypass")) is None
    assert misfit(sink, switch("bypass")) == "s cannot be bypassed: it emits nothing"
    last = versions("s").model_copy(update={"stages": {"s": sink}})
    assert misfits(switch("bypass"), of=(last,)) == ["s cannot be bypassed: it emits nothing"]


def test_a_program_of_its_own_cannot_be_switched() -> None:
    program = STAGE.model_copy(update={"external": True})
    relayed = STAGE.model_copy(update={"external": "at-least-once"})
    assert "which no worker runs" in str(misfit(program, switch()))
    assert misfit(program, switch("on")) is None
    assert misfit(relayed, switch()) is None
    assert "no function" in str(misfit(relayed, switch("shadow", run=RUN)))


def test_an_ended_switch_is_told_until_it_is_replaced() -> None:
    end = EndSwitchDocument(pipeline="p", stage="s", generation=0, why="it hung")
    canary = switch("canary", run=RUN, share=0.1)
    (found,) = ended_switches(timed(canary, end), T)
    assert (found.switch, found.end.why, found.document.generation) == (canary, "it hung", 0)
    assert [*ended_switches(timed(canary, end, switch("on")), T)] == []
    assert [*ended_switches(timed(canary.model_copy(update={"until": T}), end), T)] == []
    assert [*ended_switches(timed(canary), T)] == []


def throttle(**fields: Any) -> ThrottleDocument:
    return ThrottleDocument.model_validate({"pipeline": "p", "rate": "5/s", **fields})


def test_a_throttle_of_what_is_there_fits() -> None:
    with_limit = versions("s").model_copy(update={"limits": {"crm": "9/s"}})
    documents = [throttle(), throttle(stage="s"), throttle(limit="crm")]
    assert misfits(*documents, of=(with_limit,)) == []


def test_a_throttle_of_what_is_not_there_is_told() -> None:
    assert misfits(throttle(stage="t")) == ["no version of p has a stage t"]
    assert misfits(throttle(limit="crm")) == ["no version of p has a limit crm"]
    assert misfits(throttle(pipeline="q")) == ["there is no pipeline q"]
    external = versions("s")
    stage = STAGE.model_copy(update={"external": True, "run": ""})
    external = external.model_copy(update={"stages": {"s": stage}})
    (why,) = misfits(throttle(stage="s"), of=(external,))
    assert why.startswith("s is a program of its own")


def test_a_throttle_that_sets_nothing_or_is_replaced_is_not_told() -> None:
    assert misfits(throttle(stage="t", rate="file"), throttle(stage="u", rate="off")) == []
    assert misfits(throttle(stage="t"), throttle(stage="t", rate="off")) == []
    assert misfits(throttle(stage="t", until=T)) == []
