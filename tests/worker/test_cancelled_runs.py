"""Is no event of a cancelled run handled, and is each of them counted in the ledger?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from farandole.events.envelope import REPEATED_RUN_HEADER
from farandole.events.ledger_entry import hash_event_ids
from farandole.events.outcome import Outcome
from farandole.events.record import Partition
from farandole.events.run_ids import RunIdGenerator
from farandole.events.topology_version import VERSION_FORMAT
from farandole.stages.contract import Context
from tests.worker.made import (
    INSTALLATION,
    PATIENT,
    In,
    Lane,
    LaneResult,
    Out,
    bare,
    emitted,
    version,
)
from tests.worker.test_stage_host import ONE

OFF, ON = "a" * 13, "b" * 13
CALLED: list[int] = []


@pytest.fixture(autouse=True)
def nothing_called() -> None:
    CALLED.clear()


def straight(event: In) -> Out:
    CALLED.append(event.n)
    return Out(n=event.n)


async def awaited(event: In) -> Out:
    return straight(event)


def many(event: In) -> Iterator[Out]:
    yield straight(event)


def together(events: list[In]) -> list[Out]:
    return [straight(event) for event in events]


def off(*runs: str) -> Callable[[], frozenset[bytes]]:
    found = frozenset(run.encode() for run in runs)
    return lambda: found


def consumed(outcome: LaneResult) -> dict[str, list[dict[str, Any]]]:
    """By run, what the ledger says was consumed of `in`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in map(orjson.loads, (o.value or b"" for o in outcome.of("ledger"))):
        for part in entry["runs"]:
            found.setdefault(part["run"], []).append(part["in"]["in"])
    return found


def lane_of(function: Any, cancelled: Callable[[], frozenset[bytes]]) -> Lane:
    booked = version(stages={"stage": ONE}).model_copy(update={"ledger": 1})
    return Lane(function, versions=[booked], cancelled=cancelled, retry=PATIENT)


@pytest.mark.parametrize("function", [straight, awaited, many, together])
async def test_only_events_of_the_cancelled_run_are_cancelled(function: Any) -> None:
    records = [emitted(n, run=OFF if n % 3 else ON) for n in range(9)]
    outcome = await lane_of(function, off(OFF)).handle(*records)
    assert CALLED == [0, 3, 6]
    assert [d["n"] for d in outcome.data()] == [0, 3, 6]
    assert (
        outcome.count(Outcome.CANCELLED),
        outcome.counters.emitted,
        outcome.count(Outcome.DEAD),
    ) == (6, 3, 0)
    (entry,) = consumed(outcome)[OFF]
    ids = [b"asked/0/1/%d" % n for n in range(9) if n % 3]
    assert (entry["n"], entry["cancelled"], entry["hash"]) == (6, 6, hash_event_ids(ids))
    assert [part["n"] for part in consumed(outcome)[ON]] == [3]
    assert not any("cancelled" in part for part in consumed(outcome)[ON])


async def test_a_root_of_a_cancelled_run_is_counted_as_cancelled() -> None:
    run = RunIdGenerator(INSTALLATION, "p.in").run_id(0, 1, VERSION_FORMAT)
    outcome = await lane_of(straight, off(run)).handle(*(bare(offset=n) for n in range(3)))
    assert CALLED == [0, 2]
    entries = [orjson.loads(o.value or b"") for o in outcome.of("ledger")]
    (part,) = [p for entry in entries for p in entry["runs"] if p["run"] == run]
    assert (part["in"]["in"]["cancelled"], part["out"]) == (1, {})
    assert part["root"]["offset"] == 1


@pytest.mark.parametrize("function", [straight, together])
async def test_an_unreadable_event_of_a_cancelled_run_is_no_dead_letter(function: Any) -> None:
    bad = emitted(1, run=OFF, data=b"{")
    outcome = await lane_of(function, off(OFF)).handle(bad)
    assert (outcome.count(Outcome.CANCELLED), outcome.dead) == (1, [])


async def test_an_event_is_not_tried_again_once_its_run_is_cancelled() -> None:
    asked = [off(), off(OFF)]
    attempts: list[int] = []

    def failing(event: In, context: Context) -> Out:
        attempts.append(context.attempt)
        asked.pop(0)
        raise ValueError

    outcome = await lane_of(failing, lambda: asked[0]()).handle(emitted(1, run=OFF))
    assert attempts == [1]
    assert (outcome.count(Outcome.CANCELLED), outcome.dead) == (1, [])
    assert [part["n"] for part in consumed(outcome)[OFF]] == [1]


async def test_an_event_of_a_cancelled_run_that_kills_its_process_is_no_dead_letter() -> None:
    done = await lane_of(straight, off(OFF)).work.give_up(emitted(1, run=OFF), deaths=5)
    assert (
        done.settled,
        done.receipt.outcomes[Outcome.CANCELLED],
        done.receipt.outcomes[Outcome.DEAD],
    ) == (1, 1, 0)
    assert [*done.writes] == [Partition("ledger", 0)]


@pytest.mark.parametrize(
    ("header", "named"),
    [(OFF.encode(), OFF), (b"A" * 13, None), (b"a" * 14, None), (b"\xff", None)],
)
async def test_the_ledger_names_the_run_that_a_root_repeats(
    header: bytes, named: str | None
) -> None:
    root = bare(headers=[(REPEATED_RUN_HEADER, header)])
    outcome = await lane_of(straight, off()).handle(root)
    (entry,) = [orjson.loads(o.value or b"") for o in outcome.of("ledger")]
    assert entry["runs"][0]["root"].get("again") == named
    assert outcome.data() == [{"n": 0, "household": None}]
