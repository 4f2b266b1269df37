"""Why has the embedded Kafka ended?"""

from __future__ import annotations

import errno
import re
from datetime import datetime
from pathlib import Path

_DISK_FULL_TEXTS = ("No space left on device", "Disk quota exceeded")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_TAIL_BYTES = 64 * 1024


def is_disk_full(error: OSError) -> bool:
    """Return True if a file could not be written because there is no space for it."""
    return error.errno in _FULL


def disk_full_text(place: object) -> str:
    """Return what is to be done about the disk that holds `place`."""
    return f"the disk that holds {place} is full: free some space, then try again"


def death_reason(place: Path, output: Path, started: float) -> str:
    """Return why the broker whose files are in `place` has ended: the last error in its `output`
    and in `kafka.out`, or the last line if there is no error. `started` is when it was started, in
    seconds of the epoch: the log may go further back."""
    lines = [
        line
        for file in {place / "kafka.out", output}
        for line in read_text(file)[-_TAIL_BYTES:].splitlines()
        if line and not _is_older(line, started)
    ]
    if any(text in line for line in lines for text in _DISK_FULL_TEXTS):
        return disk_full_text(place)
    complaints = [
        line for line in lines if re.match(r"(Caused by: )?[\w.]+(Exception|Error): ", line)
    ]
    found = (complaints or lines or ["it said nothing"])[-1]
    return found[:300]


def _is_older(line: str, started: float) -> bool:
    """Return True if a line of Kafka's log begins with an earlier time."""
    try:
        at = datetime.strptime(line[:19], "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return False
    return at.timestamp() < int(started)


def read_text(file: Path) -> str:
    """Return the text of a file; empty if it cannot be read."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
