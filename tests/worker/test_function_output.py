"""Does what a function prints or logs reach the worker's log, with the stage and the event?"""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
import structlog

from farandole.stages.contract import Context
from farandole.worker import log_origin
from farandole.worker.function_output import (
    MAX_LINE_LENGTH,
    PrintedLines,
    StandardLogHandler,
    capture_function_output,
)
from farandole.worker.log_origin import add_origin
from tests.worker.made import PATIENT, In, Lane, Out, bare, emitted

Line = MutableMapping[str, Any]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Line]]:
    """The lines of the log of this process, whose output is captured as a worker's is."""
    capture = structlog.testing.LogCapture()
    before = structlog.get_config()
    root = logging.getLogger()
    handlers, level, show = root.handlers[:], root.level, warnings.showwarning
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # restored
    # A simulation that kills a lane in the middle of a call leaves that call's origin behind.
    monkeypatch.setattr(log_origin, "_describe", ContextVar("origin", default=None))
    structlog.configure(processors=[add_origin, capture])
    capture_function_output("info")
    try:
        yield capture.entries
    finally:
        structlog.configure(**before)
        logging.captureWarnings(False)
        root.handlers[:], warnings.showwarning = handlers, show
        root.setLevel(level)


def say(n: int) -> Out:
    print("working on", n)  # noqa: T201 -- what is tested
    logging.getLogger("users.code").warning("odd number %d", n)
    return Out(n=n)


def plain(event: In) -> Out:
    return say(event.n)


async def awaited(event: In) -> Out:
    await asyncio.sleep(0)
    return say(event.n)


async def awaits_tasks(event: In) -> Out:
    async def inner() -> Out:
        return say(event.n)

    return await asyncio.create_task(inner())


def generator(event: In) -> Iterator[Out]:
    yield say(event.n)


async def async_generator(event: In) -> AsyncIterator[Out]:
    yield say(event.n)


def of_list(events: list[In]) -> Iterator[Out]:
    for event in events:
        yield say(event.n)


@pytest.mark.parametrize(
    "function", [plain, awaited, awaits_tasks, generator, async_generator], ids=lambda f: f.__name__
)
@pytest.mark.parametrize("threads", [0, 1])
async def test_each_line_has_the_stage_the_event_and_the_run(
    function: Callable[..., Any], threads: int, lines: list[Line]
) -> None:
    capture_function_output("info")  # again: pytest sets standard output after the fixture
    with ThreadPoolExecutor(1) as pool:
        done = await Lane(function, threads=pool if threads else None).handle(
            emitted(1, run="b" * 13), emitted(2, run="c" * 13), emitted(3, run="b" * 13)
        )
    assert len(done.data()) == 3
    printed = [line for line in lines if line["event"] == "function.printed"]
    assert [(x["text"], x["stage"], x["id"], x["run"]) for x in printed] == [
        ("working on 1", "stage", "asked/0/1/1", "b" * 13),
        ("working on 2", "stage", "asked/0/1/2", "c" * 13),
        ("working on 3", "stage", "asked/0/1/3", "b" * 13),
    ]
    logged = [line for line in lines if line.get("logger") == "users.code"]
    assert [(x["event"], x["log_level"], x["id"]) for x in logged] == [
        (f"odd number {n}", "warning", f"asked/0/1/{n}") for n in (1, 2, 3)
    ]


async def test_a_call_with_a_list_says_how_many_events_it_has(lines: list[Line]) -> None:
    capture_function_output("info")
    await Lane(of_list, emits=["out"]).handle(emitted(1), emitted(2))
    printed = [line for line in lines if line["event"] == "function.printed"]
    assert [(x["stage"], x["events"], x["run"]) for x in printed] == [("stage", 2, "a" * 13)] * 2


async def test_a_retry_is_the_same_event(lines: list[Line]) -> None:
    def fails_first(event: In, context: Context) -> None:
        print("attempt", context.attempt)  # noqa: T201 -- what is tested
        if context.attempt == 1:
            raise ConnectionError

    capture_function_output("info")
    await Lane(fails_first, emits=[], retry=PATIENT).handle(bare(offset=7))
    printed = [(x["text"], x["id"]) for x in lines if x["event"] == "function.printed"]
    assert printed == [("attempt 1", "in/0/7"), ("attempt 2", "in/0/7")]


async def test_what_is_logged_outside_of_a_call_has_no_origin(lines: list[Line]) -> None:
    await Lane(plain).handle(emitted(1))
    lines.clear()
    logging.getLogger("elsewhere").error("alone")
    assert lines == [{"event": "alone", "logger": "elsewhere", "exc_info": None,
                      "log_level": "error"}]  # fmt: skip


def test_a_line_is_logged_when_it_ends(lines: list[Line]) -> None:
    out = PrintedLines(io.StringIO())
    out.write("half a ")
    assert lines == []
    out.write("line\nand another\nrest")
    assert [line["text"] for line in lines] == ["half a line", "and another"]
    out.flush()
    out.flush()
    assert [line["text"] for line in lines[2:]] == ["rest"]


def test_a_line_without_end_does_not_fill_the_memory(lines: list[Line]) -> None:
    out = PrintedLines(io.StringIO())
    for _ in range(30):
        out.write("x" * 1_000)
    assert sum(len(line["text"]) for line in lines) > 20_000
    assert max(len(line["text"]) for line in lines) <= MAX_LINE_LENGTH


def test_threads_do_not_share_a_line(lines: list[Line]) -> None:
    out = PrintedLines(io.StringIO())
    out.write("from here")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(out.write, "from there\n").result()
    out.write("\n")
    assert [line["text"] for line in lines] == ["from there", "from here"]


@pytest.mark.parametrize(("level", "told"), [(25, "info"), (45, "error"), (99, "critical")])
def test_a_level_of_the_users_own_is_the_next_lower_one(
    level: int, told: str, lines: list[Line]
) -> None:
    logging.getLogger("users").log(level, "said")
    assert [line["log_level"] for line in lines] == [told]


def test_wrong_arguments_of_a_log_call_are_no_failure(lines: list[Line]) -> None:
    record = logging.LogRecord("users", logging.INFO, "f.py", 1, "%d of them", ("many",), None)
    StandardLogHandler().emit(record)
    assert [line["event"] for line in lines] == ["%d of them ('many',)"]


def test_a_warning_of_python_is_logged(lines: list[Line]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert ["DeprecationWarning: old" in line["event"] for line in lines] == [True]


def test_what_is_below_the_level_is_not_made(lines: list[Line]) -> None:
    class Dear:
        def __str__(self) -> str:
            raise AssertionError("it was formatted")

    logging.getLogger("users").debug("%s", Dear())
    assert lines == []
