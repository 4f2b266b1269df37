"""Does a process with this pid and start time still run, and how is it ended?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path


def process_start_time(pid: int) -> float | None:
    """Return the start time of a process as the kernel reports it, by which a later process with
    the same pid is recognised; None if there is no such process."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # otherwise our dead child stays a zombie
    if not Path("/proc/self/stat").exists():
        return _start_time_by_ps(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else float(fields[19])


def _start_time_by_ps(pid: int) -> float | None:
    start = subprocess.run(  # noqa: S603 -- a pid is a number
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 -- its folder differs
        capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"},
    ).stdout.strip()  # fmt: skip
    return time.mktime(time.strptime(start)) if start else None


async def end_process(pid: int, started: float, *patience: tuple[signal.Signals, float]) -> bool:
    """Send the signals one after the other, and wait after each for its number of seconds, until
    the process has ended. Return False if it still runs."""
    for number, seconds in patience:
        if process_start_time(pid) != started:
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        ends = time.monotonic() + seconds
        while process_start_time(pid) == started and time.monotonic() < ends:  # noqa: ASYNC110 -- the end of a foreign process is no event
            await asyncio.sleep(0.02)
    return process_start_time(pid) != started
