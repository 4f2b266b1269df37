"""Which records are in a topic, and which arrive?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from farandole.broker.topic_reader import scan
from farandole.events.settlement_record import is_settlement
from farandole.operations.errors import InvalidRequestError, operation_stream
from farandole.operations.events.record_result import RecordReader, RecordResult
from farandole.operations.installation import Installation
from farandole.operations.names import require_known


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Which records to read: the events of a type, or the dead letters of a stage."""

    event_type: str | None = None
    dead_stage: str | None = None
    from_start: bool = False
    """Begin with the oldest record that is kept; otherwise with the next one."""
    follow: bool = True
    """Go on when all is read."""


@operation_stream
async def read_records(
    installation: Installation, request: ReadRequest
) -> AsyncGenerator[list[RecordResult]]:
    """Yield committed records in batches, in the order of each partition, without the settlements
    of dead letters. Raises NotFoundError `unknown_event_type` or `unknown_stage`."""
    if (request.event_type is None) == (request.dead_stage is None):
        raise InvalidRequestError("invalid_request", "name either an event type or a stage")
    settings = installation.settings
    versions = await installation.versions()
    version = versions[max(versions)]
    if request.event_type is not None:
        known = require_known(
            request.event_type, version.events, "event type", "unknown_event_type"
        )
        topic = version.events[known].topic
    else:
        stage = require_known(request.dead_stage or "", version.stages, "stage")
        topic = settings.names.dead_topic(version.pipeline, stage)
    reader = RecordReader(versions.values())
    start = "earliest" if request.from_start else "latest"
    async with aclosing(scan(settings, [topic], start=start, follow=request.follow)) as batches:  # type: ignore[arg-type]
        async for records in batches:
            if request.dead_stage is not None:
                records = [record for record in records if not is_settlement(record.headers)]
            yield [reader.read(record) for record in records]
