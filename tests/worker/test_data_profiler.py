"""Which events does a lane say to be in which profile?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest

from farandole.events.check_spec import CheckSpec, ProfileSpec
from farandole.events.record import Record
from farandole.events.retry_record import REPLAY_PREFIX, ParkedEvent, make_retry_row
from farandole.events.topology_version import QUALITY_FORMAT, RetryPolicy, StageSpec
from tests.worker.checked import ODD, order
from tests.worker.made import (
    EVENTS,
    ONCE,
    RETRY,
    In,
    Lane,
    LaneResult,
    Out,
    bare,
    emitted,
    version,
)
from tests.worker.test_bypass import Switch
from tests.worker.test_retry_queue import Clock

RUN = "b" * 13
MINUTE = 60_000


def echo(event: In) -> Out:
    if event.n < 0:
        raise ValueError("below zero")
    return Out(n=event.n)


async def echo_slowly(event: In) -> Out:
    return echo(event)


def profiling_lane(
    function: Any = echo,
    *,
    per: float | None = None,
    checks: Mapping[str, CheckSpec] | None = None,
    retry: RetryPolicy = ONCE,
    **how: Any,
) -> Lane:
    """A lane of a stage that profiles its input, for each run or for windows of `per` seconds."""
    event = EVENTS["in"].model_copy(
        update={"profile": ProfileSpec(per=per), "checks": checks or {}}
    )
    stage = StageSpec(run="m:f", subscribes=("in",), emits=("out",), retry=retry)
    made = version(stages={"stage": stage}, events={"in": event}, format=QUALITY_FORMAT)
    return Lane(function, versions=[made.model_copy(update={"ledger": 1})], **how)


def profiles(done: LaneResult, figure: str = "rows") -> dict[Any, tuple[int, int, int]]:
    """How many rows each profile has: consumed, died, and mended, by run or begin of its window."""
    found = {}
    for entry in map(orjson.loads, [each.value or b"" for each in done.of("ledger")]):
        for delta in entry.get("profiles", ()):
            counts = (delta.get(part, {}).get(figure, 0) for part in ("profile", "died"))
            found[delta.get("run", delta.get("window"))] = *counts, delta.get("mended", 0)
    return found


async def test_the_events_of_a_transaction_are_in_the_profiles_of_their_runs() -> None:
    lane = profiling_lane()
    done = await lane.handle(
        emitted(1), emitted(2, run=RUN), emitted(3, data={"n": -1}), emitted(4, data=b"no JSON")
    )
    assert profiles(done) == {"a" * 13: (2, 1, 0), RUN: (1, 0, 0)}
    assert profiles(done, "unreadable") == {"a" * 13: (1, 1, 0), RUN: (0, 0, 0)}


async def test_an_async_stage_says_the_same_of_its_events() -> None:
    records = [emitted(1), emitted(2, run=RUN), emitted(3, data={"n": -1})]
    slow = await profiling_lane(echo_slowly).handle(*records)
    assert profiles(slow) == profiles(await profiling_lane().handle(*records))


async def test_each_event_is_in_the_window_of_its_time() -> None:
    lane = profiling_lane(per=60.0, clock=lambda: 600.0)
    times = [3 * MINUTE, 4 * MINUTE, 4 * MINUTE + 1, 3 * MINUTE + 59_999]
    done = await lane.handle(*[emitted(at, timestamp=ms) for at, ms in enumerate(times)])
    assert profiles(done) == {3 * MINUTE: (2, 0, 0), 4 * MINUTE: (2, 0, 0)}


async def test_an_event_of_a_version_that_was_never_published_counts_where_it_dies() -> None:
    """Books and audit take it as a root at its position."""
    done = await profiling_lane().handle(emitted(1, of="p@7"))
    assert [*profiles(done).values()] == [(1, 1, 0)]


def replays(event: ParkedEvent, *repaired: int) -> list[Record]:
    """The rows of replays of an event in the retry topic."""
    rows = [make_retry_row(event._replace(repaired=each), REPLAY_PREFIX) for each in repaired]
    return [bare(row.value, at, key=row.key)._replace(topic=RETRY) for at, row in enumerate(rows)]


@pytest.mark.parametrize("headers", [(), tuple(emitted(1).headers)], ids=["root", "emitted"])
async def test_a_replay_counts_once_more_if_a_person_has_changed_its_data(headers: Any) -> None:
    lane = profiling_lane(clock=Clock())
    event = ParkedEvent("p.in", 0, 1, b'{"n":5}', None, headers, 0, replays=1)
    done = LaneResult()
    done.add(await lane.work.handle(replays(event, 1, 0)))
    assert [*profiles(done).values()] == [(1, 0, 1)]


async def test_a_changed_event_of_a_version_that_was_never_published_counts_too() -> None:
    lane = profiling_lane(clock=Clock())
    headers = tuple(emitted(1, of="p@7").headers)
    event = ParkedEvent("p.in", 0, 1, b'{"n":5}', None, headers, 0, replays=1)
    done = LaneResult()
    done.add(await lane.work.handle(replays(event, 1)))
    assert [*profiles(done).values()] == [(1, 0, 1)]


@pytest.mark.parametrize("record", [bare({"n": 5}, 1), emitted(1, data={"n": 5})])
@pytest.mark.parametrize(
    ("do", "counted"), [("release", (1, 0, 0)), ("mend", (2, 0, 1)), ("discard", (1, 1, 0))]
)
async def test_a_row_that_waits_counts_when_it_comes_and_if_it_is_mended(
    record: Record, do: Any, counted: tuple[int, int, int]
) -> None:
    clock = Clock()
    lane = profiling_lane(checks={"odd": ODD}, clock=clock)
    found = await settled(lane, [record], [order(do, "p.in/0/1", data=b'{"n":6}')], clock=clock)
    assert [*found.values()] == [counted]


async def test_an_event_counts_where_it_is_tried_first_and_where_it_dies() -> None:
    clock, retry = Clock(), RetryPolicy(attempts=3, backoff=1, max_backoff=1)
    records = [emitted(1, data={"n": -1}, key=b"a"), emitted(2, key=b"b")]
    lane = profiling_lane(retry=retry, clock=clock)
    found = await settled(lane, records, clock=clock)
    assert found == {"a" * 13: (2, 1, 0)}


async def test_what_no_function_gets_counts_as_it_came() -> None:
    cancelled = profiling_lane(cancelled=lambda: {b"a" * 13})
    assert await settled(cancelled, [emitted(1), emitted(2, run=RUN)]) == {
        "a" * 13: (1, 0, 0),
        RUN: (1, 0, 0),
    }
    passed = profiling_lane(controls=Switch("bypass").controls)
    assert await settled(passed, [emitted(1), emitted(2)]) == {"a" * 13: (2, 0, 0)}


async def test_an_event_at_which_the_process_died_counts_as_consumed_and_dead() -> None:
    done = LaneResult()
    done.add(await profiling_lane().work.give_up(emitted(1), 3))
    assert profiles(done) == {"a" * 13: (1, 1, 0)}


async def settled(
    lane: Lane, *batches: Sequence[Record], clock: Clock | None = None
) -> dict[Any, tuple[int, ...]]:
    """The sum of the profiles after these batches and all further tries; `clock` is the lane's."""
    found: dict[Any, tuple[int, ...]] = {}
    left = [*batches]
    while left:
        done = LaneResult()
        done.add(await lane.work.handle(left.pop(0)))
        for name, counts in profiles(done).items():
            found[name] = tuple(map(sum, zip(found.get(name, (0, 0, 0)), counts, strict=True)))
        if not left and clock is not None and lane.work.deferred is not None:
            clock.now += 60
            left += [due] if (due := lane.work.deferred.due()) else []
    return found
