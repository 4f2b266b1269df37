"""What time is it, for all processes of a test? The test says it."""

from __future__ import annotations

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = struct.Struct("q")  # aligned, so that a reader never sees half of it


class SharedClock:
    """A clock in a file that several processes have open. It stands still until it is set."""

    def __init__(self, file: Path, start: datetime | None = None) -> None:
        """`start`: make the file, and show this time; None: another process has made it."""
        if start is not None:
            file.write_bytes(_TIME.pack(0))
        with file.open("r+b") as opened:
            self._shared = mmap.mmap(opened.fileno(), _TIME.size)
        if start is not None:
            self.set(start)

    def now(self) -> datetime:
        (microseconds,) = _TIME.unpack_from(self._shared)
        return _EPOCH + timedelta(microseconds=microseconds)

    def set(self, time: datetime) -> None:
        _TIME.pack_into(self._shared, 0, (time - _EPOCH) // _MICROSECOND)
