"""Which runs does the graph name before a gate, and for what do they wait?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from farandole.events.check_spec import CheckSpec
from farandole.events.topology_version import EventSpec, StageSpec
from farandole.operations.graph.stage_condition import GateQueue
from farandole.operations.read_model.gate_queues import JudgedGates, OpenRun, gate_queues
from farandole.operations.read_model.open_edges import OpenEdges
from tests.catalog.made import version
from tests.read_model.stand import edge, run_row

FEW = {"few": CheckSpec(rule="rows", max=9, severity="gate")}
GATED = version(
    1,
    {
        "a": EventSpec(topic="p.a", partitions=1),
        "b": EventSpec(topic="p.b", partitions=1, checks=FEW),
        "c": EventSpec(topic="p.c", partitions=1),
    },
    {
        "read": StageSpec(run="m:f", subscribes=("a",), emits=("b",)),
        "check": StageSpec(run="m:f", subscribes=("b",), emits=("c",)),
        "load": StageSpec(run="m:f", subscribes=("c",), gate=True),
    },
)
OPEN = {"state": "open", "at": 1, "worked": 1}


class Runs:
    """Rows of runs, as they are read."""

    def __init__(self) -> None:
        self.edges = OpenEdges()
        self.judged = JudgedGates()
        self.opened: dict[str, int] = {}

    def put(self, run: str, opened: int, loads: dict[str, int], **more: Any) -> None:
        edges = {name: edge(count, 0) for name, count in loads.items()}
        row = run_row(run, opened=opened, edges=edges, **more)
        self.edges.put(run, row)
        self.judged.put(run, row)
        self.opened[run] = opened

    def queue(self) -> GateQueue | None:
        found = gate_queues(
            [GATED],
            lambda: [OpenRun(run, self.opened[run], of) for run, of in self.edges.by_run()],
            self.judged,
        )
        assert found.keys() <= {("p", "load")}
        return found.get(("p", "load"))


@pytest.fixture
def runs() -> Runs:
    return Runs()


def test_the_run_that_was_opened_first_is_named_with_what_is_upstream(runs: Runs) -> None:
    runs.put("late", 2_000, {"c>load": 1})
    runs.put("first", 1_000, {"a>read": 1, "b>check": 3, "c>load": 2})
    since = datetime.fromtimestamp(1, UTC)
    assert runs.queue() == GateQueue(2, "first", since, {"check": 3, "read": 1}, ("b/few",))
    runs.put("last", 3_000, {"c>load": 1})
    found = runs.queue()
    assert found is not None
    assert (found.runs, found.run) == (3, "first")


def test_a_run_of_which_nothing_is_before_the_gate_does_not_wait(runs: Runs) -> None:
    runs.put("x", 1, {"b>check": 3})
    assert runs.queue() is None


@pytest.mark.parametrize("state", ["open", "failed", "released"])
def test_a_run_that_was_judged_waits_no_longer(runs: Runs, state: str) -> None:
    runs.put("x", 1, {"c>load": 3})
    runs.put("x", 1, {"c>load": 3}, gates={"load": {**OPEN, "state": state}})
    assert runs.queue() is None


def test_a_run_of_a_version_without_a_gate_does_not_wait(runs: Runs) -> None:
    runs.put("x", 1, {"c>load@p@2": 3})
    assert runs.queue() is None


def test_no_run_is_looked_at_where_nothing_has_a_gate() -> None:
    def none() -> list[OpenRun]:
        raise AssertionError("somebody has asked for the runs")

    ungated = version(1, dict(GATED.events), {"read": GATED.stages["read"]})
    assert gate_queues([ungated], none, JudgedGates()) == {}
