"""How much of the machine does a process use?"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.metadata import version as release
from pathlib import Path

from farandole.telemetry.meter import Report
from farandole.telemetry.metric_catalog import BUILD, PROCESS_CPU, PROCESS_FILES, PROCESS_MEMORY

_PROC = Path("/proc")


def own_figures() -> Report:
    """Return those of this process, and which release it runs."""
    build: Report = {BUILD.name: [([release("farandole")], 1)]}
    return process_figures(os.getpid()) | build


def process_figures(pid: int) -> Report:
    """Return processor time in seconds, resident memory in bytes, and open file descriptors of a
    process of this machine; nothing of one that has ended, or where the system has no `/proc`."""
    folder = _PROC / str(pid)
    report: Report = {}
    with suppress(OSError, ValueError, IndexError):
        # The name of the program stands in parentheses, and may have any character.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        report[PROCESS_CPU.name] = [([], ticks / os.sysconf("SC_CLK_TCK"))]
        report[PROCESS_MEMORY.name] = [([], int(fields[21]) * os.sysconf("SC_PAGE_SIZE"))]
        report[PROCESS_FILES.name] = [([], len(os.listdir(folder / "fd")))]
    return report
