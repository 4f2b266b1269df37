"""Which documents stand in the control topic, as it was read?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from farandole.events.control_documents import ControlDocument, parse_control_or_none
from farandole.events.controls_in_force import TimedDocument
from farandole.events.record_time import past_time


class ControlTable(Protocol):
    """The rows of `farandole.control`: a `farandole.broker.table_follower.TableFollower`."""

    @property
    def rows(self) -> Mapping[bytes, bytes]: ...

    @property
    def written_at(self) -> Mapping[bytes, int]: ...

    @property
    def offsets(self) -> Mapping[bytes, int]: ...


def timed_documents(
    table: ControlTable,
    now: datetime,
    parse: Callable[[bytes], ControlDocument | None] = parse_control_or_none,
) -> list[TimedDocument]:
    """Return the documents in a table, in the order of the log; rows that are none are left out."""
    written, offsets = table.written_at, table.offsets
    return [
        TimedDocument(control, past_time(written[key], now), offsets[key], key)
        for key, value in table.rows.items()
        if (control := parse(value)) is not None
    ]
