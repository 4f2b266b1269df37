"""What does a function get as its `Context`?"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, overload

import structlog

from farandole.events.record import Record
from farandole.events.record_time import known_time
from farandole.stages.contract import Context
from farandole.stages.nearest_name import did_you_mean
from farandole.worker.call_time import BLOCKED_CALL, LimitedCall
from farandole.worker.event_facts import HandledEvent, event_attributes, event_id
from farandole.worker.flag_reads import Cells, FlagReads
from farandole.worker.input_edge import Lineage

T = TypeVar("T")

log = structlog.get_logger()


class EventView:
    """`farandole.EventInfo`: everything is read from the record when it is asked for."""

    __slots__ = ("_flags", "_lineage", "_record")

    def __init__(self, record: Record, lineage: Lineage, flags: FlagReads) -> None:
        self._record = record
        self._lineage = lineage
        self._flags = flags

    @property
    def id(self) -> str:
        return event_id(self._record, self._lineage)

    @property
    def type(self) -> str:
        return self._lineage.edge.event_type

    @property
    def key(self) -> str | None:
        key = self._record.key
        return None if key is None else key.decode(errors="replace")

    @property
    def time(self) -> datetime | None:
        written = _parsed_time(self.attributes.get("time"))
        return written or known_time(self._record.timestamp)

    @property
    def run(self) -> str:
        return self._lineage.run.decode(errors="replace")

    @property
    def attributes(self) -> Mapping[str, str]:
        return event_attributes(self._record, self._lineage)

    def flag(self, name: str, default: T) -> T:
        event = (self._record, self._lineage)
        value: T = self._flags.read(self._flags.cells((event,)), name, default, event)
        return value

    def __repr__(self) -> str:
        return f"EventInfo({self.id!r})"


class EventViews(Sequence[EventView]):
    """The events of one call, each made when it is asked for."""

    __slots__ = ("_flags", "_handled")

    def __init__(self, handled: Sequence[HandledEvent], flags: FlagReads) -> None:
        self._handled = handled
        self._flags = flags

    def __len__(self) -> int:
        return len(self._handled)

    @overload
    def __getitem__(self, index: int) -> EventView: ...
    @overload
    def __getitem__(self, index: slice) -> EventViews: ...
    def __getitem__(self, index: int | slice) -> EventView | EventViews:
        if isinstance(index, slice):
            return EventViews(self._handled[index], self._flags)
        record, lineage, *_ = self._handled[index]
        return EventView(record, lineage, self._flags)


class StageContext:
    """`farandole.Context` for one attempt at one event or batch. It keeps what it is made of;
    everything else is computed when a function asks for it."""

    __slots__ = (
        "_cells", "_deadline", "_flags", "_handled", "_takes_batch", "attempt", "call", "pipeline",
        "stage",
    )  # fmt: skip

    def __init__(
        self,
        pipeline: str,
        stage: str,
        attempt: int,
        deadline: float,
        handled: Sequence[HandledEvent],
        flags: FlagReads,
        *,
        takes_batch: bool,
    ) -> None:
        self.pipeline = pipeline
        self.stage = stage
        self.attempt = attempt
        self._deadline = deadline
        self._handled = handled
        self._flags = flags
        self._takes_batch = takes_batch
        self._cells: Cells | None = None
        self.call: LimitedCall = BLOCKED_CALL

    @property
    def deadline(self) -> float:
        return self._deadline + self.call.waited

    def limit(self, name: str) -> Awaitable[None]:
        return self.call.limit(name)

    @property
    def events(self) -> EventViews:
        return EventViews(self._handled, self._flags)

    @property
    def run(self) -> str | None:
        first, *others = {lineage.run for _, lineage, *_ in self._handled}
        return None if others else first.decode(errors="replace")

    @property
    def attributes(self) -> Mapping[str, str]:
        return {} if self._takes_batch else event_attributes(*self._handled[0][:2])

    def flag(self, name: str, default: T) -> T:
        cells = self._cells
        # No call more than there must be: functions read flags for every event.
        if cells is None:
            if not self._takes_batch:
                cells = self._flags.by_run.get(self._handled[0][1].run)
            if cells is None:
                cells = self._flags.cells(self._handled)
            self._cells = cells
        cell = cells.get(name)
        if cell is not None and cell.plain:
            cell.reads += 1
            value: T = cell.value
        else:
            event = None if self._takes_batch else self._handled[0]
            value = self._flags.read(cells, name, default, event)
        return value

    @property
    def log(self) -> Any:
        return log.bind(pipeline=self.pipeline, stage=self.stage, run=self.run)

    def __getattr__(self, name: str) -> Any:
        """Raise AttributeError: a Context has no such field. Called only for what it does not
        have."""
        fields = sorted(each for each in vars(Context) if not each.startswith("_"))
        remedy = did_you_mean(name, fields, f"it has {', '.join(fields)}")
        raise AttributeError(f"a Context has no {name!r}; {remedy}", name=name)

    def __repr__(self) -> str:
        return f"Context(stage={self.stage!r}, attempt={self.attempt}, events={len(self.events)})"


def _parsed_time(text: str | None) -> datetime | None:
    """Return the time of a CloudEvent; None if there is none, or none with a zone."""
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None
