"""What are the causes and effects of an event?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.events.record import Record
from farandole.events.settlement_record import Settlement
from farandole.ledger.event_trace import RecordPosition, TraceTarget
from farandole.operations.errors import query
from farandole.operations.events.event_tracer import EventTracer, FoundRecords, ReportTopics
from farandole.operations.events.record_result import RecordReader, RecordResult
from farandole.operations.installation import Installation
from farandole.operations.reason_text import reason_text
from farandole.operations.reasons import Reason


@dataclass(frozen=True, slots=True)
class TraceRequest:
    """Which event to trace, and how far."""

    target: TraceTarget
    limit: int = 200
    """Causes that are looked for, and effects."""
    within: float = 60.0
    """Seconds after which causes and effects are looked for no longer."""


@dataclass(frozen=True, slots=True)
class TracedRecord:
    """A record of a trace."""

    event_type: str
    """Its topic if no version has it."""
    stage: str | None
    """The stage that emitted it; None if it is a root."""
    result: RecordResult
    settlement: Settlement | None = None
    """How it was settled, if it is a dead letter that was."""

    @property
    def record(self) -> Record:
        """The record as it was read."""
        return self.result.record

    def to_data(self) -> dict[str, Any]:
        """Return data for orjson: `topic`, `stage`, and what RecordResult gives; `settlement` of a
        dead letter that was settled."""
        data = {"topic": self.record.topic, "stage": self.stage} | self.result.to_data()
        if self.settlement is not None:
            data["settlement"] = self.settlement.to_data()
        return data


@dataclass(frozen=True, slots=True)
class TraceResult:
    """The causes of an event, from the root on, the event, and its effects down to the leaves."""

    causes: list[TracedRecord]
    event: TracedRecord | None
    """None if an id was traced and its event was not found."""
    effects: list[TracedRecord]
    dead: list[TracedRecord]
    """Dead letters of the event and of its effects."""
    reasons: list[Reason]
    """Records that could not be read, and why."""

    def to_data(self) -> dict[str, Any]:
        """Return data for orjson; `notes` are the reasons as sentences."""
        return {
            "causes": [traced.to_data() for traced in self.causes],
            "event": None if self.event is None else self.event.to_data(),
            "effects": [traced.to_data() for traced in self.effects],
            "dead": [traced.to_data() for traced in self.dead],
            "notes": [reason_text(reason) for reason in self.reasons],
            "reasons": [reason.to_data() for reason in self.reasons],
        }


def _report_nothing(_: object) -> None:
    pass


@query
async def trace_event(
    installation: Installation, request: TraceRequest, report: ReportTopics = _report_nothing
) -> TraceResult:
    """Return the causes and effects of an event; `report` is called with the topics that are read.
    Raises NotFoundError `unknown_event_type` or `unknown_event`, and GoneError `event_gone`."""
    target = request.target
    versions = await installation.versions()
    found = FoundRecords()
    async with ClusterAdmin.open(installation.settings) as admin:
        tracer = EventTracer(installation.settings, admin, versions.values(), request.limit, report)
        start = await tracer.target_record(target)
        try:
            async with asyncio.timeout(request.within):
                await tracer.find_event(start, target, found)
                await tracer.find_causes(found.event or start, found)
                if found.event is None:
                    found.causes.append(start)
                await tracer.find_effects(found)
        except TimeoutError:
            found.notes.append(Reason("trace_timed_out", {"seconds": request.within}))
    if target.id is not None and found.event is None:
        cause = str(RecordPosition.of(start))
        found.notes.append(Reason("event_not_found", {"id": target.id, "cause": cause}))
    reader = RecordReader(versions.values())

    def traced(record: Record) -> TracedRecord:
        return TracedRecord(
            tracer.type_of(record),
            tracer.stage_of(record),
            reader.read(record),
            found.settlements.get(RecordPosition.of(record)),
        )

    return TraceResult(
        causes=[traced(record) for record in found.causes],
        event=None if found.event is None else traced(found.event),
        effects=[traced(record) for record in found.effects],
        dead=[traced(record) for record in found.dead],
        reasons=found.notes,
    )
