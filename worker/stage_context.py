"""What does a function get as its `Context`?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, overload

import structlog

from farandole.events.record import Record
from farandole.events.record_time import known_time
from farandole.stages.contract import Context
from farandole.stages.nearest_name import did_you_mean
from farandole.worker.event_facts import HandledEvent, event_attributes, event_id
from farandole.worker.input_edge import Lineage

log = structlog.get_logger()


class EventView:
    """`farandole.EventInfo`: everything is read from the record when it is asked for."""

    __slots__ = ("_lineage", "_record")

    def __init__(self, record: Record, lineage: Lineage) -> None:
        self._record = record
        self._lineage = lineage

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

    def __repr__(self) -> str:
        return f"EventInfo({self.id!r})"


class EventViews(Sequence[EventView]):
    """The events of one call, each made when it is asked for."""

    __slots__ = ("_handled",)

    def __init__(self, handled: Sequence[HandledEvent]) -> None:
        self._handled = handled

    def __len__(self) -> int:
        return len(self._handled)

    @overload
    def __getitem__(self, index: int) -> EventView: ...
    @overload
    def __getitem__(self, index: slice) -> EventViews: ...
    def __getitem__(self, index: int | slice) -> EventView | EventViews:
        if isinstance(index, slice):
            return EventViews(self._handled[index])
        return EventView(*self._handled[index][:2])


class StageContext:
    """`farandole.Context` for one attempt at one event or batch. It keeps what it is made of;
    everything else is computed when a function asks for it."""

    __slots__ = ("_handled", "_takes_batch", "attempt", "deadline", "pipeline", "stage")

    def __init__(
        self,
        pipeline: str,
        stage: str,
        attempt: int,
        deadline: float,
        handled: Sequence[HandledEvent],
        *,
        takes_batch: bool,
    ) -> None:
        self.pipeline = pipeline
        self.stage = stage
        self.attempt = attempt
        self.deadline = deadline
        self._handled = handled
        self._takes_batch = takes_batch

    @property
    def events(self) -> EventViews:
        return EventViews(self._handled)

    @property
    def run(self) -> str | None:
        first, *others = {lineage.run for _, lineage, *_ in self._handled}
        return None if others else first.decode(errors="replace")

    @property
    def attributes(self) -> Mapping[str, str]:
        return {} if self._takes_batch else event_attributes(*self._handled[0][:2])

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
