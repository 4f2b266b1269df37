"""What does a lane keep in Kafka besides its offsets and its parked events?

A row has a key that begins with the name of whoever keeps it (`throttle/...`), and any value. What
is put is written in the lane's next transaction, so it is committed with the events that it was
made of. A lane that is born again forgets what was not committed.
"""

from __future__ import annotations

from collections.abc import Mapping

from farandole.events.record import OutgoingRecord, Partition
from farandole.worker.limits import MAX_STATE_ROW_BYTES
from farandole.worker.transaction_buffer import TransactionBuffer


class LaneState:
    """The state of one lane: its partition of the topic `{pipeline}.{stage}.state`."""

    def __init__(self, partition: Partition | None) -> None:
        """`partition`: where the rows are written; None if the stage has no such topic. Then rows
        are kept in memory alone, and lost when the lane ends."""
        self.partition = partition
        self._rows: dict[bytes, bytes] = {}
        self._unwritten: dict[bytes, bytes | None] = {}

    @property
    def is_kept(self) -> bool:
        """True if what is put outlives the lane."""
        return self.partition is not None

    @property
    def has_unwritten(self) -> bool:
        """True if a row was put or deleted that no transaction has."""
        return bool(self._unwritten)

    def restore(self, rows: Mapping[bytes, bytes]) -> None:
        """Begin with the rows that were committed; forget all others."""
        self._rows = dict(rows)
        self._unwritten.clear()

    def get(self, key: bytes) -> bytes | None:
        """Return the value that was put last under a key; None if there is none."""
        return self._rows.get(key)

    def rows_with(self, prefix: bytes) -> dict[bytes, bytes]:
        """Return the rows whose keys begin with `prefix`. Whoever may write to Kafka can have
        written them."""
        return {key: value for key, value in self._rows.items() if key.startswith(prefix)}

    def put(self, key: bytes, value: bytes | None) -> None:
        """Keep a value under a key, or delete the row if it is None. A row that has this value
        already is not written again. Raises ValueError if the row is too large."""
        if len(key) + len(value or b"") > MAX_STATE_ROW_BYTES:
            raise ValueError(
                f"a row of the state has {MAX_STATE_ROW_BYTES} bytes at most, and {key[:80]!r} has"
                f" {len(key) + len(value or b'')}"
            )
        if self._rows.get(key) == value:
            return
        if value is None:
            del self._rows[key]
        else:
            self._rows[key] = value
        if self.is_kept:
            self._unwritten[key] = value

    def flush(self, buffer: TransactionBuffer) -> None:
        """Write what was put since the last call into a transaction."""
        if self.partition is None or not self._unwritten:
            return
        for key, value in self._unwritten.items():
            row = OutgoingRecord(key, value)
            buffer.write(self.partition.topic, row, self.partition.partition)
        self._unwritten.clear()
