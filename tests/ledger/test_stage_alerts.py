"""Which conditions raise an alert, and how often?"""

from __future__ import annotations

import re
from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.consumer_lag import InputLag
from farandole.catalog.input_faults import ChangedTopic, TopicChange, lost_input_text
from farandole.events.alert_record import Alert
from farandole.events.alert_tracker import CLEAR_AFTER_MS, AlertTracker
from farandole.events.next_step import command_line_with
from farandole.ledger.alert_text import condition_tracker, firing_text
from farandole.ledger.stage_alerts import (
    FIRE_AFTER_MS,
    LOST_AFTER_MS,
    AlertCondition,
    LagSample,
    TopicSample,
    alert_conditions,
    topic_conditions,
    with_throttles,
)

STEP = 1_000
BEFORE = st.lists(st.tuples(st.sampled_from([True, False, None]), st.booleans()), max_size=60)
"""Pairs: whether the condition is bad, and whether the lane restarts before that is judged."""


def condition(bad: bool | None, stage: str = "enrich") -> AlertCondition:
    members = 0 if bad else 1
    (found,) = alert_conditions([LagSample("p", stage, members, 7, measured=bad is not None)])
    return found


def alert_states(watch: AlertTracker[AlertCondition], *bad: bool | None, at: int = 0) -> list[str]:
    """Return the states of its alerts if the condition has these values, one each second."""
    return [
        alert.state
        for second, each in enumerate(bad)
        for alert in watch.update([condition(each)], at + STEP * second)
    ]


def test_the_age_of_what_a_throttle_holds_back_is_no_alert() -> None:
    def bad(stage: str, **more: Any) -> dict[str, bool | None]:
        sample = LagSample("p", stage, 1, 7, has_old=True, age=30.0)._replace(**more)
        samples = with_throttles([sample], {("p", "load"), ("q", "price")})
        return {each.kind: each.is_bad for each in alert_conditions(samples)}

    assert bad("load") == {"stage.unworked": False, "stage.age": False}
    assert bad("price") == {"stage.unworked": False, "stage.age": True}
    # Without a worker nobody takes them, however fast a stage may be.
    assert bad("load", members=0)["stage.unworked"]


@given(BEFORE)
def test_an_alert_is_resolved_before_it_fires_again_also_after_restarts(
    story: list[tuple[bool | None, bool]],
) -> None:
    watch, states = condition_tracker(), []
    for second, (bad, restarted) in enumerate(story):
        if restarted:
            kept = [*watch.firing.values()]
            watch = condition_tracker()
            watch.restore(kept)
        states += [a.state for a in watch.update([condition(bad)], STEP * second)]
    assert states == (["firing", "resolved"] * len(states))[: len(states)]


@given(BEFORE)
def test_a_lasting_bad_condition_fires_and_a_good_one_does_not(
    story: list[tuple[bool | None, bool]],
) -> None:
    for end in (True, False):
        watch = condition_tracker()
        alert_states(watch, *(bad for bad, _ in story))
        alert_states(watch, *[end] * (FIRE_AFTER_MS // STEP + 1), at=10**6)
        assert bool(watch.firing) is end


@given(st.lists(st.integers(1, FIRE_AFTER_MS // STEP), max_size=10))
def test_a_restart_of_a_worker_raises_no_alert(gaps: list[int]) -> None:
    seen = [bad for gap in gaps for bad in (*[True] * gap, False)]
    assert alert_states(condition_tracker(), *seen) == []


def test_a_time_in_which_nobody_looked_makes_no_condition_last() -> None:
    """The bookkeeper, and perhaps the whole machine, was frozen for ten minutes."""
    watch, woken = condition_tracker(), 600_000
    assert alert_states(watch, False, True) == []
    assert alert_states(watch, True, False, at=woken) == []
    assert alert_states(watch, *[True] * (FIRE_AFTER_MS // STEP + 1), at=woken + 5_000) == [
        "firing"
    ]


def alerts_of(conditions: list[AlertCondition], seconds: int) -> list[Alert]:
    watch = condition_tracker()
    return [a for second in range(seconds) for a in watch.update(conditions, STEP * second)]


def test_a_stage_whose_offset_is_lost_raises_an_alert_with_the_command_that_decides() -> None:
    where = InputLag("asked", TopicPartition("p.asked", 3), 70, 12)
    sample = LagSample("p", "enrich", 1, 7, lost=lost_input_text("enrich", [where]))
    conditions = [*alert_conditions([sample])]
    assert alerts_of(conditions, LOST_AFTER_MS // STEP) == []
    (alert,) = alerts_of(conditions, LOST_AFTER_MS // STEP + 1)
    assert (alert.key, alert.kind, alert.stage) == ("p/stage/enrich/lost", "stage.lost", "enrich")
    assert alert.text == (
        "`enrich` has stopped at asked/3: its offset there is missing, or outside of the records"
        " that are kept; decide where it goes on with: farandole seek enrich --to"
        " earliest|latest|OFFSET"
    )
    found = [*alert_conditions([sample._replace(lost="")])]
    assert alerts_of(found, 60) == []


@pytest.mark.parametrize(
    ("change", "found", "said"),
    [
        ("widened", 6, "partitions, and the version in force knows 4: .* `partitions: 6` for"),
        ("recreated", 4, "was deleted and created again: .* farandole apply"),
        ("gone", 0, "is gone, .* farandole apply"),
    ],
)
def test_a_topic_that_is_not_as_its_version_says_raises_an_alert(
    change: TopicChange, found: int, said: str
) -> None:
    changed = ChangedTopic("line", "p.line", change, 4, found)
    sample = TopicSample("p", "line", changed.message, changed.next_step)
    (alert,) = alerts_of([*topic_conditions([sample])], 60)
    assert (alert.key, alert.kind, alert.stage) == ("p/topic/line", "topic.changed", None)
    assert re.search(f"the topic p.line .*{said}", alert.text)
    assert alerts_of([*topic_conditions([TopicSample("p", "line", None)])], 60) == []


def test_a_condition_that_is_good_for_a_moment_does_not_resolve_the_alert() -> None:
    flapping = [False] * (CLEAR_AFTER_MS // STEP) + [True]
    assert alert_states(condition_tracker(), *[True] * 20, *flapping * 5) == ["firing"]


def test_the_alert_of_a_stage_that_no_version_has_any_more_is_resolved() -> None:
    watch = condition_tracker()
    alert_states(watch, *[True] * 20)
    (alert,) = watch.update([condition(False, "other")], 10**6)
    assert (alert.key, alert.state) == ("p/stage/enrich/unworked", "resolved")
    assert watch.update([], 10**6) == []


def test_the_text_names_the_stage_and_the_command() -> None:
    (found,) = alert_conditions([LagSample("p", "enrich", 0, 4210)])
    assert firing_text(found, command_line_with(" --namespace blue")) == (
        "no worker holds `enrich`: 4\u202f210 offsets unread;"
        " start one: farandole --namespace blue work enrich"
    )


@pytest.mark.parametrize(
    ("name", "seen", "bad"),
    [
        ("nobody, and something to do", LagSample("p", "s", 0, 1), [True]),
        ("nobody, and nothing to do", LagSample("p", "s", 0, 0), [False]),
        ("somebody", LagSample("p", "s", 1, 9), [False]),
        ("somebody, and old", LagSample("p", "s", 1, 9, True, 30), [False, True]),
        ("nobody, and old: told as nobody", LagSample("p", "s", 0, 9, True, 30), [True, None]),
        ("nobody, and young", LagSample("p", "s", 0, 9, False, 30), [True, False]),
        ("not to be seen", LagSample("p", "s", 0, 9, True, 30, measured=False), [None, None]),
        ("the ledger", LagSample("p", None, 1, 9, True, 60), [True]),
        ("the ledger, young", LagSample("p", None, 1, 9, False, 60), [False]),
    ],
)
def test_which_samples_are_bad(name: str, seen: LagSample, bad: list[bool | None]) -> None:
    assert [each.is_bad for each in alert_conditions([seen])] == bad, name


def test_a_program_without_transactions_that_is_gone_is_not_a_missing_worker() -> None:
    lanes = LagSample("p", "score", 2, 0)
    program = LagSample("p", "score", 0, 7, lost="", program="p.score.outside")
    found = {each.key: each for each in alert_conditions([lanes, program])}
    assert [(key, each.is_bad) for key, each in found.items()] == [
        ("p/stage/score/unworked", False),
        ("p/stage/score/program-unworked", True),
        ("p/stage/score/program-lost", False),
    ]
    text = firing_text(found["p/stage/score/program-unworked"])
    assert "no program handles `score`: the group p.score.outside has no member" in text
