"""What does a person ask of the stages of a pipeline, as of now?"""

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
    TimedDocument,
    cancelled_runs,
    parse_control_or_none,
    pause_in_force,
)

log = structlog.get_logger()


class ControlTable(Protocol):
    """`farandole.control`, as `farandole.broker.table_follower.Follower` knows it."""

    @property
    def rows(self) -> Mapping[bytes, bytes]: ...

    @property
    def written_at(self) -> Mapping[bytes, int]: ...


def _utc_now() -> datetime:
    return datetime.now(UTC)


class ControlState:
    """Which stages of one pipeline are paused, and which runs are cancelled. `table` None: nothing
    can be asked. Both questions are asked once per batch: they look whether the table has changed,
    and at what stands in it only then, or when a document expires."""

    def __init__(
        self, table: ControlTable | None, pipeline: str, clock: Callable[[], datetime] = _utc_now
    ) -> None:
        self._table = table
        self._pipeline = pipeline
        self._clock = clock
        self._rows: Mapping[bytes, bytes] = {}
        self._read: dict[bytes, ControlDocument | None] = {}
        self._said: list[TimedDocument] = []
        self._gates: list[TimedDocument] = []
        self._cancelled: Set[bytes] = frozenset()
        self._holds_until: datetime | None = None

    def paused(self, stage: str) -> bool:
        self._look()
        if not self._gates:
            return False
        return pause_in_force(self._gates, self._pipeline, stage, self._clock()) is not None

    def cancelled(self) -> Set[bytes]:
        """The ids of the runs of which no event is to be handled."""
        self._look()
        if self._holds_until is not None and self._holds_until <= self._clock():
            self._cancel()
        return self._cancelled

    def _look(self) -> None:
        if self._table is None or self._table.rows is self._rows:
            return
        self._rows = rows = self._table.rows
        written = self._table.written_at
        # What was understood before is not read again, and what was not is not said again.
        read = {v: self._read[v] if v in self._read else _parse_control(v) for v in rows.values()}
        self._read = read
        self._said = [
            TimedDocument(control, datetime.fromtimestamp(written[key] / 1000, UTC))
            for key, value in rows.items()
            if (control := read[value]) is not None
        ]
        self._gates = [
            said
            for said in self._said
            if isinstance(said.control, PauseDocument | ResumeDocument)
            and said.control.pipeline == self._pipeline
        ]
        self._cancel()

    def _cancel(self) -> None:
        runs = cancelled_runs(self._said, self._clock())
        self._cancelled = frozenset(run.encode() for run in runs)
        self._holds_until = min(runs.values(), default=None)


def _parse_control(value: bytes) -> ControlDocument | None:
    control = parse_control_or_none(value)
    if control is None:
        log.warning("control.unread", value=value[:200].decode(errors="backslashreplace"))
    return control


@asynccontextmanager
async def follow_control_state(settings: Settings, pipeline: str) -> AsyncIterator[ControlState]:
    """What is asked, as documents come, with all that there were at the start. Where the topic does
    not exist nothing is asked, until the process is started again. Raises BrokerError."""
    topic = settings.names.control_topic
    async with ClusterAdmin.open(settings) as admin:
        exists = topic in await admin.topics()
    if not exists:
        yield ControlState(None, pipeline)
        return
    async with follow_table(settings, topic) as follower:
        yield ControlState(follower, pipeline)
