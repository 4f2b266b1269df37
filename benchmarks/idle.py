"""What does `farandole up` of the shipped pipeline take while nothing happens?"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.services.worker_services import settings_environment

FOLDER = Path(__file__).parent.parent
_READY = b"every stage is at work"
_READY_SECONDS = 300.0
_QUIET_SECONDS = 10.0  # until what the starts have left to do is done
_WATCHED_SECONDS = 30.0
_MIB = 2**20


async def measure(settings: Settings) -> dict[str, Any]:
    """Return the processor time of the start, and memory and processor time at rest of all
    processes of an `up`, without Kafka's. Memory that processes share counts once (PSS)."""
    with tempfile.TemporaryDirectory(prefix="farandole-bench-") as name:
        folder = Path(name)
        shutil.copy(FOLDER / "topology.yaml", folder)
        shutil.copytree(FOLDER / "stages" / "order_lines", folder / "stages" / "order_lines")
        address = ("--bootstrap", settings.bootstrap or "")
        began = time.monotonic()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "farandole", "-C", name, *address, "--log-level", "error", "up",
            env={**os.environ, **settings_environment(settings), f"{ENV_PREFIX}WEB_PORT": "0"},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, limit=2**20,
        )  # fmt: skip
        try:
            assert child.stdout is not None
            async with asyncio.timeout(_READY_SECONDS):
                while _READY not in (line := await child.stdout.readline()):
                    assert line, "`up` has ended"
            ready = time.monotonic() - began
            return {"seconds until ready": ready, **await _at_rest(psutil.Process(child.pid))}
        finally:
            if child.returncode is None:
                child.send_signal(signal.SIGTERM)
            await child.communicate()


async def _at_rest(up: psutil.Process) -> dict[str, Any]:
    processes = [up, *up.children(recursive=True)]
    started = sum(_cpu(process) for process in processes)
    await asyncio.sleep(_QUIET_SECONDS)
    processes = [up, *up.children(recursive=True)]
    before = {process: _cpu(process) for process in processes}
    await asyncio.sleep(_WATCHED_SECONDS)
    used = {each: (_cpu(each) - before[each]) / _WATCHED_SECONDS for each in processes}
    memory = {each: each.memory_full_info().pss / _MIB for each in processes}
    return {
        "CPU seconds of the start": started,
        "processes": len(processes),
        "MiB (PSS)": sum(memory.values()),
        "cores": sum(used.values()),
        "each": [
            {"command": " ".join(each.cmdline()), "MiB": memory[each], "cores": used[each]}
            for each in processes
        ],
    }


def _cpu(process: psutil.Process) -> float:
    """Return the seconds of a process and of its children that have ended."""
    return float(sum(process.cpu_times()[:4]))
