"""What happens to an event that fails and may be parked, and to the events of its key behind it?"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.alert_record import Alert
from farandole.events.header_codec import decode_headers
from farandole.events.ledger_entry import LedgerEntry
from farandole.events.record import OutgoingRecord
from farandole.events.retry_record import (
    REPLAY_PREFIX,
    ParkedEvent,
    make_retry_row,
    parse_retry_row,
    to_parked_event,
)
from farandole.events.row_format import NewerFormatError
from farandole.events.switch_document import SwitchDocument
from farandole.events.topology_version import BreakerPolicy, EventSpec, RetryPolicy, StageSpec
from farandole.lanes.lane_work import BatchResult
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.testing.memory_controls import MemoryControls
from farandole.worker.breaker_alerts import BREAKER_ROW_KEY, read_breaker_row
from farandole.worker.limits import MAX_PARKED_BYTES, MAX_RECORD_BYTES
from farandole.worker.parked_memory import ParkedMemory
from farandole.worker.retry_policy import backoff_seconds, is_exhausted, is_retryable
from farandole.worker.stage_controls import StageControls
from tests.worker.made import RETRY, In, Lane, Out, account, bare, emitted, version

THRICE = RetryPolicy(attempts=3, backoff=1.0, jitter=0.0)
NEVER_OPEN = BreakerPolicy(failures=10**6)


class Clock:
    """Seconds of the epoch, that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Table:
    """The lane's partition of the retry topic, and all else that was committed."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.rows: dict[bytes, bytes] = {}
        self.written: dict[str, list[OutgoingRecord]] = {}
        self.entries: list[LedgerEntry] = []
        lane.work.open({RETRY: {}})

    async def handle(self, *records: Any) -> int:
        done = await self.lane.work.handle(records)
        self.commit(done)
        self.lane.work.on_commit(done, {})
        return done.settled

    async def again(self) -> list[Any]:
        """Handle what is due; what that was."""
        assert self.lane.work.deferred
        due = list(self.lane.work.deferred.due())
        if due:
            await self.handle(*due)
        return due

    def commit(self, done: BatchResult) -> None:
        for place, out in done.writes.items():
            self.written.setdefault(place.topic, []).extend(out)
            for each in out:
                if place.topic == RETRY and each.value is None:
                    self.rows.pop(each.key or b"", None)
                elif place.topic == RETRY:
                    self.rows[each.key or b""] = each.value or b""
                elif place.topic == "ledger":
                    self.entries.append(orjson.loads(each.value or b""))

    def taken_over(self, lane: Lane) -> Table:
        """By another process, which reads what was committed."""
        after = Table(lane)
        after.rows, after.written, after.entries = self.rows, self.written, self.entries
        lane.work.open({RETRY: dict(self.rows)})
        return after

    @property
    def waiting(self) -> list[int]:
        return [
            parse_retry_row(value).offset
            for key, value in sorted(self.rows.items())
            if key != b"held" and not key.startswith(b"alert/")
        ]

    @property
    def results(self) -> list[int]:
        return [orjson.loads(o.value or b"")["n"] for o in self.written.get("p.out", ())]

    @property
    def dead(self) -> list[dict[str, str]]:
        return [account(letter) for letter in self.written.get("p.stage.dead", ())]

    @property
    def alerts(self) -> list[Alert]:
        return [Alert.model_validate_json(o.value or b"") for o in self.written.get("alerts", ())]


class Dependency:
    """Fails for some events, or for all, until it does not."""

    def __init__(self) -> None:
        self.fails: Callable[[int], bool] = lambda n: False
        self.asked: list[int] = []
        self.error: Exception = TimeoutError("nobody answers")

    def function(self, event: In) -> Out:
        self.asked.append(event.n)
        if self.fails(event.n):
            raise self.error
        return Out(n=event.n)


def key(n: int, key: bytes | None = b"k", **more: Any) -> Any:
    return bare({"n": n}, offset=n, key=key, **more)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def there() -> Dependency:
    return Dependency()


def lane_of(
    there: Dependency,
    clock: Clock,
    retry: RetryPolicy = THRICE,
    breaker: BreakerPolicy = NEVER_OPEN,
    controls: StageControls | None = None,
) -> Lane:
    return Lane(there.function, retry=retry, clock=clock, breaker=breaker, controls=controls)


async def test_a_failed_event_waits_and_later_events_of_its_key_wait_behind_it(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock))
    there.fails = lambda n: n == 1
    assert await table.handle(key(1), key(2, b"other"), key(3), key(4, None)) == 4
    assert (sorted(table.results), table.waiting) == ([2, 4], [1, 3])
    assert there.asked == [1, 2, 4]


async def test_it_is_tried_again_when_its_time_has_come_and_the_others_follow_in_order(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock))
    there.fails = lambda n: n == 1
    await table.handle(key(1), key(2), key(3))
    there.fails = lambda n: False
    assert await table.again() == []
    clock.now += 1
    while await table.again():
        pass
    assert (table.results, table.rows, there.asked) == ([1, 2, 3], {}, [1, 1, 2, 3])


async def test_events_without_a_key_wait_alone(there: Dependency, clock: Clock) -> None:
    table = Table(lane_of(there, clock))
    there.fails = lambda n: n == 1
    await table.handle(key(1, None), key(2, None))
    assert (table.results, table.waiting) == ([2], [1])


async def test_an_event_that_used_up_its_tries_dies_with_their_number(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock))
    there.fails = lambda n: True
    await table.handle(key(1))
    for _ in range(3):
        clock.now += 9
        await table.again()
    (dead,) = table.dead
    assert (dead["attempts"], dead["error"], table.rows) == ("3", "TimeoutError", {})
    assert dead["first_failed"] < dead["last_failed"]


async def test_a_key_that_always_fails_is_gone_through_with_one_try_each(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock))
    there.fails = lambda n: n <= 100
    await table.handle(*(key(n) for n in range(1, 101)))
    for n in range(200, 240):  # the other keys of the lane go on succeeding
        clock.now += 0.5
        await table.handle(key(n, b"other"))
        await table.again()
    assert [d["attempts"] for d in table.dead] == ["3"] * 3 + ["2"] + ["1"] * 96
    assert table.rows == {}


async def test_a_key_that_fails_while_nothing_succeeds_gets_all_of_its_tries(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock))
    await table.handle(key(100, b"other"))
    there.fails = lambda n: True
    await table.handle(*(key(n) for n in range(1, 11)))
    while table.waiting:
        clock.now += 0.1
        await table.again()
    assert [d["attempts"] for d in table.dead] == ["3"] * 10


SHIPPED = RetryPolicy()


async def test_a_short_outage_kills_no_event_of_a_busy_lane_after_one_try(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock, SHIPPED, BreakerPolicy()))
    waits = table.lane.work.deferred
    assert waits
    numbers, pending = itertools.count(1), list[Any]()
    outage = clock.now + 11, clock.now + 31
    there.fails = lambda n: outage[0] <= clock.now < outage[1]
    while clock.now < outage[1] + 40:
        for _ in range(5):
            if await table.again() == []:
                break
            clock.now += 0.001
        if not waits.is_full():
            pending = pending or [key(n, b"%d" % (n % 4)) for n in islice(numbers, 40)]
            pending = pending[await table.handle(*pending) :]
        clock.now += 0.05
    assert {d["attempts"] for d in table.dead} <= {"3"}
    assert len(table.dead) < 200, "of 8,000 events that came during the outage"
    assert len(table.results) + len(table.dead) + len(pending) == next(numbers) - 1
    assert table.waiting == []


async def test_another_process_goes_on_with_the_parked_events(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock))
    there.fails = lambda n: True
    await table.handle(key(1), key(2))
    clock.now += 9
    await table.again()
    there.fails = lambda n: False
    after = table.taken_over(lane_of(there, clock))
    await after.handle(key(3))
    clock.now += 9
    while await after.again():
        pass
    assert (after.results, after.rows) == ([1, 2, 3], {})


def of_the_next_release(row: bytes, **more: object) -> bytes:
    account, _, value = row.partition(b"\n")
    return orjson.dumps(orjson.loads(account) | more) + b"\n" + value


async def test_an_event_that_the_next_release_has_parked_is_handled(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock))
    there.fails = lambda n: True
    await table.handle(key(1))
    (name,) = table.rows
    table.rows[name] = of_the_next_release(table.rows[name], invented_later=1)
    after = table.taken_over(lane_of(there, clock))
    clock.now += 9
    await after.again()
    assert orjson.loads(after.rows[name].partition(b"\n")[0])["invented_later"] == 1
    there.fails = lambda n: False
    clock.now += 9
    await after.again()
    assert (after.results, after.rows) == ([1], {})


async def test_an_event_of_a_topic_that_was_created_again_replaces_no_waiting_one(
    there: Dependency, clock: Clock
) -> None:
    """Both stand at the same position, each in its topic of that name."""
    table = Table(lane_of(there, clock))
    there.fails = lambda n: True
    await table.handle(bare({"n": 1}, offset=5, key=b"a"))
    stage = table.lane.stage
    again = EventSpec(topic="p.in", partitions=4, boundaries=(0, 0, 0, 0), life=2)
    versions = [
        version(1, stages={"stage": stage}),
        version(2, stages={"stage": stage}, events={"in": again}),
    ]
    lane = Lane(there.function, retry=THRICE, clock=clock, versions=versions)
    after = table.taken_over(lane)
    await after.handle(bare({"n": 2}, offset=5, key=b"b"))
    assert sorted(after.rows) == [b"parked/p.in/0/5", b"parked/p.in~2/0/5"]
    there.fails = lambda n: False
    clock.now += 9
    last = after.taken_over(Lane(there.function, retry=THRICE, clock=clock, versions=versions))
    while await last.again():
        pass
    assert (sorted(last.results), last.rows) == ([1, 2], {})


async def test_a_lane_does_not_open_over_an_event_that_it_cannot_read(
    there: Dependency, clock: Clock
) -> None:
    """It would wait for nobody, and later events of its key would overtake it."""
    table = Table(lane_of(there, clock))
    there.fails = lambda n: True
    await table.handle(key(1))
    (name,) = table.rows
    table.rows[name] = of_the_next_release(table.rows[name], format=9)
    with pytest.raises(NewerFormatError, match="retry row has format 9"):
        table.taken_over(lane_of(there, clock))
    order = of_the_next_release(make_retry_row(to_parked_event(key(2))).value or b"", format=9)
    with pytest.raises(NewerFormatError, match="retry row has format 9"):
        await table.handle(SimulatedRecord(RETRY, 0, 1, order, b"replay/p.in/0/2"))


async def test_a_parked_event_is_counted_when_it_is_parked_and_when_it_is_settled(
    there: Dependency, clock: Clock
) -> None:
    stage = StageSpec(
        run="m:f", subscribes=("in",), emits=("out",), retry=THRICE, breaker=NEVER_OPEN
    )
    booked = version(stages={"stage": stage}).model_copy(update={"ledger": 1})
    table = Table(Lane(there.function, versions=[booked], clock=clock))
    there.fails = lambda n: n == 1
    await table.handle(key(1), key(2))
    clock.now += 1
    there.fails = lambda n: n == 2
    while await table.again():
        clock.now += 9
    ins = [part["in"]["in"] for entry in table.entries for part in entry["runs"]]
    assert sum(each["n"] for each in ins) == 2
    assert sum(each.get("parked", 0) for each in ins) == 0
    assert sum(each.get("dead", 0) for each in ins) == 1
    assert [each.get("parked") for each in ins][:2] == [1, 1]


async def test_a_replay_is_parked_once_and_rows_of_the_lane_itself_are_skipped(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock))
    event = to_parked_event(key(5))._replace(before=3, replays=1, first_failed=7)
    order = make_retry_row(event, REPLAY_PREFIX)
    own = make_retry_row(event._replace(offset=6))
    records = [
        SimulatedRecord(RETRY, 0, offset, out.value, out.key)
        for offset, out in enumerate(
            [order, own, OutgoingRecord(own.key, None), OutgoingRecord(b"x", b"y")]
        )
    ]
    table.rows[order.key or b""] = order.value or b""
    assert await table.handle(*records, key(9, b"other")) == 5
    assert (table.waiting, table.results) == ([5], [9])
    there.fails = lambda n: True
    for _ in range(3):
        clock.now += 9
        await table.again()
    (dead,) = table.dead
    assert (dead["attempts"], dead["offset"]) == ("6", "5")
    assert dead["first_failed"].startswith("1970")


async def test_at_the_cap_no_further_input_is_taken(there: Dependency, clock: Clock) -> None:
    table = Table(lane_of(there, clock, THRICE.model_copy(update={"parked": 5})))
    there.fails = lambda n: True
    waits = table.lane.work.deferred
    assert waits
    for n in range(1, 6):
        assert not waits.is_full()
        await table.handle(key(n, b"%d" % n))
    assert waits.is_full()
    there.fails = lambda n: False
    clock.now += 9
    await table.again()
    assert not waits.is_full()
    assert sorted(table.results) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("many", [False, True])
async def test_not_even_one_fetch_takes_more_than_the_cap(clock: Clock, *, many: bool) -> None:
    def one(event: In) -> None:
        raise TimeoutError("no")

    def all_(events: list[In]) -> None:
        raise TimeoutError("no")

    policy = THRICE.model_copy(update={"parked": 5})
    table = Table(Lane(all_ if many else one, emits=(), retry=policy, clock=clock))
    assert await table.handle(*(key(n, b"%d" % n) for n in range(100))) == 5
    assert len(table.waiting) == 5
    clock.now += 60
    assert len(await table.again()) == 5, "what waits is worked although the lane is full"


OPENS = BreakerPolicy(failures=5, share=0.5, probe=1.0, longest=8.0)


async def test_a_dependency_that_is_down_for_ten_minutes_kills_nothing(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock, breaker=OPENS))
    waits = table.lane.work.deferred
    assert waits
    there.fails = lambda n: True
    pending = [key(n, b"%d" % (n % 50)) for n in range(1, 2001)]
    down_until = clock.now + 600
    most = 0
    while pending or table.waiting:
        if clock.now >= down_until:
            there.fails = lambda n: False
        if not await table.again() and not waits.is_full() and pending:
            settled = await table.handle(*pending[:100])
            pending = pending[settled:]
        most = max(most, len(table.waiting))
        clock.now += 0.2
    assert table.dead == []
    assert most < 200
    by_key: dict[int, list[int]] = {}
    for n in table.results:
        by_key.setdefault(n % 50, []).append(n)
    assert all(found == sorted(found) for found in by_key.values())
    assert sorted(table.results) == list(range(1, 2001))
    assert [alert.state for alert in table.alerts] == ["firing", "resolved"]


async def test_an_open_breaker_is_taken_over_open_and_no_second_alert_is_sent(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock, breaker=OPENS))
    there.fails = lambda n: True
    await table.handle(*(key(n, None) for n in range(1, 50)))
    assert len(there.asked) == 5
    after = table.taken_over(lane_of(there, clock, breaker=OPENS))
    assert after.lane.work.deferred
    assert after.lane.work.deferred.is_full()
    clock.now += 2
    there.fails = lambda n: False
    await after.again()
    assert not after.lane.work.deferred.is_full()
    assert [alert.state for alert in after.alerts] == ["firing", "resolved"]
    assert {(alert.stage, alert.lane) for alert in after.alerts} == {("stage", 0)}


async def test_an_open_breaker_shows_the_newest_failure_and_alerts_nobody_again(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock, breaker=OPENS))
    there.fails = lambda n: True
    await table.handle(*(key(n, None) for n in range(1, 50)))
    opened = read_breaker_row(table.rows[BREAKER_ROW_KEY])
    assert opened
    assert opened.reason == "TimeoutError: nobody answers"
    there.error = ConnectionRefusedError("nobody listens")
    clock.now += 2
    await table.again()
    newest = read_breaker_row(table.rows[BREAKER_ROW_KEY])
    assert newest == opened._replace(reason="ConnectionRefusedError: nobody listens")
    clock.now += 60
    written = len(table.written[RETRY])
    await table.again()
    rows = [row for row in table.written[RETRY][written:] if row.key == BREAKER_ROW_KEY]
    assert rows == []  # the same failure is not written again
    assert [alert.state for alert in table.alerts] == ["firing"]


async def test_an_event_at_the_limit_of_size_can_wait_and_die(clock: Clock) -> None:
    def failing(event: In) -> Out:
        raise TimeoutError("x" * 10_000)

    table = Table(Lane(failing, retry=THRICE, clock=clock, breaker=NEVER_OPEN))
    large = b'{"n": 1, "more": "%b"}' % (b"x" * (MAX_RECORD_BYTES - 1000))
    sizes = []
    await table.handle(bare(large, offset=1, key=b"k"))
    while table.rows:
        sizes.append(len(next(iter(table.rows.values()))))
        clock.now += 9
        await table.again()
    assert len(table.dead) == 1
    assert max(sizes) - min(sizes) < 100, "what is said of it does not grow"
    assert max(sizes) < MAX_RECORD_BYTES + 64 * 1024


async def test_a_list_function_lets_its_failing_events_wait(clock: Clock) -> None:
    bad = {3}

    def many(events: list[In]) -> None:
        if any(event.n in bad for event in events):
            raise TimeoutError("no")
        seen.extend(event.n for event in events)

    seen: list[int] = []
    table = Table(Lane(many, emits=(), retry=THRICE, clock=clock, breaker=NEVER_OPEN))
    await table.handle(*(key(n, b"%d" % (n % 4)) for n in range(1, 9)))
    assert (sorted(seen), table.waiting) == ([1, 2, 4, 5, 6, 8], [3, 7])
    bad.clear()
    clock.now += 1
    while await table.again():
        pass
    assert (seen[-2:], table.rows) == ([3, 7], {})


class BatchTable:
    """A list stage whose events wait in a table; it fails for some events until told otherwise."""

    def __init__(self, clock: Clock, cancelled: set[bytes] | None = None) -> None:
        def load(events: list[In]) -> None:
            self.calls.append([event.n for event in events])
            if any(event.n in self.bad for event in events):
                raise TimeoutError("no")
            self.loaded += self.calls[-1]

        self.bad: set[int] = set()
        self.calls: list[list[int]] = []
        self.loaded: list[int] = []
        self.table = Table(
            Lane(
                load,
                emits=(),
                retry=THRICE,
                clock=clock,
                breaker=NEVER_OPEN,
                cancelled=lambda: cancelled or set(),
            )
        )

    async def park(self, records: Sequence[Any]) -> None:
        """Let all of them wait, because the dependency is down."""
        self.bad = {orjson.loads(record.value)["n"] for record in records}
        while records:
            records = records[await self.table.handle(*records) :]
        self.bad.clear()
        self.calls.clear()


async def test_parked_events_of_few_keys_are_handled_by_few_calls_of_a_list_function(
    clock: Clock,
) -> None:
    stage = BatchTable(clock)
    await stage.park([key(n, b"%d" % (n % 4)) for n in range(2_000)])
    clock.now += 9
    turns = 0
    while await stage.table.again():
        turns += 1
    assert (turns, len(stage.calls)) == (4, 4)
    for k in range(4):
        assert [n for n in stage.loaded if n % 4 == k] == list(range(k, 2_000, 4))
    assert stage.table.rows == {}


async def test_parked_events_of_cancelled_runs_are_settled_in_few_transactions(
    clock: Clock,
) -> None:
    cancelled: set[bytes] = set()
    stage = BatchTable(clock, cancelled)
    runs = ["a" * 13, "b" * 13]
    await stage.park([emitted(n, run=runs[n % 2], key=b"k") for n in range(1_000)])
    cancelled.add(b"a" * 13)
    clock.now += 9
    stage.bad = {1}  # the first event that is not cancelled: all behind it wait
    await stage.table.again()
    await stage.table.again()
    assert sorted(stage.table.waiting) == [*range(1, 500, 2), *range(500, 1_000)]
    assert stage.loaded == []
    stage.bad.clear()
    clock.now += 9
    while await stage.table.again():
        pass
    assert (stage.loaded, stage.table.rows) == ([*range(1, 1_000, 2)], {})


@settings(max_examples=60, deadline=None)
@given(
    keys=st.lists(st.sampled_from([b"a", b"b", None]), min_size=1, max_size=24),
    failures=st.lists(st.sets(st.integers(0, 23)), max_size=6),
    refused=st.sets(st.integers(0, 23), max_size=3),
)
def test_a_list_function_gets_parked_events_once_and_in_the_order_of_their_key(
    keys: list[bytes | None], failures: list[set[int]], refused: set[int]
) -> None:
    async def lived() -> None:
        clock = Clock()
        stage = BatchTable(clock)
        await stage.park([key(n, k) for n, k in enumerate(keys)])
        for bad in [*failures, set()] + [set()] * (3 * len(keys)):  # each is refused thrice
            stage.bad = bad | refused
            clock.now += 9
            await stage.table.again()
        dead = [int(letter["offset"]) for letter in stage.table.dead]
        assert sorted([*stage.loaded, *dead]) == list(range(len(keys)))
        for k in (b"a", b"b"):
            of_key = [n for n in stage.loaded if keys[n] == k]
            assert of_key == sorted(of_key)
        assert stage.table.rows == {}

    asyncio.run(lived())


def test_only_retryable_errors_are_tried_again() -> None:
    some = RetryPolicy(only=("OSError",))
    assert is_retryable(some, TimeoutError())
    assert not is_retryable(some, KeyError())
    assert not is_retryable(RetryPolicy(never=("LookupError",)), KeyError())
    assert is_retryable(RetryPolicy(), KeyError())


@given(st.integers(1, 100), st.floats(0, 100), st.floats(0, 100), st.floats(0, 1), st.randoms())
def test_a_wait_is_bounded(
    attempts: int, backoff: float, longest: float, jitter: float, die: random.Random
) -> None:
    retry = RetryPolicy(attempts=attempts, backoff=backoff, max_backoff=longest, jitter=jitter)
    waits = [backoff_seconds(retry, attempt, die.random) for attempt in range(1, attempts)]
    assert all(0 <= each <= longest for each in waits)
    assert not any(is_exhausted(retry, n, 10**9) for n in range(1, attempts))
    assert is_exhausted(retry, attempts, 0)


def test_the_time_limit_of_the_policy_ends_the_tries() -> None:
    retry = RetryPolicy(attempts=100, within=60)
    assert not is_exhausted(retry, 5, 59.9)
    assert is_exhausted(retry, 5, 60)


def test_headers_stay_as_they_are() -> None:
    event = ParkedEvent("t", 0, 1, b"{}", b"k", (("h", b"\xff\x00"),), 5)
    assert parse_retry_row(make_retry_row(event).value or b"").headers == event.headers
    assert decode_headers(make_retry_row(event).headers) == []


async def test_time_with_an_open_breaker_does_not_count_for_the_next_owner(
    there: Dependency, clock: Clock
) -> None:
    policy = RetryPolicy(attempts=3, backoff=1, max_backoff=1, jitter=0, within=60)
    table = Table(lane_of(there, clock, policy, OPENS))
    there.fails = lambda n: True
    await table.handle(*(key(n, b"%d" % n) for n in range(10)))
    clock.now += 600
    there.fails = lambda n: n == 0
    while len(table.alerts) < 2:  # until a probe ends the hold
        table.lane.work.on_idle()
        await table.again()
        clock.now += 1
    table = table.taken_over(lane_of(there, clock, policy, OPENS))
    assert 0 in table.waiting
    clock.now += 2
    await table.again()
    assert table.dead == []


@pytest.mark.parametrize("lifted", ["by a document", "by its expiry"])
async def test_the_time_of_a_hold_does_not_count_also_for_the_next_owner(
    there: Dependency, clock: Clock, lifted: str
) -> None:
    policy = RetryPolicy(attempts=9, backoff=1, max_backoff=1, jitter=0, within=60)
    control, ends = MemoryControls(clock), datetime.fromtimestamp(clock.now + 600, UTC)

    def lane() -> Lane:
        return lane_of(there, clock, policy, controls=control.state(version()).of_stage("stage"))

    table = Table(lane())
    there.fails = lambda n: True
    await table.handle(key(1))
    hold = SwitchDocument(pipeline="p", stage="stage", mode="hold", until=ends)
    control.write(hold)
    clock.now += 600
    if lifted == "by a document":
        control.write(SwitchDocument(pipeline="p", stage="stage", mode="on"))
    clock.now += 5
    table = table.taken_over(lane())
    await table.again()
    assert (table.dead, table.waiting) == ([], [1])
    clock.now += 56
    await table.again()
    assert (len(table.dead), table.waiting) == (1, [])
    assert table.dead[0]["attempts"] == "3"


async def test_a_breaker_that_one_key_opened_is_closed_by_a_probe_of_the_input(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock, breaker=OPENS))
    waits = table.lane.work.deferred
    assert waits
    there.fails = lambda n: n < 10
    await table.handle(*(key(n, b"%d" % n) for n in range(10)))
    while not table.results:  # as a lane does, which asks what to do when nothing comes
        assert there.asked.count(0) < 50, "it never tried its input"
        if waits.due():
            await table.again()
        elif not waits.is_full():
            await table.handle(key(100))
        clock.now += 0.2
    assert [alert.state for alert in table.alerts] == ["firing", "resolved"]


async def test_jitter_turns_no_wait_into_one_in_place(
    there: Dependency, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)
    table = Table(lane_of(there, clock, RetryPolicy(backoff=0.2, jitter=1, in_place=0.05)))
    there.fails = lambda n: n == 1
    await table.handle(key(1))
    assert (there.asked, table.waiting) == ([1], [1])


async def test_an_event_that_is_tried_again_is_consumed_once(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock))
    there.fails = lambda n: n == 1
    await table.handle(key(1), key(2, b"other"))
    for _ in range(5):
        clock.now += 10
        await table.again()
    done = await table.lane.work.handle([key(3)])
    table.lane.work.on_commit(done, {})
    assert table.dead
    assert sum(each.consumed for each in table.lane.committed) == 3


@pytest.mark.parametrize("foreign", [{"topic": "gone"}, {"partition": 3}])
async def test_rows_that_no_lane_wrote_are_skipped(
    there: Dependency, clock: Clock, foreign: dict[str, Any]
) -> None:
    table = Table(lane_of(there, clock))
    there.fails = lambda n: True
    await table.handle(key(7))
    event = to_parked_event(key(1, b"x"))._replace(**foreign)
    table.rows[b"parked/foreign"] = make_retry_row(event).value or b""
    order = make_retry_row(event, REPLAY_PREFIX)
    await table.handle(SimulatedRecord(RETRY, 0, 1, order.value, order.key))
    table = table.taken_over(lane_of(there, clock))
    for _ in range(4):
        clock.now += 9
        await table.again()
    assert set(there.asked) == {7}


async def test_an_event_too_large_to_park_gets_its_tries_although_the_breaker_opens(
    clock: Clock,
) -> None:
    def many(events: list[In]) -> None:
        raise TimeoutError("down")

    table = Table(Lane(many, emits=(), retry=THRICE, breaker=OPENS, clock=clock))
    left = [key(n, b"%d" % n) for n in range(30)]
    left.append(bare({"n": 99}, offset=99, key=b"99", headers=[("h", b"\x01" * 250_000)]))
    waits = table.lane.work.deferred
    assert waits
    while left and not waits.is_full():
        left = left[await table.handle(*left) :]
    assert [(dead["error"], dead["attempts"]) for dead in table.dead] == [("TimeoutError", "3")]


async def test_a_clock_that_is_set_back_delays_no_probe(there: Dependency, clock: Clock) -> None:
    table = Table(lane_of(there, clock, breaker=OPENS))
    there.fails = lambda n: True
    await table.handle(*(key(n, None) for n in range(1, 20)))
    waits = table.lane.work.deferred
    assert waits
    assert waits.is_full()
    clock.now -= 3600
    assert not waits.is_full()


async def test_alerts_of_one_event_have_ids_of_their_own(there: Dependency, clock: Clock) -> None:
    table = Table(lane_of(there, clock, breaker=OPENS))
    there.fails = lambda n: True
    await table.handle(*(key(n, None) for n in range(1, 20)))
    clock.now += 2
    there.fails = lambda n: False
    await table.again()
    alerts = table.written["alerts"]
    assert len({dict(decode_headers(alert.headers))["ce_id"] for alert in alerts}) == 2


async def test_an_event_that_is_filtered_is_no_success(there: Dependency, clock: Clock) -> None:
    table = Table(
        Lane(there.function, retry=THRICE, breaker=OPENS, clock=clock, when={"in": "data.n < 100"})
    )
    there.fails = lambda n: True
    await table.handle(*(emitted(n) for n in range(1, 50)))
    for n in range(100, 120):
        clock.now += 40
        await table.again()
        await table.handle(emitted(n))
    assert [alert.state for alert in table.alerts] == ["firing"]


async def test_a_few_bad_events_of_a_list_open_no_breaker(clock: Clock) -> None:
    def many(events: list[In]) -> None:
        if any(event.n in (1_700, 3_100) for event in events):
            raise TimeoutError("no")

    table = Table(Lane(many, emits=(), retry=THRICE, clock=clock))
    left = [key(n, b"%d" % n) for n in range(4_000)]
    while left:
        left = left[await table.handle(*left) :]
    assert (table.waiting, table.alerts) == ([1_700, 3_100], [])


@pytest.mark.parametrize("said", ["\ud800", "\x00\x1b[2J", "x" * 10**6, "\u202e"])
async def test_an_event_can_be_parked_with_any_error_message(clock: Clock, said: str) -> None:
    def failing(event: In) -> Out:
        raise TimeoutError(said)

    table = Table(Lane(failing, retry=THRICE, clock=clock, breaker=BreakerPolicy(failures=1)))
    await table.handle(key(1))
    assert table.waiting == [1]
    assert [alert.state for alert in table.alerts] == ["firing"]


@pytest.mark.parametrize("many", [False, True])
async def test_an_event_that_another_version_handles_is_settled_under_its_own(
    there: Dependency, clock: Clock, *, many: bool
) -> None:
    async def all_(events: list[In]) -> list[Out]:
        return [Out(n=event.n) for event in events]

    stage = StageSpec(run="m:f", subscribes=("in",), emits=("out",), retry=THRICE)
    after = StageSpec(run="m:g", subscribes=("out",))
    old, newest = (
        version(n, stages={"stage": stage, "after": after}).model_copy(update={"ledger": 1})
        for n in (1, 2)
    )
    table = Table(Lane(all_ if many else there.function, versions=[old, newest], clock=clock))
    event = to_parked_event(emitted(7))._replace(wired_by="p@2")
    order = make_retry_row(event, REPLAY_PREFIX)
    await table.handle(SimulatedRecord(RETRY, 0, 0, order.value, order.key))
    await table.again()
    (out,) = table.written["p.out"]
    assert dict(decode_headers(out.headers))["ce_topologyversion"] == b"p@2"
    (entry,) = table.entries
    emitting, settling = entry["runs"]  # in this order, or the run could seem complete in between
    assert (emitting["version"], emitting["in"], emitting["out"]["out"]["n"]) == (2, {}, 1)
    assert (settling["version"], settling["in"]["in"]["parked"], settling["out"]) == (1, -1, {})


async def test_an_event_that_an_unknown_version_is_to_handle_dies(
    there: Dependency, clock: Clock
) -> None:
    table = Table(lane_of(there, clock))
    event = to_parked_event(emitted(7))._replace(wired_by="p@9")
    order = make_retry_row(event, REPLAY_PREFIX)
    await table.handle(SimulatedRecord(RETRY, 0, 0, order.value, order.key))
    await table.again()
    assert ["p@9" in letter["message"] for letter in table.dead] == [True]


async def test_a_lane_takes_no_input_while_the_lanes_of_its_process_hold_too_much(
    there: Dependency, clock: Clock
) -> None:
    memory = ParkedMemory(limit=100_000)

    def another(number: int) -> Table:
        lane = Lane(
            there.function, retry=THRICE, clock=clock, breaker=NEVER_OPEN, parked_memory=memory
        )
        return Table(lane)

    first, second = another(0), another(1)
    there.fails = lambda n: n < 1000
    waits = second.lane.work.deferred
    assert waits
    left = [key(n, b"%d" % n) for n in range(1000)]
    while not waits.is_full():
        left = left[await first.handle(*left[:10]) :]
    assert 0 < len(first.rows) < 200
    assert await second.handle(key(998), key(999)) == 1, "what it handles it must be able to park"
    assert not memory.reserve(), "no further lane reads its state now"
    there.fails = lambda n: False
    clock.now += 9
    while await first.again():
        pass
    assert not waits.is_full()
    assert memory.reserve()


async def test_the_memory_of_a_lane_that_has_ended_is_free(there: Dependency, clock: Clock) -> None:
    memory = ParkedMemory()
    table = Table(Lane(there.function, retry=THRICE, clock=clock, parked_memory=memory))
    there.fails = lambda n: True
    await table.handle(key(1))
    assert memory.used > 0
    assert table.lane.work.deferred
    table.lane.work.deferred.clear()
    assert (memory.used, table.lane.work.deferred.due()) == (0, ())


def test_a_lane_that_begins_frees_each_row_that_it_has_read(
    there: Dependency, clock: Clock
) -> None:
    rows = {}
    for n in range(200):
        row = make_retry_row(to_parked_event(key(n))._replace(sequence=n + 1))
        rows[row.key or b""] = row.value or b""
    lane = lane_of(there, clock)
    lane.work.open({RETRY: rows})
    assert rows == {}
    clock.now += 9
    assert lane.work.deferred
    assert [event.offset for event in lane.work.deferred.due()] == list(range(200))


def test_lanes_read_their_states_one_after_the_other_where_memory_is_short() -> None:
    short, ample = ParkedMemory(limit=MAX_PARKED_BYTES), ParkedMemory(limit=3 * MAX_PARKED_BYTES)
    assert [short.reserve() for _ in range(2)] == [True, False]
    short.release()
    assert short.reserve()
    assert [ample.reserve() for _ in range(4)] == [True, True, True, False]
    ample.release()
    ample.used = MAX_PARKED_BYTES
    assert not ample.reserve()
