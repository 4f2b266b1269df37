"""Which control documents are there, and which records of the control topic are none?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from farandole.broker.settings import Settings
from farandole.broker.table_follower import follow_table_if_there
from farandole.events.control_documents import parse_control_or_none
from farandole.events.control_problems import control_problem
from farandole.events.control_table import ControlTable, timed_documents
from farandole.events.controls_in_force import TimedDocument
from farandole.events.record import Record


class UnreadRecord(NamedTuple):
    """A record of the control topic that is no document, and so changes nothing."""

    topic: str
    partition: int
    offset: int
    key: bytes
    why: str


class WatchedTable(ControlTable, Protocol):
    """The rows of the control topic: a `farandole.broker.table_follower.TableFollower` that skips
    what is no document."""

    @property
    def unreadable(self) -> Mapping[bytes, Record]: ...


class ControlWatch:
    """The documents of every pipeline. `table` is None if the control topic does not exist."""

    def __init__(self, table: WatchedTable | None) -> None:
        self._table = table
        self._rows: Mapping[bytes, bytes] = {}
        self._documents: list[TimedDocument] = []

    def documents(self) -> Sequence[TimedDocument]:
        """Return the documents in the order of the log."""
        if self._table is not None and self._table.rows is not self._rows:
            self._rows = self._table.rows
            self._documents = timed_documents(self._table, datetime.now(UTC))
        return self._documents

    def unread(self) -> Sequence[UnreadRecord]:
        """Return the newest records of their keys that are no documents, the oldest first."""
        records = [] if self._table is None else self._table.unreadable.values()
        found = [
            UnreadRecord(
                each.topic,
                each.partition,
                each.offset,
                each.key or b"",
                control_problem(each.value or b"") or "",
            )
            for each in records
        ]
        return sorted(found, key=lambda each: each.offset)


def _is_control(record: Record) -> bool:
    return parse_control_or_none(record.value or b"") is not None


@asynccontextmanager
async def watch_controls(settings: Settings) -> AsyncIterator[ControlWatch]:
    """Yield the watch, kept up to date; it starts with all records that there are. If the topic
    does not exist, it has none until the process is started again. Raises BrokerError."""
    topic = settings.names.control_topic
    async with follow_table_if_there(settings, topic, _is_control) as table:
        yield ControlWatch(table)
