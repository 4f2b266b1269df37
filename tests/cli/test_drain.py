"""What does `farandole drain` print, and with which status does it exit?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from farandole.cli.commands.drain import EXIT_NO_DRAIN, EXIT_NOT_DRAINED
from farandole.cli.rendering.drain_view import drain_lines
from farandole.events.next_step import plain_command_line
from farandole.operations.drain.drain_state import DrainState
from farandole.operations.reasons import Reason
from tests.cli.conftest import LINE, Call
from tests.cli.test_cluster_commands import applied as applied

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def lines(*hindrances: Reason) -> list[str]:
    state = DrainState(
        pipeline="p", state="draining", since=NOW, by="ann", generation=3, hindrances=[*hindrances]
    )
    return [*drain_lines(state, plain_command_line)][1:]


def test_each_hindrance_says_what_to_do() -> None:
    run = {"runs": ["k7mq2vtd4x3aa"], "more": False}
    found = lines(
        Reason("drain_unacknowledged", {"stage": "s", "lanes": [0, 1, 2]}),
        Reason("drain_program", {"stage": "s", "lanes": [0]}),
        Reason("drain_in_flight", {"stage": "s", "events": 204, **run}),
        Reason("drain_unread", {"stage": "s", "events": 1}),
        Reason("drain_parked", {"stage": "s", "events": 3, "until": NOW, **run}),
        Reason("stage_on_hold", {"stage": "s", "by": "bob", "until": None}),
        Reason("stage_throttled", {"stage": "s", "by": "bob", "until": None}),
        Reason("stage_unworked", {"stage": "s"}),
        Reason("rows_for_person", {"stage": "s", "count": 2}),
        Reason("breaker_open", {"stage": "s", "lane": 1, "why": "refused"}),
        Reason("offset_lost", {"stage": "s"}),
        Reason("drain_changed"),
    )
    assert found == [
        "  s: lanes 0-2 have not said yet that no further root is taken",
        "  s: its program heeds no drain and goes on taking roots; stop it",
        "  s: 204 events in flight in k7mq2vtd4x3aa: farandole run k7mq2vtd4x3aa",
        "  s: 1 event is unread",
        "  s: 3 events wait until 2026-11-24 12:00:00 UTC to be tried again",
        "  s is on hold by bob: farandole resume s",
        "  s is throttled to 0 by bob: farandole throttle s off",
        "  no worker is running for s: farandole work s",
        "  s: rows that wait until a person decides: 2",
        "  s: lane 1 has an open breaker: refused",
        "  s has stopped, because its offset is lost; decide: farandole seek s --to "
        "earliest|latest|OFFSET",
        "  a version or the drain has changed meanwhile",
    ]


@pytest.mark.parametrize(
    "words",
    ["--wait --end", "--check --wait", "--timeout 1m", "--end --for 1h", "--check --for 1h"],
)
def test_options_that_contradict_each_other_are_refused(call: Call, words: str) -> None:
    assert call("drain", *words.split()).exit_code == 2


@pytest.mark.kafka
def test_a_drain_is_ordered_looked_at_and_ended(applied: Call) -> None:
    def drain(*words: str) -> tuple[int, Any]:
        found = applied("drain", *words, "--json")
        return found.exit_code, json.loads(found.stdout)

    assert applied("drain", "--check").exit_code == EXIT_NO_DRAIN
    assert applied("drain", "--by", "ann").exit_code == 0
    code, state = drain("--wait", "--timeout", "1m")
    assert (code, state["state"], state["by"]) == (0, "drained", "ann")
    # Somebody writes an event into the topic of a type that a stage emits; nobody works on it.
    line = json.dumps(LINE)
    assert applied("trigger", "line.ingested", "--data", line, "--force").exit_code == 0
    code, state = drain("--wait", "--timeout", "1s")
    assert (code, state["state"]) == (EXIT_NOT_DRAINED, "draining")
    assert [(each["code"], each["fields"]["stage"]) for each in state["hindrances"]] == [
        ("drain_unread", "validate"), ("stage_unworked", "validate"),
    ]  # fmt: skip
    shown = applied("status").stdout
    assert "order-lines is draining (ordered by ann" in shown
    assert "validate: 1 event is unread" in shown
    assert "its roots go on" in applied("drain", "--end").stdout
    assert "it was not drained" in applied("drain", "--end").stdout
    assert json.loads(applied("status", "--json").stdout)["drains"] == []
    unknown = applied("drain", "nothing-here")
    assert (unknown.exit_code, "nothing-here" in unknown.stderr) == (1, True)
