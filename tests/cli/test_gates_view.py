"""What do people read of runs that wait for a verdict?"""

from __future__ import annotations

from typing import Any

from farandole.catalog.gates import Gate
from farandole.cli.rendering.gates_view import gates_lines
from farandole.cli.rendering.status_view import gate_lines
from farandole.events.next_step import plain_command_line
from farandole.operations.gates.list_gates import WaitingRun, WaitingRuns
from farandole.operations.reason_text import reason_text
from farandole.operations.runs.balance_sheet import find_problems
from tests.cli.booked import AT, edge, row

LOAD = Gate("load", frozenset({"check"}), frozenset({"line/complete"}))


def waiting(**more: Any) -> WaitingRun:
    of: dict[str, Any] = {
        "run": "k7mq2vtd4x3aa", "stage": "load", "opened": 0, "judged": None, "waiting": 1_200,
        "failed": {}, "upstream": {"check": 3_400}, **more,
    }  # fmt: skip
    return WaitingRun(**of)


def lines(*runs: WaitingRun, total: int | None = None) -> list[str]:
    found = WaitingRuns(
        pipeline="p", stages=["load"], runs=[*runs], total=len(runs) if total is None else total
    )
    return [*gates_lines(found, plain_command_line)]


def test_nothing_waits() -> None:
    assert lines() == ["no run waits before load"]
    found = WaitingRuns(pipeline="p", stages=[], runs=[], total=0)
    assert [*gates_lines(found, plain_command_line)] == ["no stage has a gate"]


def test_a_run_names_what_it_waits_for() -> None:
    failed = waiting(judged=5, failed={"line/complete": "3 of 4 rows break it"}, upstream={})
    assert lines(failed, waiting(), total=5) == [
        "stage  run            opened (UTC)         state             events",
        "load   k7mq2vtd4x3aa  1970-01-01 00:00:00  checks failed      1 200",
        "    line/complete: 3 of 4 rows break it",
        "load   k7mq2vtd4x3aa  1970-01-01 00:00:00  upstream at work   1 200",
        "    not worked yet: 3 400 at check",
        "and 3 more",
        "let one in: farandole gates release RUN --reason TEXT",
        "or end it: farandole cancel RUN",
    ]


def problems(**more: Any) -> list[str]:
    edges = {"asked>check": edge(2, consumed=1), "line>load": edge(4, consumed=0, last=0)}
    run = row("r", edges, closed=None, status="running", **more)
    found = find_problems(run, AT, {"load": LOAD})
    return [text for each in found if "load" in (text := reason_text(each))]


def test_a_run_says_before_which_gate_it_waits() -> None:
    assert problems() == ["load: 4 events wait until all upstream is worked: 1 at check"]
    gate = {"state": "failed", "at": 1, "worked": 1, "failed": {"line/complete": "3 of 4"}}
    assert problems(gates={"load": gate}) == [
        "load: 4 events wait, for a check has failed: line/complete: 3 of 4; "
        "let it in: farandole gates release r load --reason TEXT"
    ]
    assert problems(gates={"load": {**gate, "state": "open"}}) == [
        "load has settled none of 4 line yet"
    ]


def test_the_status_leads_to_the_runs_that_wait() -> None:
    assert [*gate_lines({"load": 0}, plain_command_line)] == []
    (line,) = gate_lines({"load": 2}, plain_command_line)
    assert line.endswith("farandole gates load")
