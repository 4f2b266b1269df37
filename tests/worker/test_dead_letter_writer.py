"""Does every failure of one event become its dead letter, without harm to other events?"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from farandole.events.dead_letter_truncation import approximate_record_size
from farandole.events.header_codec import decode_headers
from farandole.events.outcome import Outcome
from farandole.events.record import UndecodableRecord
from farandole.events.topology_version import RetryPolicy
from farandole.stages.contract import Context, Reject, To
from farandole.worker.limits import (
    MAX_DEAD_LETTER_BYTES,
    MAX_EVENT_BYTES,
    MAX_RECORD_BYTES,
    MAX_TRANSACTION_BYTES,
)
from tests.events.made import Made, headers, values
from tests.worker.made import PATIENT, In, Lane, LaneResult, Other, Out, bare, emitted

BAD = 1  # the event that each of these functions fails on


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def raises(error: BaseException) -> Callable[[In], Out]:
    def raising(event: In) -> Out:
        if event.n == BAD:
            raise error
        return Out(n=event.n)

    return raising


def gives(result: Any) -> Callable[[In], Out]:
    def giving(event: In) -> Out:
        return result() if event.n == BAD else Out(n=event.n)

    return giving


def recursing(event: In) -> Out:
    return recursing(event) if event.n == BAD else Out(n=event.n)


def floods(event: In) -> Iterator[Out]:
    for _ in range(10_000_000 if event.n == BAD else 1):
        yield Out(n=event.n)


async def floods_awaited(event: In) -> AsyncIterator[Out]:
    for _ in range(10_000_000 if event.n == BAD else 1):
        yield Out(n=event.n)


def fails_late(event: In) -> Iterator[Out]:
    yield Out(n=event.n)
    if event.n == BAD:
        raise ValueError("after the first")


async def hangs(event: In) -> Out:
    if event.n == BAD:
        await asyncio.Event().wait()
    return Out(n=event.n)


async def hangs_between(event: In) -> AsyncIterator[Out]:
    yield Out(n=event.n)
    if event.n == BAD:
        await asyncio.Event().wait()


async def cancels(event: In) -> Out:
    if event.n == BAD:
        raise asyncio.CancelledError
    return Out(n=event.n)


def lists_one(event: In) -> list[Out]:
    return 7 if event.n == BAD else [Out(n=event.n)]  # type: ignore[return-value]


def tells_stranger(event: In) -> To[Out]:
    return To("stranger" if event.n == BAD else "out", Out(n=event.n))


def tells_wrong(event: In) -> To[Out]:
    return To("out", 42 if event.n == BAD else Out(n=event.n))  # type: ignore[arg-type]


FAILING: list[tuple[str, Callable[..., Any], str, str]] = [
    ("raises", raises(ValueError("no till prints that")), "ValueError", "no till prints that"),
    ("rejects", raises(Reject("never")), "Reject", "never"),
    ("hostile str", raises(HostileError()), "HostileError", "(its message cannot be read"),
    ("no message", raises(KeyError()), "KeyError", ""),
    ("exits", raises(SystemExit(1)), "SystemExit", "1"),
    ("interrupts", raises(KeyboardInterrupt()), "KeyboardInterrupt", ""),
    ("cancels inline", raises(asyncio.CancelledError("me")), "CancelledError", "me"),
    ("cancels itself", cancels, "CancelledError", ""),
    ("stops iteration", raises(StopIteration()), "", ""),
    ("group", raises(ExceptionGroup("g", [ValueError("a")])), "ExceptionGroup", "g (1 sub"),
    ("surrogate", raises(ValueError("\ud800")), "ValueError", "\\ud800"),
    ("recurses", recursing, "RecursionError", "maximum recursion depth"),
    ("wrong type", gives(lambda: 42), "WrongResult", "it gave a int, where it says that it gives"),
    ("text", gives(lambda: "x"), "WrongResult", "it gave a str"),
    ("no list", lists_one, "WrongResult", "it gave a int, where it says that it gives several"),
    ("stranger", tells_stranger, "WrongResult", "To('stranger'), but emits out"),
    ("wrong data", tells_wrong, "WrongResult", "To('out', int), where it says that it gives"),
    ("floods", floods, "TooMuch", "split the work into smaller events first"),
    ("floods awaited", floods_awaited, "TooMuch", "split the work"),
    ("fails late", fails_late, "ValueError", "after the first"),
    ("hangs", hangs, "TimeoutError", "no result within 0.05 s (the stage's `timeout:`)"),
    ("hangs between", hangs_between, "TimeoutError", "no result within 0.05 s"),
]


@pytest.mark.parametrize(("function", "error", "said"), [f[1:] for f in FAILING],
                         ids=[f[0] for f in FAILING])  # fmt: skip
async def test_one_event_dies_and_its_neighbours_are_handled(
    function: Callable[..., Any], error: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "farandole.worker.event_path.MAX_EVENT_BYTES", 2**23
    )  # 64 MiB take their time
    timeout = 0.05 if "hangs" in function.__name__ else 30
    outcome = await Lane(function, timeout=timeout).handle(*(bare(offset=n) for n in (0, 1, 2)))
    assert [d["n"] for d in outcome.data()] == [0, 2] or _ns(outcome.data()) == {0, 2}
    (dead,) = outcome.dead
    assert (dead["offset"], dead["attempts"]) == ("1", "1")
    assert error in dead["error"]
    assert said in dead["message"]
    counters = outcome.counters
    assert (
        counters.consumed,
        counters.emitted,
        counters.outcomes[Outcome.DEAD],
        counters.outcomes[Outcome.DROPPED],
    ) == (3, 2, 1, 0)


def _ns(data: list[Any]) -> set[int]:
    return {d["n"] for d in data}


@pytest.mark.parametrize("function", [fails_late, raises(ValueError("no"))])
async def test_a_letter_and_its_log_line_name_the_line_of_the_users_code(
    function: Callable[[In], Any],
) -> None:
    with capture_logs() as lines:
        outcome = await Lane(function).handle(emitted(BAD))
    (dead,) = outcome.dead
    (line,) = [line for line in lines if line["event"] == "event.dead"]
    assert dead["place"].startswith("tests/worker/test_dead_letter_writer.py:")
    assert line["place"] == dead["place"]
    assert line["id"] == "asked/0/1/1"
    assert "/worker/test_dead_letter_writer.py" in dead["traceback"]
    assert dead["traceback"].count("File") == 1


async def test_a_bare_event_is_named_by_its_position() -> None:
    with capture_logs() as lines:
        await Lane(raises(Reject("no"))).handle(bare(offset=BAD))
    assert [line["id"] for line in lines if line["event"] == "event.dead"] == ["in/0/1"]


async def test_a_result_that_is_too_large_dies() -> None:
    def large(event: In) -> Other:
        return Other(said="x" * (2_000_000 if event.n == BAD else 1))

    outcome = await Lane(large, emits=["other"]).handle(*(bare(offset=n) for n in (0, 1, 2)))
    assert [d["error"] for d in outcome.dead] == ["TooMuch"]
    assert str(MAX_RECORD_BYTES) in outcome.dead[0]["message"]
    assert len(outcome.data("p.other")) == 2


async def test_a_result_that_is_no_text_dies() -> None:
    def surrogate(event: In) -> Other:
        return Other.model_construct(said="\ud800")

    outcome = await Lane(surrogate, emits=["other"]).handle(bare(offset=1))
    assert [d["error"] for d in outcome.dead] == ["WrongResult"]


async def test_a_value_where_nothing_is_declared_dies() -> None:
    def chatty(event: In) -> None:
        return 42  # type: ignore[return-value]

    outcome = await Lane(chatty, emits=[]).handle(bare(offset=1))
    assert [d["message"] for d in outcome.dead] == [
        "it gave a int, where it says that it gives nothing"
    ]


HOSTILE: list[tuple[str, Made | UndecodableRecord, str]] = [
    ("not JSON", bare(b"weeks"), "Invalid JSON"),
    ("empty", bare(b"")._replace(value=b""), "Invalid JSON"),
    ("tombstone", bare(b"")._replace(value=None), "tombstone"),
    ("wrong schema", bare({"m": 1}), "n: Field required"),
    ("wrong type", bare({"n": "x"}), "n: Input should be a valid integer"),
    ("no UTF-8", bare(b'{"n": "\xff\xfe"}'), "Invalid JSON"),
    ("deep", bare(b"[" * 100_000), "recursion limit"),
    ("huge number", bare(b'{"n":' + b"9" * 10_000 + b"}"), "number out of range"),
    ("large", bare(b'{"n":"' + b"x" * 1_000_000 + b'"}'), "n: Input should be a valid integer"),
    ("undecodable", UndecodableRecord("p.in", 0, 0), "not UTF-8"),
    ("header of no value", bare({"n": 1}, headers=[("ce_id", None)]), "no value"),
    ("forged and broken", emitted(1, headers=[("ce_runid", b"\xff")]), "no run id"),
    ("ours and null", emitted(1, headers=[("ce_subject", None)]), ""),
]


@pytest.mark.parametrize(("record", "said"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
async def test_a_hostile_record_is_one_dead_letter_that_fits(record: Made, said: str) -> None:
    def copied(event: In) -> Out:
        return Out(n=event.n)

    outcome = await Lane(copied).handle(bare(offset=3), record, bare(offset=4))
    assert {3, 4} <= _ns(outcome.data())
    for letter, dead in zip(outcome.of("p.stage.dead"), outcome.dead, strict=True):
        assert said in dead["message"]
        assert "\n" not in dead["message"]
        assert (
            approximate_record_size(letter.key, letter.value, decode_headers(letter.headers))
            <= MAX_DEAD_LETTER_BYTES
        )
        assert letter.value == record.value
    assert len(outcome.dead) == (1 if said else 0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(values, headers, st.sampled_from([None, b"k"])), max_size=5), st.data())
def test_any_bytes_at_all_harm_no_neighbour(hostile: list[Any], data: st.DataObject) -> None:
    def copied(event: In) -> Out:
        return Out(n=event.n)

    good = [bare(offset=n) for n in range(100, 104)]
    records = [
        Made(value, some, key, topic="p.in", partition=0, offset=n)
        for n, (value, some, key) in enumerate(hostile)
    ]
    mixed: list[Any] = data.draw(st.permutations([*good, *records]))
    outcome = asyncio.run(Lane(copied).handle(*mixed))
    assert {100, 101, 102, 103} <= _ns(outcome.data())
    assert outcome.count(Outcome.DEAD) == len(outcome.dead)
    settled = outcome.counters.emitted + outcome.count(Outcome.DEAD)
    assert settled == len(mixed)
    assert sorted(int(d["offset"]) for d in outcome.dead) == sorted(
        {int(d["offset"]) for d in outcome.dead}
    )


class Waits:
    """Takes the place of `asyncio.sleep`, remembers and does not wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: list[float] = []
        self._sleep = asyncio.sleep
        monkeypatch.setattr(asyncio, "sleep", self)

    async def __call__(self, seconds: float, result: Any = None) -> None:
        if seconds:
            self.seconds.append(seconds)
        await self._sleep(0)


def failing_until(success: int, error: BaseException) -> Callable[..., Out]:
    def trying(event: In, context: Context) -> Out:
        if context.attempt < success:
            raise error
        return Out(n=context.attempt)

    return trying


async def test_a_failing_event_is_tried_as_often_as_the_file_says() -> None:
    lane = Lane(failing_until(9, ValueError("no")), retry=PATIENT)
    outcome = await lane.handle(bare(offset=1))
    assert [d["attempts"] for d in outcome.dead] == ["3"]


async def test_a_later_try_may_succeed() -> None:
    lane = Lane(failing_until(3, ValueError("no")), retry=PATIENT)
    outcome = await lane.handle(bare(offset=1), bare(offset=2))
    assert _ns(outcome.data()) == {3}
    assert (outcome.counters.emitted, outcome.dead) == (2, [])


@pytest.mark.parametrize("error", [Reject("never")])
async def test_an_error_that_no_retry_can_change_is_tried_once(error: Exception) -> None:
    outcome = await Lane(failing_until(2, error), retry=PATIENT).handle(bare(offset=1))
    assert [d["attempts"] for d in outcome.dead] == ["1"]


async def test_unreadable_events_are_tried_once() -> None:
    outcome = await Lane(failing_until(1, ValueError()), retry=PATIENT).handle(bare(b"{"))
    assert [d["attempts"] for d in outcome.dead] == ["1"]


async def test_waits_double_with_full_jitter_up_to_the_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = Waits(monkeypatch)
    monkeypatch.setattr(random, "random", lambda: 1.0)
    retry = RetryPolicy(attempts=7, backoff=0.5, max_backoff=5)
    await Lane(failing_until(99, ValueError()), retry=retry).handle(bare(offset=1))
    assert waits.seconds == [0.5, 1, 2, 4, 5, 5]


async def test_a_cancelled_lane_raises_and_writes_no_dead_letter() -> None:
    """A cancellation from outside must pass through whatever function is at work."""
    started = asyncio.Event()

    async def waiting(event: In) -> Out:
        started.set()
        await asyncio.Event().wait()
        return Out(n=1)

    handling = asyncio.create_task(Lane(waiting, retry=PATIENT).handle(bare(offset=1)))
    await started.wait()
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling


async def test_a_transaction_takes_no_more_events_when_it_is_full() -> None:
    def large(event: In) -> list[Out]:
        return [Out(n=n) for n in range(2_000)]  # about 800 kB with their headers

    outcome = await Lane(large).handle(*(bare(offset=n) for n in range(30)))
    first = outcome.transactions[0]
    assert 2 <= first <= 12
    assert len(outcome.transactions) >= 30 // 12
    assert first * 2_000 * 400 <= MAX_TRANSACTION_BYTES + 2_000 * 450


async def test_one_event_may_cause_more_than_a_transaction_usually_holds() -> None:
    count = 2 * MAX_TRANSACTION_BYTES // 420

    def many(event: In) -> Iterator[Out]:
        return (Out(n=n) for n in range(count))

    assert count * 420 < MAX_EVENT_BYTES
    outcome = await Lane(many).handle(bare(offset=1))
    assert outcome.counters.emitted == count


async def test_an_inherited_key_counts_as_often_as_it_is_written() -> None:
    def large(event: In) -> list[Out]:
        return [Out(n=n) for n in range(10)]

    records = [bare(offset=n, key=b"k" * 500_000) for n in range(6)]
    outcome = await Lane(large).handle(*records)
    assert outcome.transactions == [2, 2, 2]


async def test_dead_letters_fill_a_transaction_too() -> None:
    records = [bare(b"x" * 1_000_000, offset=n) for n in range(12)]
    outcome = await Lane(raises(ValueError())).handle(*records)
    assert max(outcome.transactions) <= 9
    assert len(outcome.dead) == 12


@pytest.mark.parametrize("kind", ["plain", "generator"])
async def test_long_inline_work_lets_others_run(kind: str) -> None:
    """Heartbeats live in the same loop: of a second of work they must get many looks."""
    busy = threading.Event()  # never set: its wait is work that holds the loop

    def plain(event: In) -> Out:
        busy.wait(0.005)
        return Out(n=event.n)

    def generator(event: In) -> Iterator[Out]:
        for n in range(100):
            busy.wait(0.005)
            yield Out(n=n)

    looks = 0

    async def ticking() -> None:
        nonlocal looks
        while True:
            looks += 1
            await asyncio.sleep(0)

    ticker = asyncio.create_task(ticking())
    if kind == "plain":
        await Lane(plain).handle(*(bare(offset=n) for n in range(100)))
    else:
        await Lane(generator).handle(bare(offset=1))
    ticker.cancel()
    assert looks >= 4  # half a second in slices of 50 ms; ten on an idle machine


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def test_a_function_in_a_thread_leaves_the_loop_free(threads: ThreadPoolExecutor) -> None:
    started, release = threading.Event(), threading.Event()

    def blocked(event: In) -> Out:
        started.set()
        assert release.wait(10)
        return Out(n=threading.get_ident())

    lane = Lane(blocked, threads=threads, timeout=7)
    handling = asyncio.create_task(lane.handle(bare(offset=1)))
    assert await asyncio.to_thread(started.wait, 10)
    assert lane.began_with == [7]
    release.set()
    (data,) = (await handling).data()
    assert data["n"] != threading.get_ident()
    assert lane.under_way == []


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (ValueError("no"), "ValueError"),
        (StopIteration(), "RuntimeError"),
        (SystemExit(1), "SystemExit"),
        (asyncio.CancelledError(), "CancelledError"),
    ],
)
async def test_an_error_in_a_thread_becomes_a_dead_letter(
    threads: ThreadPoolExecutor, error: BaseException, name: str
) -> None:
    lane = Lane(raises(error), threads=threads)
    async with asyncio.timeout(180):
        outcome = await lane.handle(bare(offset=0), bare(offset=1), bare(offset=2))
    assert [d["error"] for d in outcome.dead] == [name]
    assert len(outcome.data()) == 2
    assert lane.under_way == []


async def test_a_generator_in_a_thread_does_its_work_there(threads: ThreadPoolExecutor) -> None:
    def generator(event: In) -> Iterator[Out]:
        yield Out(n=threading.get_ident())

    (data,) = (await Lane(generator, threads=threads).handle(bare(offset=1))).data()
    assert data["n"] != threading.get_ident()


async def test_a_generator_in_a_thread_is_capped(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farandole.worker.invoker.MAX_EVENT_RESULTS", 1_000)
    outcome = await Lane(floods, threads=threads).handle(bare(offset=1), bare(offset=2))
    assert [d["error"] for d in outcome.dead] == ["TooMuch"]
    assert _ns(outcome.data()) == {2}


async def test_an_async_generator_past_its_deadline_dies_and_not_its_lane() -> None:
    """One that yields and yields meets its deadline while its results are taken."""

    async def endless(event: In) -> AsyncIterator[Out | None]:
        while event.n == BAD:
            yield None
        yield Out(n=event.n)

    outcome = await Lane(endless, timeout=0.2).handle(bare(offset=1), bare(offset=2))
    assert [d["error"] for d in outcome.dead] == ["TimeoutError"]
    assert "no result within 0.2 s" in outcome.dead[0]["message"]
    assert _ns(outcome.data()) == {2}


async def test_an_async_generator_is_closed_when_it_is_not_read_to_its_end() -> None:
    closed: list[int] = []

    async def tidy(event: In) -> AsyncIterator[Out]:
        try:
            yield Out(n="x")  # type: ignore[arg-type]
        finally:
            closed.append(event.n)

    await Lane(tidy).handle(bare(offset=1))
    assert closed == [1]


async def test_an_event_that_kills_its_process_is_given_up_with_a_clear_message() -> None:
    done = await Lane(raises(ValueError())).work.give_up(bare(offset=7), 3)
    outcome = LaneResult()
    outcome.add(done)
    (dead,) = outcome.dead
    assert (dead["error"], dead["attempts"], dead["offset"]) == ("ProcessDied", "3", "7")
    assert "died 3 times with this event at work" in dead["message"]
    assert (done.settled, outcome.count(Outcome.DEAD), outcome.counters.consumed) == (
        1,
        1,
        1,
    )
