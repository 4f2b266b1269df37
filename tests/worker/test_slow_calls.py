"""Is a function told of that holds its process for too long?"""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from farandole.worker.slow_calls import SlowCallWatch

SESSION, ENDED_AFTER = 0.4, 0.32  # seconds


def slow(released: threading.Event) -> None:
    released.wait(60)


def other() -> None: ...


async def test_a_call_that_blocks_the_loop_is_told_while_it_does() -> None:
    released = threading.Event()
    watch = SlowCallWatch(SESSION, ENDED_AFTER, {"enrich": slow, "load": other})
    told: list[Any] = []

    def report(*given: Any) -> None:
        with capture_logs() as lines:
            SlowCallWatch.report(watch, *given)
        told.extend(lines)
        released.set()

    watch.report = report  # type: ignore[assignment,method-assign]
    watching = asyncio.create_task(watch.run())
    await asyncio.sleep(0)
    slow(released)
    watching.cancel()
    (line,) = told
    assert released.is_set()
    assert (line["event"], line["stage"], line["function"]) == ("function.slow", "enrich", "slow")
    _, first = inspect.getsourcelines(slow)
    assert line["place"] == f"tests/worker/test_slow_calls.py:{first + 1}"
    assert line["seconds"] >= SESSION * 0.25
    assert "after 0.32 s the process is ended" in line["remedy"]
    assert "`threads: 4`" in line["remedy"]


async def test_a_loop_that_goes_on_is_not_told_of() -> None:
    watch = SlowCallWatch(1_000.0, 800.0, {"enrich": slow})
    with capture_logs() as lines:
        watching = asyncio.create_task(watch.run())
        for _ in range(50):
            await asyncio.sleep(0.001)
        watching.cancel()
    assert lines == []


MEASURED = """
import asyncio, re
from farandole.worker.slow_calls import SlowCallWatch

def data() -> int:
    return int(re.search(r"VmData:\\s+(\\d+)", open("/proc/self/status").read())[1])

async def main() -> None:
    before = data()
    watching = asyncio.create_task(SlowCallWatch(6.0, 4.8, {}).run())
    await asyncio.sleep(0)
    print(data() - before)

asyncio.run(main())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc")
def test_the_watch_takes_little_of_the_memory_that_a_process_may_hold() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, check=True)
    assert int(done.stdout) < 2048  # KiB; the stack of a thread has 8192 by default


def test_one_stage_is_told_of_once_a_minute_with_how_often_it_was_slow() -> None:
    now = [0.0]
    watch = SlowCallWatch(6.0, 4.8, {"enrich": slow}, lambda: now[0])
    with capture_logs() as lines:
        for second in (0.0, 10.0, 20.0, 70.0):
            now[0] = second
            watch.report(2.0, None)
    assert [(line["stage"], line["unsaid"]) for line in lines] == [("enrich", 0), ("enrich", 2)]


def test_what_is_no_function_of_a_stage_names_those_that_may_have_called_it() -> None:
    watch = SlowCallWatch(6.0, 4.8, {"load": other, "enrich": slow})
    with capture_logs() as lines:
        watch.report(2.0, inspect.currentframe())
    assert lines[0]["stage"] == "enrich, load"
    assert lines[0]["place"].startswith("tests/worker/test_slow_calls.py:")
