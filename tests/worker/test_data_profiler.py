"""Which events does a lane say to be in which profile?"""

from __future__ import annotations

from typing import Any

import orjson

from farandole.events.check_spec import ProfileSpec
from farandole.events.retry_record import REPLAY_PREFIX, ParkedEvent, make_retry_row
from farandole.events.topology_version import QUALITY_FORMAT, RetryPolicy, StageSpec
from tests.worker.made import EVENTS, RETRY, In, Lane, LaneResult, Out, bare, emitted, version

RUN = "b" * 13
MINUTE = 60_000


def echo(event: In) -> Out:
    if event.n < 0:
        raise ValueError("below zero")
    return Out(n=event.n)


async def echo_slowly(event: In) -> Out:
    return echo(event)


def profiling_lane(function: Any = echo, *, per: float | None = None, **how: Any) -> Lane:
    """A lane of a stage that profiles its input, for each run or for windows of `per` seconds."""
    event = EVENTS["in"].model_copy(update={"profile": ProfileSpec(per=per)})
    stage = StageSpec(run="m:f", subscribes=("in",), emits=("out",), retry=RetryPolicy(attempts=1))
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


async def test_what_a_person_has_mended_is_a_row_more_and_a_second_try_is_none() -> None:
    lane = profiling_lane(clock=lambda: 600.0)
    event = ParkedEvent("p.in", 0, 1, b'{"n":5}', None, tuple(emitted(1).headers), 0, replays=1)
    rows = [make_retry_row(event._replace(repaired=n), REPLAY_PREFIX) for n in (1, 0)]
    records = [
        bare(row.value, at, key=row.key)._replace(topic=RETRY) for at, row in enumerate(rows)
    ]
    done = LaneResult()
    done.add(await lane.work.handle(records))
    assert profiles(done) == {"a" * 13: (1, 0, 1)}
