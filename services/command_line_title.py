"""How does `ps` show the command line of a forked process, and not that of its parent?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

ROOM = " " * 4096
"""The last argument of a process that forks others: the kernel shows what stands in the memory of
the arguments, and only as many bytes as there were at the start."""


def show_command_line(argv: Sequence[str]) -> None:
    """Let `ps` and /proc/PID/cmdline show these arguments for this process, with a space between
    two, cut off where there is no more room. Does nothing where the kernel does not allow it."""
    with suppress(OSError, ValueError, IndexError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end of proc_pid_stat(5)
        title = os.fsencode(" ".join(argv))[: end - start - 2]
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(start)
            # By a last byte that is not 0 the kernel knows a title, which ends at the first 0.
            memory.write(title.ljust(end - start - 1, b"\0") + b"\1")
