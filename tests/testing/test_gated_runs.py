"""Do runs that are interleaved before a gate keep their order, and does nothing pass it early?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farandole.testing import Pipeline
from tests.testing.projects import TOPOLOGY, write_project

GATED = TOPOLOGY.replace(
    "order.placed: {key: customer}",
    """order.placed:
        key: customer
        checks:
          dear: {rule: range, column: cents, max: 100, share: 100%, severity: gate}
          odd: {rule: range, column: cents, max: 900, severity: park}""",
).replace(
    'run: "MODULE:thank", subscribes: order.checked}',
    'run: "MODULE:thank", subscribes: order.checked, gate: true}',
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(write_project(tmp_path, GATED)) as pipeline:
        yield pipeline


def entered(shop: Pipeline) -> list[str]:
    """Return the runs of the events that the gated stage has worked, in order."""
    return [
        step.event.run
        for step in shop._steps("thank")
        if step.outcome is not None and step.event.run is not None
    ]


def send(shop: Pipeline, cents: int, customer: str = "ann") -> str:
    run = shop.send("order.placed", {"customer": customer, "cents": cents}).run
    assert run is not None
    return run


def test_a_run_behind_one_that_failed_waits_and_enters_once_in_its_order(shop: Pipeline) -> None:
    first, failed = send(shop, 1), send(shop, 101)
    behind = [send(shop, 2), send(shop, 3)]
    shop.run()
    assert entered(shop) == [first]
    rows = {row["run"]: row for row in shop.report().runs}
    assert {rows[run]["closed"] is None for run in (failed, *behind)} == {True}
    shop.release(failed)
    report = shop.run()
    assert entered(shop) == [first, failed, *behind]
    assert report.is_balanced
    assert report.status == "completed"


def test_a_dead_letter_upstream_keeps_no_gate_shut(shop: Pipeline) -> None:
    dead, after = send(shop, -1), send(shop, 1)
    report = shop.run()
    assert [letter.stage for letter in shop.dead_letters()] == ["check"]
    assert entered(shop) == [after]
    assert {row["run"] for row in report.runs if row["closed"] is not None} == {dead, after}


def test_a_row_that_waits_upstream_keeps_the_gate_of_its_run_shut(shop: Pipeline) -> None:
    waits, other = send(shop, 901), send(shop, 1, "bob")
    shop.run()
    assert [row.stage for row in shop.parked()] == ["check"]
    assert entered(shop) == [other]
    rows = {row["run"]: row for row in shop.report().runs}
    assert "thank" not in rows[waits].get("gates", {})
