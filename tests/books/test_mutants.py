"""Do the books catch whatever breaks the exactly-once?

Two things look at a run. Its *row* weighs what was emitted against what was consumed, as the
entries say it: a run that is not what it must be never balances, and never completes. The *audit*
weighs the entries against the topics, and the rows against the entries. What each can see:

- *An offset outside of the transaction*: events are settled twice, results and entries with them.
  Topics and books agree on what came of it, twice each; but the stage has consumed more than was
  emitted to it: the row does not balance, and the audit holds its entries against its input. (A run
  that was complete before its events were settled again stays closed, out of balance.)
- *An event that is dropped, doubled or swapped* on the way to its topic: the entry says what was
  meant. Whoever consumes it books what is there, so the row's two sides differ, by count or, where
  one event stands for another, by hash alone. The audit differs at the emitted side, and names
  them.
- *A lost root*: nobody has booked anything, so there is no row to look at. Only the topic knows
  that the root is there and behind the committed offset: the audit alone can see it.
- *A bookkeeper that loses or doubles an entry*: the entries agree with the topics. The row does
  not balance, and the audit, which folds the entries anew, says that the row is wrong, and not the
  data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from farandole.broker.settings import Settings
from farandole.catalog.published_versions import follow_versions
from farandole.events.run_row import RunRow, edges_balance, in_flight
from farandole.operations.runs.bookkeeper_lag import read_bookkeeper_lag
from farandole.worker.control_state import follow_control_state
from farandole.worker.heartbeat import Heartbeat
from farandole.worker.stage_host import StageHost
from tests.books import mutants
from tests.books.clean import audited, books_read
from tests.books.stand import (
    PIPELINE,
    Count,
    ask,
    at_rest,
    booked,
    counted,
    faults,
    linked,
    put,
    rows,
)

pytestmark = pytest.mark.kafka

RUNS, ITEMS = 4, 2_500


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return linked(tmp_path)


class Seen(NamedTuple):
    rows: dict[str, RunRow]
    counts: dict[str, Count]
    unbalanced: dict[str, RunRow]
    """Of the runs that have a row."""
    code: int
    audit: Any


async def worked(settings: Settings, folder: Path) -> tuple[dict[str, RunRow], dict[str, Count]]:
    """10,000 events through all stages while nobody keeps the books, then a bookkeeper."""
    version = await put(settings, folder)
    await ask(settings, version, RUNS, ITEMS)
    async with (
        follow_versions(settings, PIPELINE) as known,
        follow_control_state(settings, PIPELINE) as asked,
    ):
        host = StageHost(settings, known, asked, (), Heartbeat(None))
        running = asyncio.create_task(host.run())
        try:
            await at_rest(settings)
        finally:
            host.drain()
            await running
    assert (await read_bookkeeper_lag(settings)).members == 0
    assert await rows(settings) == ({}, {})
    async with booked(settings):
        await books_read(settings)
    found, completed = await rows(settings)
    closed = {run for run, row in found.items() if row["closed"] is not None}
    assert {run: n for run, n in completed.items() if n} == dict.fromkeys(closed, 1)
    return found, await counted(settings)


@pytest.fixture
def seen(
    settings: Settings, folder: Path, unset: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[pytest.MonkeyPatch], None]], Seen]:
    # Nobody is killed here: a busy machine must not look like it.
    settings = settings.model_copy(update={"session_timeout": 20.0})

    def seen(mutant: Callable[[pytest.MonkeyPatch], None]) -> Seen:
        with monkeypatch.context() as patch:
            mutant(patch)
            found, counts = asyncio.run(worked(settings, folder))
        code, told = audited(settings, folder)
        unbalanced = {run: row for run, row in found.items() if not edges_balance(row["edges"])}
        return Seen(found, counts, unbalanced, code, told)

    return seen


Look = Callable[[Callable[[pytest.MonkeyPatch], None]], Seen]


def test_without_a_bookkeeper_events_flow_and_the_books_catch_up(seen: Look) -> None:
    """The control of all mutants."""
    found = seen(mutants.healthy)
    assert len(found.counts) == RUNS
    for run, count in found.counts.items():
        assert count.events == {"item": ITEMS, "made": ITEMS, "checked": ITEMS * 9 // 10}
        assert count.dead == {"load": ITEMS // 50}
        assert faults(found.rows[run], count) == []
    assert {row["status"] for row in found.rows.values()} == {"completed with dead letters"}
    assert (found.unbalanced, found.code) == ({}, 0), found.audit
    assert (found.audit["faults"], found.audit["rows"], found.audit["ahead"]) == ([], [], 0)


@pytest.mark.parametrize(
    ("mutant", "flight", "topics", "missing_in_books", "missing_in_topics"),
    [
        (mutants.dropped, 1, ITEMS - 1, 0, 1),
        (mutants.doubled, -1, ITEMS + 1, 1, 0),
        (mutants.swapped, 0, ITEMS, 1, 1),
    ],
)
def test_one_event_of_10_000_is_caught_and_named(
    seen: Look,
    mutant: Callable[[pytest.MonkeyPatch], None],
    flight: int,
    topics: int,
    missing_in_books: int,
    missing_in_topics: int,
) -> None:
    found = seen(mutant)
    ((run, row),) = found.unbalanced.items()
    assert row["status"] == "running"
    for edge in ("made>load", "made>check"):
        assert in_flight(row["edges"][edge]) == flight
        assert row["edges"][edge]["differs"] != 0
    assert found.code == 1
    (fault,) = found.audit["faults"]
    assert (fault["run"], fault["edge"]) == (run, "made")
    assert (fault["topics"], fault["books"]) == (topics, ITEMS)
    assert len(fault["missing_in_books"]) == missing_in_books
    assert len(fault["missing_in_topics"]) == missing_in_topics
    assert found.audit["rows"] == []  # they say what the entries say


def test_a_lost_root_is_caught_by_the_audit_and_named(seen: Look) -> None:
    found = seen(mutants.root_lost)
    (lost,) = found.counts.keys() - found.rows.keys()
    assert found.unbalanced == {}
    assert found.code == 1
    assert found.audit["faults"] == [
        {
            "run": lost, "edge": "asked>plan", "topics": 1, "books": 0,
            "missing_in_books": [lost], "missing_in_topics": [],
        }
    ]  # fmt: skip


def test_an_offset_outside_of_the_transaction_is_caught(seen: Look) -> None:
    found = seen(mutants.offset_aside)
    assert found.unbalanced
    twice = {run for run, row in found.rows.items() if in_flight(row["edges"]["item>make"]) < 0}
    assert twice == found.unbalanced.keys()
    assert found.code == 1
    assert {(f["run"], f["edge"]) for f in found.audit["faults"]} == {
        (run, "item>make") for run in twice
    }
    assert all(f["books"] > f["topics"] for f in found.audit["faults"])


@pytest.mark.parametrize("mutant", [mutants.entry_lost, mutants.entry_doubled])
def test_a_bookkeeper_that_loses_or_doubles_an_entry_is_caught(
    seen: Look, mutant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    found = seen(mutant)
    assert found.unbalanced
    assert found.code == 1
    assert found.audit["faults"] == []  # entries and topics agree
    assert {f["run"] for f in found.audit["rows"]} == found.unbalanced.keys()
    assert all("the row differs from its entries in" in f["why"] for f in found.audit["rows"])
