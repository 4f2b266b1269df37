"""Does a function of a list get whole batches, and do only the failing events of one die?"""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.outcome import Outcome
from farandole.events.topology_version import RetryPolicy
from farandole.stages.contract import Context, Reject
from farandole.worker.limits import MAX_BATCH
from tests.worker.made import ONCE, PATIENT, In, Lane, Out, bare, emitted, text_headers


class Table:
    """A sink that refuses some rows, and remembers its calls."""

    def __init__(self, refused: set[int], error: Exception) -> None:
        self.refused, self.error = refused, error
        self.calls: list[list[int]] = []
        self.loaded: list[int] = []

    def load(self, events: list[In]) -> None:
        self.calls.append([e.n for e in events])
        if any(e.n in self.refused for e in events):
            raise self.error
        self.loaded += [e.n for e in events]


def lane_of(table: Table, retry: RetryPolicy = ONCE) -> Lane:
    def load(events: list[In]) -> None:
        table.load(events)

    return Lane(load, emits=[], retry=retry)


async def test_a_batch_is_one_call() -> None:
    table = Table(set(), ValueError())
    outcome = await lane_of(table).handle(*(bare({"n": n}, offset=n) for n in range(500)))
    assert table.calls == [list(range(500))]
    assert (
        outcome.counters.consumed,
        outcome.count(Outcome.DROPPED),
        outcome.writes,
    ) == (500, 0, {})


async def test_a_long_batch_is_cut() -> None:
    table = Table(set(), ValueError())
    await lane_of(table).handle(*(bare({"n": n}, offset=n) for n in range(MAX_BATCH + 7)))
    assert [len(call) for call in table.calls] == [MAX_BATCH, 7]


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(1, 64),
    failing=st.sets(st.integers(0, 63)),
    final=st.booleans(),
    attempts=st.integers(1, 3),
)
def test_only_the_failing_events_die(
    count: int, failing: set[int], final: bool, attempts: int
) -> None:
    failing = {n for n in failing if n < count}
    table = Table(failing, Reject("no") if final else ValueError("no"))
    retry = RetryPolicy(attempts=attempts, backoff=0)
    records = [bare({"n": n}, offset=n) for n in range(count)]
    outcome = asyncio.run(lane_of(table, retry).handle(*records))
    assert {int(d["offset"]) for d in outcome.dead} == failing
    assert len(outcome.dead) == len(failing)
    assert sorted(table.loaded) == sorted(set(range(count)) - failing)
    halvings = math.ceil(math.log2(count)) if count > 1 else 0
    assert len(table.calls) <= attempts + 2 * len(failing) * halvings


async def test_a_batch_that_fails_for_a_while_is_tried_again_whole() -> None:
    table = Table({3}, ConnectionError("away"))

    def load(events: list[In], context: Context) -> None:
        if context.attempt == 3:
            table.refused = set()
        table.load(events)

    outcome = await Lane(load, emits=[], retry=PATIENT).handle(
        *(bare({"n": n}, offset=n) for n in range(8))
    )
    assert table.calls == [list(range(8))] * 3
    assert outcome.dead == []


async def test_unreadable_events_do_not_reach_the_function() -> None:
    table = Table(set(), ValueError())
    records = [bare(b"{" if n % 3 == 1 else {"n": n}, offset=n) for n in range(9)]
    outcome = await lane_of(table).handle(*records)
    assert table.calls == [[0, 2, 3, 5, 6, 8]]
    assert [d["offset"] for d in outcome.dead] == ["1", "4", "7"]
    assert {d["error"] for d in outcome.dead} == {"Unreadable"}


def summed(events: list[In]) -> Out:
    return Out(n=sum(e.n for e in events))


async def test_what_a_batch_emits_names_all_its_causes() -> None:
    outcome = await Lane(summed).handle(*(emitted(n, run="b" * 13) for n in range(4, 9)))
    (headers,) = [text_headers(o) for o in outcome.of("p.out")]
    assert headers["ce_id"] == "in/0/4+4/0"
    assert headers["ce_runid"] == "b" * 13
    assert outcome.data() == [{"n": 4 + 5 + 6 + 7 + 8, "household": None}]


async def test_the_causes_of_a_batch_span_what_stands_between_them() -> None:
    """Markers of transactions take offsets; events that are tried again come in any order."""
    outcome = await Lane(summed).handle(*(emitted(n, run="b" * 13) for n in (6, 4, 9)))
    (headers,) = [text_headers(o) for o in outcome.of("p.out")]
    assert headers["ce_id"] == "in/0/4+5/0"


async def test_a_batch_that_emits_is_of_one_run() -> None:
    runs = ["a", "a", "b", "b", "b", "a"]
    outcome = await Lane(summed).handle(*(emitted(n, run=run * 13) for n, run in enumerate(runs)))
    found = [
        (text_headers(o)["ce_runid"][0], text_headers(o)["ce_id"]) for o in outcome.of("p.out")
    ]
    assert found == [("a", "in/0/0+1/0"), ("b", "in/0/2+2/0"), ("a", "in/0/5/0")]


async def test_a_batch_that_emits_nothing_may_be_of_many_runs() -> None:
    seen: list[Any] = []

    def load(events: list[In], context: Context) -> None:
        seen.append((len(events), context.run, context.attributes))

    lane = Lane(load, emits=[])
    await lane.handle(emitted(1, run="a" * 13), emitted(2, run="b" * 13))
    await lane.handle(emitted(1, run="a" * 13), emitted(2, run="a" * 13))
    assert seen == [(2, None, {}), (2, "a" * 13, {})]


async def test_many_results_of_a_batch_are_written() -> None:
    def doubled(events: list[In]) -> list[Out]:
        return [Out(n=2 * e.n) for e in events if e.n != 2]

    outcome = await Lane(doubled).handle(*(emitted(n) for n in range(1, 4)))
    assert sorted(d["n"] for d in outcome.data()) == [2, 6]
    assert {text_headers(o)["ce_id"] for o in outcome.of("p.out")} == {"in/0/1+2/0", "in/0/1+2/1"}


async def test_a_batch_without_results_drops_all_of_its_events() -> None:
    def silent(events: list[In]) -> Out | None:
        return None

    outcome = await Lane(silent).handle(*(emitted(n) for n in range(1, 4)))
    assert (outcome.count(Outcome.DROPPED), outcome.counters.emitted) == (3, 0)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_batch_may_be_awaited(asynchronous: bool) -> None:
    async def awaited(events: list[In]) -> list[Out]:
        await asyncio.sleep(0)
        return [Out(n=e.n) for e in events]

    def plain(events: list[In]) -> list[Out]:
        return [Out(n=e.n) for e in events]

    outcome = await Lane(awaited if asynchronous else plain).handle(emitted(1), emitted(2))
    assert sorted(d["n"] for d in outcome.data()) == [1, 2]
