"""How many events did each stage emit for one event?"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.operations.errors import query
from farandole.operations.events.event_tracer import EventTracer, FoundRecords
from farandole.operations.events.show_event import event_target
from farandole.operations.installation import Installation
from farandole.operations.results import Result


@dataclass(frozen=True, slots=True)
class EffectCountsRequest:
    """Of which event the effects are counted, and how long."""

    event: str
    """Its position."""
    within: float = 10.0
    """Seconds after which no more is read."""


class EffectCount(Result):
    """How many events of a type a stage emitted for an event."""

    stage: str
    event_type: str
    events: int


class EffectCountsResult(Result):
    """The direct effects of an event."""

    counts: list[EffectCount]
    complete: bool
    """False if there are more: there was no time to read all."""


@query
async def count_effects(
    installation: Installation, request: EffectCountsRequest
) -> EffectCountsResult:
    """Count the direct effects of an event. Its topics are read from the time of the event on, so
    the counts of an old event take long. Raises as `trace_event`."""
    versions = await installation.versions()
    target = event_target(request.event)
    counts: Counter[tuple[str, str]] = Counter()
    complete = True
    async with ClusterAdmin.open(installation.settings) as admin:
        tracer = EventTracer(
            installation.settings, admin, versions.values(), 1, lambda topics: None
        )
        start = await tracer.target_record(target)
        found = FoundRecords()
        try:
            async with asyncio.timeout(request.within):
                await tracer.find_event(start, target, found)
                async for record in tracer.direct_effects(found.event or start):
                    counts[tracer.stage_of(record) or "", tracer.type_of(record)] += 1
        except TimeoutError:
            complete = False
    return EffectCountsResult(
        counts=[
            EffectCount(stage=stage, event_type=event_type, events=events)
            for (stage, event_type), events in counts.items()
        ],
        complete=complete,
    )
