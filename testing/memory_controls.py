"""Which control documents does a pipeline in memory have?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from farandole.events.control_documents import (
    ControlDocument,
    parse_control_or_none,
    serialize_control,
)
from farandole.events.topology_version import Version
from farandole.worker.control_state import ControlState


class MemoryControls:
    """The control topic of a pipeline in memory: a
    `farandole.events.control_table.ControlTable`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds of the epoch."""
        self._clock = clock
        self._next_offset = 0
        self.rows: Mapping[bytes, bytes] = {}
        self.written_at: dict[bytes, int] = {}
        self.offsets: dict[bytes, int] = {}

    def write(self, document: ControlDocument | bytes, key: bytes | None = None) -> int:
        """Write a document, as a command does, or the bytes of a record; return its offset. Lanes
        apply it from their next batch on. What is no document leaves in force what was in force
        under its key."""
        if isinstance(document, bytes):
            value, at = document, key or b"?"
        else:
            value, at = serialize_control(document), key or document.key
        offset = self._next_offset
        self._next_offset += 1
        if parse_control_or_none(value) is None:
            return offset
        self.rows = {**{k: v for k, v in self.rows.items() if k != at}, at: value}
        self.written_at[at] = int(self._clock() * 1000)
        self.offsets[at] = offset
        return offset

    def delete(self, key: bytes) -> None:
        """Write a record without a value."""
        self.rows = {k: v for k, v in self.rows.items() if k != key}
        self._next_offset += 1

    def state(self, version: Version) -> ControlState:
        """Return what the documents say of the pipeline of this version, by the same clock."""
        versions = {version.version: version}
        return ControlState(
            self,
            version.pipeline,
            lambda: datetime.fromtimestamp(self._clock(), UTC),
            lambda: versions,
        )
