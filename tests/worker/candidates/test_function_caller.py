"""What does one call of a function of any kind come to?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, TypeVar

import pytest

from farandole.events.topology_version import EventSpec, StageSpec
from farandole.stages.contract import Context, To, Unchanged
from farandole.stages.function_loader import StageFunction
from farandole.stages.function_signature import read_signature
from farandole.worker.candidates.candidate_messages import (
    CallResult,
    CandidateEvent,
    CandidateOutput,
    decode_events,
    decode_message,
    decode_result,
    encode_events,
    encode_message,
    encode_result,
)
from farandole.worker.candidates.function_caller import FunctionCaller
from tests.worker.made import In, Other, Out, version

T = TypeVar("T")


def event(n: int, offset: int = 7, **more: Any) -> CandidateEvent:
    made = CandidateEvent(
        1, "in", "in~2", "p.in", 2, offset, 0, b"run", True, b"k\xff", b'{"n": %d}' % n
    )
    return made._replace(**more)


async def called(
    function: Callable[..., Any],
    *events: CandidateEvent,
    emits: Sequence[str] = ("keyed",),
    timeout: float = 30.0,
    attempt: int = 1,
) -> CallResult:
    stage = StageSpec(run="m:f", subscribes=("in",), emits=tuple(emits), timeout=timeout)
    code = StageFunction(function, read_signature(function))
    lines = EventSpec(topic="p.lines", partitions=4, data_schema={"type": "array"})
    newest = version(stages={"stage": stage}, events={"lines": lines})
    caller = FunctionCaller("p", "stage", stage, code)
    # As it goes over the socket.
    sent = decode_events(*_through_socket(*encode_events(events), "events"))
    result = await caller.call(newest, sent, attempt)
    return decode_result(*_through_socket(*encode_result(result), "result"))


def _through_socket(part: Any, payloads: Sequence[bytes | None], name: str) -> Any:
    header, payloads = decode_message(encode_message({name: part}, payloads)[4:])
    return header[name], payloads


async def test_one_result_of_a_plain_and_of_an_awaited_function() -> None:
    def plain(event: In) -> Out:
        return Out(n=event.n, household=5)

    async def awaited(event: In) -> Out:
        await asyncio.sleep(0)
        return plain(event)

    for function in (plain, awaited):
        result = await called(function, event(3))
        assert result.outputs == [CandidateOutput("keyed", b"5", b'{"n":3,"household":5}')]
        assert (result.outcome, result.error) == ("handled", "")


async def test_results_keep_their_order_over_partitions_and_types() -> None:
    def generator(event: In) -> Iterator[Out | Other]:
        for n in range(12):
            yield Out(n=n, household=n) if n % 3 else Other(said=str(n))

    async def async_generator(event: In) -> AsyncIterator[Out | Other]:
        for each in generator(event):
            yield each

    for function in (generator, async_generator):
        result = await called(function, event(3), emits=("keyed", "other"))
        values = [(each.event_type, each.key) for each in result.outputs]
        assert values == [("keyed", b"%d" % n) if n % 3 else ("other", b"k\xff") for n in range(12)]


async def test_a_list_is_called_once() -> None:
    def batch(events: list[In], context: Context) -> list[Out]:
        assert [each.id for each in context.events] == ["in~2/2/7", "in~2/2/9"]
        return [Out(n=sum(each.n for each in events))]

    result = await called(batch, event(1, 7), event(2, 9), emits=["out"])
    assert result.outputs == [CandidateOutput("out", None, b'{"n":3,"household":null}')]


async def test_lines_are_counted() -> None:
    def lines(event: In) -> list[list[int]]:
        return [[1, 2], [], [3]]

    result = await called(lines, event(1), emits=["lines"])
    assert result.lines == {"lines": 3}


async def test_an_event_that_is_passed_on_keeps_its_bytes() -> None:
    def passed(event: T) -> Unchanged[T] | None:
        return event if event["n"] else None  # type: ignore[index]

    raw = b'{"n": 1.50 }'
    result = await called(passed, event(0, value=raw), emits=["out"])
    assert result.outputs == [CandidateOutput("out", b"k\xff", raw)]
    assert (await called(passed, event(0), emits=["out"])).outcome == "dropped"


async def test_a_named_output() -> None:
    def named(event: In) -> To[Out]:
        return To("out", Out(n=event.n))

    result = await called(named, event(1), emits=["keyed", "out"])
    assert [each.event_type for each in result.outputs] == ["out"]


async def test_the_context_is_that_of_the_event() -> None:
    seen: list[Any] = []

    def asks(event: In, context: Context) -> None:
        seen.append((context.attempt, context.run, context.stage, context.attributes))
        seen.append((context.events[0].key, context.events[0].type))

    bare = event(1, headers=[("ce_color", b"red"), ("null", None)])
    result = await called(asks, bare, emits=[], attempt=4)
    assert result.outcome == "handled"
    assert seen == [(4, "run", "stage", {"color": "red"}), ("k\ufffd", "in")]


@pytest.mark.parametrize("value", [b"", b"{", b'{"n": "x"}', b"\xff"])
async def test_what_cannot_be_read_is_a_failure(value: bytes) -> None:
    def plain(event: In) -> Out:
        raise AssertionError

    result = await called(plain, event(1, value=value))
    assert (result.outcome, result.error, result.is_retryable) == ("dead", "Unreadable", False)


async def test_an_awaited_function_has_its_deadline() -> None:
    async def waits(event: In) -> Out:
        await asyncio.Event().wait()
        raise AssertionError

    result = await called(waits, event(1), timeout=0.01)
    assert (result.outcome, result.error, result.is_retryable) == ("dead", "TimeoutError", True)


async def test_an_error_is_told_with_its_place_and_its_frames() -> None:
    def fails(event: In) -> Out:
        raise KeyError("\ud800lone")

    result = await called(fails, event(1))
    assert result.error == "KeyError"
    assert result.message == r"'\ud800lone'"
    assert "fails" in result.traceback


async def test_a_second_error_hides_nothing() -> None:
    class OddError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def fails(event: In) -> Out:
        raise OddError

    result = await called(fails, event(1))
    assert result.error == "OddError"
    assert "cannot be read" in result.message
