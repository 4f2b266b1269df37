"""Does nothing that a candidate does reach the worker that calls it?"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.worker.call_time import UnknownLimitError
from farandole.worker.candidates import candidate_process
from farandole.worker.candidates.candidate_messages import CallResult, CandidateEvent
from farandole.worker.candidates.candidate_process import (
    CandidateCall,
    CandidateLostError,
    CandidateProcess,
    CandidateSpec,
)
from farandole.worker.flag_snapshot import FlagValue, StageFlag, TargetedRule
from tests.worker.made import version

Start = Callable[..., Awaitable[CandidateProcess]]

CODE = """
import asyncio, os, signal, subprocess, sys, time
from collections.abc import AsyncIterator, Iterator
from farandole import Context, Reject
from pydantic import BaseModel

class In(BaseModel):
    n: int

class Out(BaseModel):
    n: int
    household: int | None = None

class Text(BaseModel):
    text: str

def price(event: In, context: Context) -> Out | None:
    print("priced", event.n, "as", context.events[0].id)
    os.write(1, b"raw bytes\\n")
    if event.n == 0:
        return None
    if event.n < 0:
        raise Reject(f"{event.n} is negative")
    context.log.info("its.own", attempt=context.attempt)
    return Out(n=context.flag("factor", 2) * event.n, household=event.n)

async def limited(event: In, context: Context) -> Out:
    await context.limit("crm" if event.n else "gone")
    return Out(n=event.n)

def limited_in_thread(event: In, context: Context) -> Out:
    context.limit("crm" if event.n else "gone")
    return Out(n=event.n)

def every(event: In) -> Out | None:
    match event.n:
        case 1: sys.exit(3)
        case 2: return every(event)
        case 3: return lambda: None
        case 4: print("x" * 3_000_000)
        case 5: raise KeyboardInterrupt
    return Out(n=event.n)

def hang(event: In) -> Out:
    while event.n:
        time.sleep(0.01)
    return Out(n=0)

def meddle(event: In) -> Out:
    os.write(int(sys.argv[1]), b"junk" * 100)
    return Out(n=0)

def leave(event: In) -> Out:
    os._exit(7)

def killed(event: In) -> Out:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(os.environ["PID_FILE"], "w") as file:
        file.write(str(child.pid))
    os.kill(os.getpid(), signal.SIGSEGV)

kept = []
def leak(event: In) -> Out:
    while True:
        kept.append(bytearray(2**22))

def text(event: Text) -> Out:
    return Out(n=0)
"""
STAGE = StageSpec(run="price2:every", subscribes=("in",), emits=("out",), timeout=20.0)
IN_SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
}


def newest(stage: StageSpec = STAGE) -> Version:
    keyed = EventSpec(topic="p.out", partitions=4, key="household")
    known = EventSpec(topic="p.in", partitions=4, boundaries=(0, 0, 0, 0), data_schema=IN_SCHEMA)
    return version(stages={"stage": stage}, events={"out": keyed, "in": known})


def event(n: int, offset: int = 7) -> CandidateEvent:
    return CandidateEvent(
        1, "in", "in", "p.in", 2, offset, 1_700_000_000_000, b"run", True, b"k", b'{"n": %d}' % n
    )


def call(n: int, **more: Any) -> CandidateCall:
    return CandidateCall(newest(), [event(n)], **more)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    (tmp_path / "price2.py").write_text(CODE)
    started: list[CandidateProcess] = []

    async def begin(function: str, stage: StageSpec = STAGE, **more: Any) -> CandidateProcess:
        run = function if ":" in function else f"price2:{function}"
        spec = CandidateSpec(tmp_path, "stage", run, newest(stage), takes_batch=False, **more)
        process = CandidateProcess(spec)
        started.append(process)
        await process.start()
        return process

    yield begin
    for process in started:
        await process.close()
        assert not _is_alive(process.pid)


def _is_alive(pid: int | None) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def test_results_come_back_and_output_goes_to_the_log(
    start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    process = await start("price")
    assert process.takes_context
    answers = await process.call([call(3), call(0), call(-1, attempt=4)])
    made, dropped, dead = (answer.result for answer in answers)
    ((event_type, key, value),) = made.outputs
    assert (event_type, key, value) == ("out", b"3", b'{"n":6,"household":3}')
    assert made.seconds > 0
    assert (dropped.outcome, dropped.outputs) == ("dropped", [])
    assert (dead.outcome, dead.error, dead.message) == ("dead", "Reject", "-1 is negative")
    assert not dead.is_retryable
    assert "price2.py" in dead.place
    for_other_keys = TargetedRule(FlagValue(7), 0, None)
    for_red = TargetedRule(FlagValue(5), None, lambda _: False, "attributes.color == 'red'")
    flags = {"factor": StageFlag(FlagValue(3), 8, (for_other_keys, for_red), 99)}
    red = event(3)._replace(headers=[("ce_color", b"red")])
    flagged = await process.call(
        [call(3, flags=flags), CandidateCall(newest(), [red], flags=flags), call(3)]
    )
    odd = event(3)._replace(attributes={"color": "\ud800"})
    (lone,) = await process.call([CandidateCall(newest(), [odd])])
    assert lone.result.outcome == "handled"
    values = [answer.result.outputs[0].value for answer in flagged]
    assert values == [b'{"n":%d,"household":3}' % (3 * factor) for factor in (3, 5, 2)]
    out, err = capfd.readouterr()
    assert "priced" not in out
    assert '"text": "priced 3 as in/2/7"' in err
    assert '"candidate": "price2:price"' in err
    assert '"attempt": 1' in err
    assert "raw bytes" in err


async def test_what_a_function_raises_is_the_failure_of_one_call(start: Start) -> None:
    process = await start("every")
    answers = await process.call([call(n) for n in range(1, 7)])
    errors = [answer.result.error for answer in answers]
    assert errors == ["SystemExit", "RecursionError", "WrongResult", "", "KeyboardInterrupt", ""]


async def test_results_are_compared_where_they_are_made(start: Start) -> None:
    process = await start("hang")
    stable = await start("every")
    (other,) = await stable.call([call(6)])
    compared = [
        call(0, compare_with=other.result, repeats_stable=True),
        call(0, compare_with=CallResult("dropped")),
    ]
    first, second = await process.call(compared)
    assert first.comparison is not None
    assert first.comparison["differs"] == ["out: n"]
    assert first.stable_comparison is not None
    assert first.stable_comparison["differs"] == ["out: n"]  # it was called with another event
    assert second.comparison is not None
    assert second.comparison["differs"] == ["(outcome)"]
    assert second.stable_comparison is None
    assert first.result.outputs == []


async def test_a_function_that_hangs_is_ended(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate_process, "CALL_GRACE", 0.1)
    process = await start("hang", STAGE.model_copy(update={"timeout": 0.4}))
    with pytest.raises(CandidateLostError, match=r"no result within 0\.4 s"):
        await process.call([call(1)])
    assert not _is_alive(process.pid)
    with pytest.raises(CandidateLostError, match="no result"):
        await process.call([call(0)])


async def test_a_candidate_that_keeps_its_worker_waiting_is_named_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate_process, "CALL_GRACE", 0.1)
    process = await start("hang", STAGE.model_copy(update={"timeout": 1.4}))
    monkeypatch.setattr(candidate_process, "SLOW_SECONDS", 0.1)
    with capture_logs() as lines, pytest.raises(CandidateLostError):
        await process.call([call(1)])
    (line,) = [line for line in lines if line["event"] == "candidate.slow"]
    assert (line["stage"], line["run"]) == ("stage", "price2:hang")
    assert line["seconds"] >= 0.1
    assert "its switch is over" in line["remedy"]


class Limits:
    """The limits of the worker."""

    def __init__(self) -> None:
        self.asked = 0
        self.passes = asyncio.Event()

    async def wait(self, name: str, *, in_thread: bool = False) -> None:
        if name != "crm":
            raise UnknownLimitError(f"there is no limit {name}")
        self.asked += 1
        await self.passes.wait()

    def is_short(self) -> bool:
        return False


@pytest.mark.parametrize(("function", "threads"), [("limited", 0), ("limited_in_thread", 2)])
async def test_it_waits_for_the_limits_of_the_worker_and_that_is_not_its_time(
    start: Start, monkeypatch: pytest.MonkeyPatch, function: str, threads: int
) -> None:
    monkeypatch.setattr(candidate_process, "CALL_GRACE", 0.0)
    limits, short = Limits(), STAGE.model_copy(update={"timeout": 0.5, "threads": threads})
    process = await start(function, short, limits=limits)
    calls = asyncio.create_task(process.call([call(4), call(0)]))
    async with asyncio.timeout(180):
        while not limits.asked:
            await asyncio.sleep(0.01)
    _, pending = await asyncio.wait({calls}, timeout=1.5)
    assert pending, "it counted as hung"
    limits.passes.set()
    passed, unknown = await calls
    assert passed.result.outputs[0].value == b'{"n":4,"household":null}'
    assert passed.result.seconds < 0.5
    assert unknown.result.error == "UnknownLimitError"
    assert unknown.result.message == "there is no limit gone"


async def test_an_exit_is_told(start: Start) -> None:
    process = await start("leave")
    with pytest.raises(CandidateLostError, match="exit code 7"):
        await process.call([call(1)])


async def test_a_candidate_that_writes_to_its_workers_socket_is_lost(start: Start) -> None:
    process = await start("meddle")
    with pytest.raises(CandidateLostError, match="wrote to its worker's socket"):
        await process.call([call(1)])


async def test_what_it_has_started_ends_with_it(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pid"))
    process = await start("killed")
    with pytest.raises(CandidateLostError, match="SIGSEGV"):
        await process.call([call(1)])
    child = int((tmp_path / "pid").read_text())
    async with asyncio.timeout(180):
        while _is_alive(child):
            await asyncio.sleep(0.01)


async def test_a_leak_ends_at_the_limit(start: Start) -> None:
    process = await start("leak", memory=600)
    with pytest.raises(CandidateLostError, match="more memory than the 600 MiB"):
        await process.call([call(1)])


@pytest.mark.parametrize(
    ("function", "why"),
    [
        ("nowhere:f", r"there is no nowhere\.py"),
        ("price2:text", "cannot read in: it takes Text: field 'text' is missing"),
        ("leaving:f", "exit code 4"),
    ],
)
async def test_a_candidate_that_does_not_fit_is_refused(
    start: Start, tmp_path: Path, function: str, why: str
) -> None:
    (tmp_path / "leaving.py").write_text("import os\nos._exit(4)\n")
    with pytest.raises(CandidateLostError, match=why):
        await start(function)


async def test_a_slow_import_holds_up_nobody(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidate_process, "START_SECONDS", 0.2)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    with pytest.raises(CandidateLostError, match=r"not imported within 0\.2 s"):
        await start("slow:f")


async def test_a_caller_that_is_cancelled_leaves_the_process_to_the_others(start: Start) -> None:
    process = await start("every")
    given_up = asyncio.create_task(process.call([call(4)] * 20))
    await asyncio.sleep(0)
    given_up.cancel()
    (answer,) = await process.call([call(6)])
    assert given_up.cancelled()
    assert answer.result.outputs[0].value == b'{"n":6,"household":null}'


async def test_no_orphan_is_left_when_the_worker_is_killed(tmp_path: Path) -> None:
    (tmp_path / "price2.py").write_text(CODE)
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WORKER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert worker.stdout is not None
    async with asyncio.timeout(120):
        while not (line := await worker.stdout.readline()).startswith(b"pid "):
            assert line
        pid = int(line.split()[1])
        assert _is_alive(pid)
        worker.send_signal(signal.SIGKILL)
        await worker.wait()
        while _is_alive(pid):
            await asyncio.sleep(0.01)


_WORKER = """
import asyncio, sys
from pathlib import Path
from farandole.worker.candidates.candidate_process import CandidateProcess, CandidateSpec
from tests.worker.candidates.test_candidate_process import call, newest

async def main():
    spec = CandidateSpec(Path(sys.argv[1]), "stage", "price2:hang", newest(), takes_batch=False)
    process = CandidateProcess(spec)
    await process.start()
    asking = asyncio.create_task(process.call([call(1)]))
    print("pid", process.pid, flush=True)
    await asking

asyncio.run(main())
"""
