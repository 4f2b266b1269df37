"""Do the events of a stage that is bypassed go on as they came, in their order?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from farandole.events.control_documents import ControlDocument
from farandole.events.event_position import EventPosition
from farandole.events.outcome import Outcome
from farandole.events.switch_document import Mode, SwitchDocument
from farandole.events.throttle_document import ThrottleDocument
from farandole.events.topology_version import BreakerPolicy, EventSpec, RetryPolicy, StageSpec
from farandole.ledger.entry_validation import parse_entry
from farandole.testing.memory_controls import MemoryControls
from tests.worker.made import In, Lane, Other, Out, bare, emitted, text_headers, version
from tests.worker.test_retry_queue import Clock, Table, key


def never(event: In) -> Out:
    raise AssertionError("it was called")


async def never_awaited(event: In) -> Out:
    raise AssertionError("it was called")


def never_several(event: In) -> Iterator[Out]:
    raise AssertionError("it was called")


async def never_streamed(event: In) -> AsyncIterator[Out]:
    raise AssertionError("it was called")
    yield


class Switch:
    """The control topic of the stage's pipeline."""

    def __init__(self, mode: Mode, clock: Any = lambda: 1_000_000.0) -> None:
        self._table = MemoryControls(clock)
        self.controls = self._table.state(version()).of_stage("stage")
        self.to(mode)

    def to(self, mode: Mode) -> None:
        self.write(SwitchDocument(pipeline="p", stage="stage", mode=mode))

    def write(self, control: ControlDocument) -> None:
        self._table.write(control)


def bypassed(function: Any, **more: Any) -> Lane:
    return Lane(function, controls=Switch("bypass").controls, **more)


ODD = b'{"n": 1.50,  "more": [1e2, "\\u00e9"] }'


@pytest.mark.parametrize("function", [never, never_awaited, never_several, never_streamed])
@pytest.mark.parametrize("threads", [0, 1])
async def test_its_bytes_are_those_of_the_event_and_all_else_is_as_of_a_result(
    function: Any, threads: int
) -> None:
    pool = ThreadPoolExecutor(1) if threads and function in (never, never_several) else None
    lane = bypassed(function, threads=pool)
    done = await lane.handle(bare(ODD, 7, key=b"k"), emitted(8))
    first, second = done.of("p.out")
    assert (first.key, first.value) == (b"k", ODD)
    assert orjson.loads(second.value or b"") == {"n": 8}
    headers = text_headers(first)
    assert (headers["ce_type"], headers["ce_id"]) == ("out", "in/0/7/0")
    assert headers["ce_source"].endswith("/p/stage")
    assert EventPosition.parse(headers["ce_id"]).offset == 7
    assert (done.count(Outcome.BYPASSED), done.counters.emitted) == (2, 2)


@pytest.mark.parametrize("mode", ["on", "bypass"])
async def test_the_books_say_how_it_was_settled_and_under_which_switch(mode: Mode) -> None:
    stage = StageSpec(run="m:f", subscribes=("in",), emits=("out",))
    booked = version(stages={"stage": stage}).model_copy(update={"ledger": 1})

    def doubled(event: In) -> Out:
        return Out(n=2 * event.n)

    lane = Lane(doubled, controls=Switch(mode).controls, versions=[booked])
    done = await lane.handle(*(bare(offset=n) for n in range(3)))
    entries = [parse_entry(each.value) for each in done.of("ledger")]
    settled = [part["in"]["in"] for entry in entries if entry for part in entry["runs"]]
    assert sum(each["n"] for each in settled) == 3
    assert sum(each.get("bypassed", 0) for each in settled) == (3 if mode == "bypass" else 0)
    names = ["switch/stage=bypass@0"] if mode == "bypass" else None
    assert {str(entry and entry.get("controls")) for entry in entries} == {str(names)}


async def test_the_key_is_read_by_the_rule_of_the_output() -> None:
    done = await bypassed(never, emits=["keyed"]).handle(
        bare({"n": 1, "household": 17}, 1, key=b"other"), bare({"n": 2}, 2, key=b"other")
    )
    assert [record.key for record in done.of("p.keyed")] == [b"17", None]


async def test_a_filter_still_decides() -> None:
    lane = bypassed(never, when={"in": "data.n > 1"})
    done = await lane.handle(bare(offset=1), bare(offset=2))
    assert (done.count(Outcome.FILTERED), done.count(Outcome.BYPASSED)) == (1, 1)
    assert [record["n"] for record in done.data()] == [2]


async def test_what_is_no_json_is_a_dead_letter_as_in_any_stage() -> None:
    done = await bypassed(never).handle(bare(b"{", 1), bare(offset=2))
    assert (done.count(Outcome.DEAD), done.count(Outcome.BYPASSED)) == (1, 1)


def both(event: In) -> Out | Other:
    return Out(n=event.n)


def batch(events: list[In]) -> list[Out]:
    return [Out(n=event.n) for event in events]


@pytest.mark.parametrize(("function", "emits"), [(both, ["out", "other"]), (batch, ["out"])])
async def test_where_it_does_not_fit_the_stage_is_as_if_nobody_had_switched_it(
    function: Any, emits: list[str]
) -> None:
    done = await bypassed(function, emits=emits).handle(bare(offset=1))
    assert (done.count(Outcome.BYPASSED), len(done.of("p.out"))) == (0, 1)


async def test_events_of_a_version_that_does_not_allow_it_are_handled() -> None:
    narrow = EventSpec(
        topic="p.in",
        partitions=4,
        boundaries=(10, 10, 10, 10),
        data_schema={"type": "object", "properties": {"n": {"type": "string"}}},
    )
    wanted = EventSpec(
        topic="p.out",
        partitions=4,
        data_schema={"type": "object", "properties": {"n": {"type": "string"}}},
    )
    loose = narrow.model_copy(
        update={
            "boundaries": (0, 0, 0, 0),
            "data_schema": {"type": "object", "properties": {"n": {"type": "integer"}}},
        }
    )
    stage = {"stage": StageSpec(run="m:f", subscribes=("in",), emits=("out",))}
    versions = [
        version(1, stages=stage, events={"in": loose, "out": wanted}),
        version(2, stages=stage, events={"in": narrow, "out": wanted}),
    ]

    def doubled(event: In) -> Out:
        return Out(n=2 * event.n)

    done = await bypassed(doubled, versions=versions).handle(bare(offset=3), bare(offset=13))
    assert [record["n"] for record in done.data()] == [6, 13]
    assert done.count(Outcome.BYPASSED) == 1


async def test_the_rate_of_a_key_counts_for_what_is_bypassed_too() -> None:
    clock = Clock()
    switch = Switch("bypass", clock)
    switch.write(ThrottleDocument(pipeline="p", stage="stage", per_key="1/s"))
    lane = Lane(never, clock=clock, controls=switch.controls)
    table = Table(lane)
    waits = lane.work.deferred
    assert waits is not None
    for n in range(3):
        await table.handle(key(n))
    seen = []
    for _ in range(3):
        lane.work.on_idle()
        while waits.due():
            await table.again()
        seen.append(len(table.results))
        clock.now += 1
    assert table.results == [0, 1, 2]
    assert seen == [1, 2, 3]


async def test_what_is_parked_follows_at_once_in_its_order_and_an_open_breaker_closes() -> None:
    clock = Clock()
    switch = Switch("on", clock)

    def fails(event: In) -> Out:
        raise TimeoutError

    lane = Lane(
        fails,
        clock=clock,
        controls=switch.controls,
        retry=RetryPolicy(attempts=5, backoff=300, max_backoff=300, jitter=0),
        breaker=BreakerPolicy(failures=2, window=10, probe=30, longest=30),
    )
    table = Table(lane)
    await table.handle(*(key(n) for n in range(4)), key(10, b"a"))
    waits = lane.work.deferred
    assert waits is not None
    assert (table.results, waits.is_full(), waits.due()) == ([], True, ())
    switch.to("bypass")
    lane.work.on_hold()
    assert not waits.is_full()
    while table.waiting:
        assert await table.again()
    await table.handle(key(4))
    assert [n for n in table.results if n < 10] == [0, 1, 2, 3, 4]
    assert sorted(table.results) == [0, 1, 2, 3, 4, 10]
    assert [alert.state for alert in table.alerts] == ["firing", "resolved"]
    switch.to("on")
    await table.handle(key(5))
    assert (len(table.results), table.waiting) == (6, [5])
    assert not waits.due()
