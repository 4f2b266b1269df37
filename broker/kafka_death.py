"""Why has the embedded Kafka ended?"""

from __future__ import annotations

import errno
import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path

_DISK_FULL_TEXTS = ("No space left on device", "Disk quota exceeded")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_STARTED_TEXT = "Awaiting socket connections"
_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"  # of this machine
_TAIL_BYTES = 64 * 1024


def is_disk_full(error: OSError) -> bool:
    """Return True if a file could not be written because there is no space for it."""
    return error.errno in _FULL


def disk_full_text(place: object) -> str:
    """Return what is to be done about the disk that holds `place`."""
    return f"the disk that holds {place} is full: free some space"


def death_reason(place: Path, output: Path, started: float, *, alone: bool = True) -> str:
    """Return why the broker whose files are in `place` has ended: the last error in its `output`
    and in `kafka.out`, or the last line if there is no error. `started` is when it was started, in
    seconds of the epoch: the log may go further back. Unless it is `alone`, its `output` only says
    whether the disk is full: there is always an error about another node in it."""
    printed = place / "kafka.out"
    lines = {
        file: [line for line in _lines_since(file, started) if _STARTED_TEXT not in line]
        for file in (printed, output)
    }
    if any(text in line for said in lines.values() for line in said for text in _DISK_FULL_TEXTS):
        return disk_full_text(place)
    reasons = [line for said in lines.values() for line in said] if alone else lines[printed]
    complaints = [
        line for line in reasons if re.match(r"(Caused by: )?[\w.]+(Exception|Error): ", line)
    ]
    found = (complaints or reasons or ["it said nothing"])[-1]
    return found[:300]


def _lines_since(file: Path, started: float) -> list[str]:
    """Return the last lines of a file, without those of a time before `started`. A line without a
    time, as of a stack trace, belongs to the one before it."""
    lines = []
    is_older = False
    for line in read_text(file)[-_TAIL_BYTES:].splitlines():
        with suppress(ValueError):
            is_older = datetime.strptime(line[:19], _TIME_FORMAT).timestamp() < int(started)
        if line and not is_older:
            lines.append(line)
    return lines


def read_text(file: Path) -> str:
    """Return the text of a file; empty if it cannot be read."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
