"""Which stages are paused, and which runs are cancelled, as of now?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Set
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol

import structlog

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.table_follower import follow_table
from farandole.events.control_documents import (
    ControlDocument,
    PauseDocument,
    ResumeDocument,
    parse_control_or_none,
)
from farandole.events.controls_in_force import TimedDocument, cancelled_runs, pause_in_force
from farandole.events.record import Record
from farandole.events.record_time import past_time

log = structlog.get_logger()


class ControlTable(Protocol):
    """The rows of `farandole.control`, as `farandole.broker.table_follower.Follower` has them."""

    @property
    def rows(self) -> Mapping[bytes, bytes]: ...

    @property
    def written_at(self) -> Mapping[bytes, int]: ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ControlState:
    """Answers from the control documents of one pipeline. `table` is None if the control topic does
    not exist: then nothing is paused or cancelled. Both questions are asked once per batch, so the
    documents are read only when the table has changed, or when one expires."""

    def __init__(
        self, table: ControlTable | None, pipeline: str, clock: Callable[[], datetime] = _utc_now
    ) -> None:
        self._table = table
        self._pipeline = pipeline
        self._clock = clock
        self._rows: Mapping[bytes, bytes] = {}
        self._read: dict[bytes, ControlDocument | None] = {}
        self._documents: list[TimedDocument] = []
        self._pause_documents: list[TimedDocument] = []
        self._cancelled: Set[bytes] = frozenset()
        self._cancellations_expire: datetime | None = None

    def is_paused(self, stage: str) -> bool:
        """Return True if a stage of the pipeline is paused."""
        self._refresh()
        if not self._pause_documents:
            return False
        return (
            pause_in_force(self._pause_documents, self._pipeline, stage, self._clock()) is not None
        )

    def cancelled_runs(self) -> Set[bytes]:
        """Return the ids of the runs of which no event is to be handled."""
        self._refresh()
        if self._cancellations_expire is not None and self._cancellations_expire <= self._clock():
            self._cancel()
        return self._cancelled

    def _refresh(self) -> None:
        if self._table is None or self._table.rows is self._rows:
            return
        self._rows = rows = self._table.rows
        written, now = self._table.written_at, self._clock()
        # A document that was parsed before is not parsed again, nor is a bad one logged again.
        read = {v: self._read[v] if v in self._read else _parse_control(v) for v in rows.values()}
        self._read = read
        self._documents = [
            TimedDocument(control, past_time(written[key], now))
            for key, value in rows.items()
            if (control := read[value]) is not None
        ]
        self._pause_documents = [
            document
            for document in self._documents
            if isinstance(document.control, PauseDocument | ResumeDocument)
            and document.control.pipeline == self._pipeline
        ]
        self._cancel()

    def _cancel(self) -> None:
        runs = cancelled_runs(self._documents, self._clock())
        self._cancelled = frozenset(run.encode() for run in runs)
        self._cancellations_expire = min(runs.values(), default=None)


def _parse_control(value: bytes) -> ControlDocument | None:
    control = parse_control_or_none(value)
    if control is None:
        log.warning("control.unread", value=value[:200].decode(errors="backslashreplace"))
    return control


def _is_control(record: Record) -> bool:
    """Return True if a record has a control document; log it if not. What was in force under its
    key stays in force."""
    if parse_control_or_none(record.value or b"") is not None:
        return True
    log.warning(
        "control.unread",
        position=f"{record.topic}/{record.partition}/{record.offset}",
        value=(record.value or b"")[:200].decode(errors="backslashreplace"),
    )
    return False


@asynccontextmanager
async def follow_control_state(settings: Settings, pipeline: str) -> AsyncIterator[ControlState]:
    """Yield the control state, kept up to date; it starts with all documents that there are. If the
    topic does not exist, nothing is paused or cancelled until the process is started again. Raises
    BrokerError."""
    topic = settings.names.control_topic
    async with ClusterAdmin.open(settings) as admin:
        exists = topic in await admin.topics([topic])
    if not exists:
        yield ControlState(None, pipeline)
        return
    async with follow_table(settings, topic, _is_control) as follower:
        yield ControlState(follower, pipeline)
