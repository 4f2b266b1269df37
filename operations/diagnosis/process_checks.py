"""Which processes and locks of this folder have been left behind?"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from farandole.broker import embedded_kafka
from farandole.broker.java_runtime import download_lock
from farandole.operations.diagnosis.check_row import CheckRow, ok, warning

_INIT = 1  # the parent of a process whose own parent has ended


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """A process of this machine."""

    pid: int
    parent: int
    command: str


def list_processes() -> list[ProcessEntry]:
    """Return the processes of this machine; empty if there is no `ps`."""
    command = ["ps", "-ww", "-eo", "pid=,ppid=,args="]
    try:
        listed = subprocess.run(command, capture_output=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = (line.split(None, 2) for line in listed.stdout.decode(errors="replace").splitlines())
    return [ProcessEntry(int(row[0]), int(row[1]), row[2]) for row in rows if len(row) == 3]


def check_processes(folder: Path, processes: Sequence[ProcessEntry]) -> Iterator[CheckRow]:
    """Is every process of this folder one that something looks after?"""
    place = str(folder.resolve())
    running = embedded_kafka.embedded_status(folder)
    known = {node.pid for node in running.nodes.values()} if running else set()
    ours = [each for each in processes if _is_ours(each, place) and each.pid != os.getpid()]
    for each in ours:
        if _is_kafka(each) and each.pid not in known:
            yield warning(
                "processes",
                f"process {each.pid} is a Kafka of this folder that nothing knows of",
                f"kill {each.pid}",
            )
        elif _is_service(each) and each.parent == _INIT and not _is_hosted(processes):
            yield warning(
                "processes",
                f"process {each.pid} works for this folder, and what started it has ended",
                f"kill {each.pid}, unless you started it to run on by itself",
            )


def check_locks(folder: Path) -> Iterator[CheckRow]:
    """Does another process hold a lock that a start of Kafka waits for?"""
    for file, what in (
        (embedded_kafka.start_lock(folder), "starts or stops this folder's Kafka"),
        (download_lock(), "fetches Apache Kafka"),
    ):
        if _is_locked(file):
            yield warning(
                "locks",
                f"another process {what} ({file} is locked)",
                f"wait; if it hangs, `fuser {file}` names it",
            )


def check_leftovers(folder: Path) -> list[CheckRow]:
    """Return what `check_processes` and `check_locks` find, or that all is in order."""
    processes = list_processes()
    found = [*check_processes(folder, processes), *check_locks(folder)]
    place = str(folder.resolve())
    at_work = sum(_is_ours(p, place) and _is_service(p) for p in processes if p.pid != os.getpid())
    return found or [ok("processes", f"{at_work} of this folder at work, nothing left behind")]


def _is_ours(process: ProcessEntry, place: str) -> bool:
    """Return True if the folder stands in the command as a whole."""
    words = process.command.replace("=", " ").split()
    kafka = f"{place}/.farandole/kafka/"
    return place in words or (_is_kafka(process) and any(w.startswith(kafka) for w in words))


def _is_kafka(process: ProcessEntry) -> bool:
    return "kafka.Kafka" in process.command.split()


def _is_service(process: ProcessEntry) -> bool:
    return "-m farandole" in process.command


def _is_hosted(processes: Sequence[ProcessEntry]) -> bool:
    """Return True in a container whose first process is Farandole itself."""
    return any(each.pid == _INIT and "farandole" in each.command for each in processes)


def _is_locked(file: Path) -> bool:
    try:
        with file.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is none yet
        return False
    return False
