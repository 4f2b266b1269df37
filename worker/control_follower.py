"""How does a worker learn of new control documents?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import structlog

from farandole.broker.settings import Settings
from farandole.broker.table_follower import follow_table_if_there
from farandole.events.control_problems import control_problem
from farandole.events.record import Record
from farandole.events.safe_text import short_line
from farandole.events.throttles_in_force import Versions
from farandole.worker.control_state import ControlState

log = structlog.get_logger()


class UnreadLog:
    """Logs each record of the control topic that is no document, once: those that a process finds
    at its start only if nothing has replaced them. What was in force under the key stays so."""

    def __init__(self) -> None:
        self._is_start = True
        self._logged: dict[bytes, int] = {}  # by key, the offset

    def is_control(self, record: Record) -> bool:
        """Return True if a record has a control document; log it if not."""
        why = control_problem(record.value or b"")
        if why is not None and not self._is_start:
            self._log(record, why)
        return why is None

    def end_start(self, unreadable: Iterable[Record]) -> None:
        """Log these records, which are the newest of their keys, and from now on all."""
        self._is_start = False
        for record in unreadable:
            self._log(record, control_problem(record.value or b""))

    def _log(self, record: Record, why: str | None) -> None:
        key = record.key or b""
        if self._logged.get(key) == record.offset:
            return  # read again, after an error
        self._logged[key] = record.offset
        log.warning(
            "control.unread",
            position=f"{record.topic}/{record.partition}/{record.offset}",
            key=short_line(key.decode(errors="backslashreplace")),
            why=why,
        )


@asynccontextmanager
async def follow_control_state(
    settings: Settings, pipeline: str, versions: Callable[[], Versions] = dict
) -> AsyncIterator[ControlState]:
    """Yield the control state, kept up to date; it starts with all documents that there are. If the
    topic does not exist, nothing is paused or cancelled until the process is started again.
    `versions` returns those that are published. Raises BrokerError."""
    unread = UnreadLog()
    topic = settings.names.control_topic
    async with follow_table_if_there(settings, topic, unread.is_control) as follower:
        if follower is None:
            yield ControlState(None, pipeline, versions=versions)
            return
        unread.end_start(follower.unreadable.values())
        yield ControlState(follower, pipeline, versions=versions, catch_up=follower.current)
