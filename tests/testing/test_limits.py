"""Do functions in memory wait for the limits of the file, as long as a worker's would?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from farandole.testing import Pipeline
from tests.testing.projects import write_project

CODE = """
    import asyncio
    from collections.abc import AsyncIterator
    from pydantic import BaseModel
    from farandole import Context

    class Order(BaseModel):
        n: int

    async def ask(order: Order, context: Context) -> Order:
        await context.limit("crm")
        return order

    def ask_in_thread(order: Order, context: Context) -> Order:
        context.limit("crm")
        return order

    async def ask_all(orders: list[Order], context: Context) -> list[Order]:
        for order in orders:
            await context.limit("crm")
        return orders

    async def ask_twice(order: Order, context: Context) -> AsyncIterator[Order]:
        yield order
        await asyncio.gather(context.limit("crm"), context.limit("crm"))
        yield order

    async def hang(order: Order, context: Context) -> Order:
        await context.limit("crm")
        await asyncio.sleep(3)
        return order

    async def ask_wrongly(order: Order, context: Context) -> Order:
        name = "crn"
        await context.limit(name)
        return order

    async def ask_for_a_number(order: Order, context: Context) -> Order:
        await context.limit(len("crm"))
        return order

    def hold(order: Order, context: Context) -> Order:
        return held(order, context)

    def held(order, context):
        context.limit("crm")
        return order
"""
TOPOLOGY = """
    pipeline: shop
    defaults: {{partitions: {partitions}}}
    limits: {{crm: {rate}}}
    stages:
      ask: {{run: "MODULE:{function}", subscribes: order.placed, emits: order.asked, {more}}}
    events: {{order.placed: {{}}}}
"""


class Maker(Protocol):
    def __call__(
        self, function: str, rate: str = ..., more: str = ..., partitions: int = ...
    ) -> Pipeline: ...


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Maker]:
    opened: list[Pipeline] = []

    def make(
        function: str, rate: str = "6/m", more: str = "timeout: 2s", partitions: int = 1
    ) -> Pipeline:
        topology = TOPOLOGY.format(function=function, rate=rate, more=more, partitions=partitions)
        opened.append(Pipeline(write_project(tmp_path, topology, CODE)))
        return opened[-1]

    yield make
    for pipeline in opened:
        pipeline.close()


def send(pipeline: Pipeline, orders: int) -> None:
    for n in range(orders):
        pipeline.send("order.placed", {"n": n})


def seconds(pipeline: Pipeline) -> float:
    """Run, and return how long it took by the pipeline's clock."""
    began = pipeline.now
    pipeline.run()
    return (pipeline.now - began).total_seconds()


@pytest.mark.parametrize(
    ("function", "more"),
    [
        ("ask", "timeout: 2s"),
        ("ask_in_thread", "timeout: 2s, threads: 2"),
        ("ask_all", "timeout: 2s"),
    ],
)
def test_calls_pass_at_the_rate_and_need_none_of_their_time_out(
    made: Maker, function: str, more: str
) -> None:
    pipeline = made(function, more=more)
    send(pipeline, 10)
    assert 99 <= seconds(pipeline) <= 101
    assert len(pipeline.emitted("order.asked")) == 10
    assert pipeline.dead_letters() == []


def test_a_function_that_gives_several_results_waits_between_them(made: Maker) -> None:
    pipeline = made("ask_twice")
    send(pipeline, 3)
    assert 59 <= seconds(pipeline) <= 61
    assert len(pipeline.emitted("order.asked")) == 6


def test_after_the_wait_the_time_out_counts(made: Maker) -> None:
    pipeline = made("hang", more="timeout: 2s, retry: {attempts: 1}")
    send(pipeline, 1)
    assert 11 <= seconds(pipeline) <= 13
    (letter,) = pipeline.dead_letters()
    assert letter.message == "no result within 2 s (the stage's `timeout:`)"


def test_what_is_settled_is_committed_before_the_next_call_waits(made: Maker) -> None:
    pipeline = made("ask")
    send(pipeline, 10)
    pipeline.advance(35)
    assert len(pipeline.emitted("order.asked")) == 3


def test_all_lanes_share_a_limit(made: Maker) -> None:
    pipeline = made("ask", "2/s", partitions=4)
    send(pipeline, 40)
    assert 19 <= seconds(pipeline) <= 21


def test_a_limit_of_zero_lets_no_call_pass_until_it_is_lifted(made: Maker) -> None:
    pipeline = made("ask", "0")
    send(pipeline, 3)
    pipeline.advance(3600)
    assert pipeline.emitted("order.asked") == []
    pipeline.throttle("off", limit="crm", seconds=60)
    assert seconds(pipeline) <= 2
    assert len(pipeline.emitted("order.asked")) == 3


def test_a_pipeline_ends_while_functions_wait(made: Maker) -> None:
    for function, more in (("ask", "timeout: 2s"), ("ask_in_thread", "threads: 1")):
        pipeline = made(function, "0", more)
        send(pipeline, 3)
        pipeline.advance(1)
        pipeline.close()


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("ask_wrongly", "the file has no limit 'crn'; add it to `limits:`: crn: 50/s"),
        ("ask_for_a_number", "the name of a limit is a text, not a int"),
        ("hold", "context.limit('crm') would hold the event loop: write the function as `async"),
    ],
)
def test_a_function_that_cannot_wait_is_told_what_to_write(
    made: Maker, function: str, says: str
) -> None:
    pipeline = made(function, "100/s", "retry: {attempts: 1}")
    send(pipeline, 1)
    pipeline.run()
    (letter,) = pipeline.dead_letters()
    assert says in letter.message
