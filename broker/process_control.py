"""Is it still the same process, and how does it end?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path


def process_start_time(pid: int) -> float | None:
    """What tells a process from a later one with its pid: when it started, in the kernel's own
    count; None if it is gone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a dead child of ours would stay a zombie
    if not Path("/proc/self/stat").exists():
        return _start_time_by_ps(pid)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else float(fields[19])


def _start_time_by_ps(pid: int) -> float | None:
    said = subprocess.run(  # noqa: S603 -- a pid is a number
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 -- where it stands differs
        capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"},
    ).stdout.strip()  # fmt: skip
    return time.mktime(time.strptime(said)) if said else None


async def end_process(pid: int, started: float, *patience: tuple[signal.Signals, float]) -> bool:
    """Send the signals one after the other, each with its seconds to obey, until the process is
    gone; False if it is not."""
    for number, seconds in patience:
        if process_start_time(pid) != started:
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        ends = time.monotonic() + seconds
        while process_start_time(pid) == started and time.monotonic() < ends:  # noqa: ASYNC110 -- no event tells
            await asyncio.sleep(0.02)
    return process_start_time(pid) != started
