"""Do the books show every mistake that breaks exactly-once?

Two things check a run. Its *row* compares the emitted with the consumed events, as the entries
count them: a run with a mistake never balances, so it never completes. The *audit* compares the
entries with the topics, and the rows with the entries. What each of them finds:

  - *An offset outside of the transaction*: events are settled twice, with their results and
  entries. Topics and entries agree on the results, which are there twice. But the stage has
  consumed more events than were emitted to it, so the row does not balance, and the audit finds
  more entries than input. (A run that was complete before its events were settled again stays
  closed, out of balance.) - *An event that is dropped, doubled or swapped* on the way to its topic:
  the entry counts the event as it should be, and the next stage counts the event that is there. So
  the two sides of the row differ, by count, or by hash alone if one event replaces another. The
  audit finds the difference at the emitted side, and names the events. - *A lost root*: nothing was
  counted, so there is no row. Only the topic shows that the root exists before the committed
  offset, so only the audit can find it. - *A bookkeeper that loses or doubles an entry*: the
  entries agree with the topics. The row does not balance, and the audit, which folds the entries
  again, reports that the row is wrong and the data are right.
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
from farandole.worker.control_follower import follow_control_state
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

RUNS, ITEMS = 4, 250


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return linked(tmp_path)


class Seen(NamedTuple):
    rows: dict[str, RunRow]
    counts: dict[str, Count]
    unbalanced: dict[str, RunRow]
    """The rows that are out of balance."""
    code: int
    audit: Any


async def worked(settings: Settings, folder: Path) -> tuple[dict[str, RunRow], dict[str, Count]]:
    """Send 1,000 events through all stages without a bookkeeper, then run one."""
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
    # No process is killed here, and a slow one on a busy machine must not count as dead.
    settings = settings.model_copy(update={"session_timeout": 20.0})

    def seen(mutant: Callable[[pytest.MonkeyPatch], None]) -> Seen:
        with monkeypatch.context() as patch:
            mutant(patch)
            found, counts = asyncio.run(worked(settings, folder))
        code, report = audited(settings, folder)
        unbalanced = {run: row for run, row in found.items() if not edges_balance(row["edges"])}
        return Seen(found, counts, unbalanced, code, report)

    return seen


Look = Callable[[Callable[[pytest.MonkeyPatch], None]], Seen]


def test_events_flow_without_a_bookkeeper_which_catches_up_later(seen: Look) -> None:
    """This is the control experiment for all mutants."""
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
def test_one_wrong_event_of_1_000_is_found_and_named(
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
    assert found.audit["rows"] == []  # the rows agree with the entries


def test_a_lost_root_is_found_and_named_by_the_audit(seen: Look) -> None:
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


def test_an_offset_outside_of_the_transaction_is_found(seen: Look) -> None:
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
def test_a_bookkeeper_that_loses_or_repeats_an_entry_is_found(
    seen: Look, mutant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    found = seen(mutant)
    assert found.unbalanced
    assert found.code == 1
    assert found.audit["faults"] == []  # entries and topics agree
    assert {f["run"] for f in found.audit["rows"]} == found.unbalanced.keys()
    assert all("the row differs from its entries in" in f["why"] for f in found.audit["rows"])
