"""Which records are in a topic, and which arrive?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.topic_reader import scan
from farandole.events.number_format import grouped
from farandole.events.record import Record
from farandole.events.settlement_record import is_settlement
from farandole.operations.errors import InvalidRequestError, operation_stream
from farandole.operations.events.newest_records import newest_records
from farandole.operations.events.record_result import RecordReader, RecordResult
from farandole.operations.installation import Installation
from farandole.operations.names import require_known

MAX_LAST = 100_000
"""The largest number of records that `ReadRequest.last` may ask for: they are held in memory."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Which records to read: the events of a type, or the dead letters of a stage."""

    event_type: str | None = None
    dead_stage: str | None = None
    from_start: bool = False
    """Begin with the oldest record that is kept. Without it, `since` and `last`, only records that
    arrive from now on are read."""
    since: int | None = None
    """Begin with the first record of that time, in milliseconds of the epoch."""
    last: int | None = None
    """Of what is there now, yield only so many, the last ones."""
    run: str | None = None
    """Only records of this run."""
    key: str | None = None
    """Only records with this key."""
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
    if request.last is not None and not 0 < request.last <= MAX_LAST:
        raise InvalidRequestError("invalid_request", f"ask for 1 to {grouped(MAX_LAST)} records")
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

    def fits(record: Record) -> bool:
        if request.dead_stage is not None and is_settlement(record.headers):
            return False
        if request.key is not None and record.key != request.key.encode():
            return False
        return request.run is None or reader.read(record).run == request.run

    async with ClusterAdmin.open(settings) as admin:
        starts, ends = await _bounds(admin, topic, request)
        if request.last is not None:
            newest = await newest_records(settings, admin, request.last, starts, ends, fits)
            yield [reader.read(record) for record in newest]
            starts = ends
    async with aclosing(scan(settings, [topic], start=starts, follow=request.follow)) as batches:
        async for records in batches:
            if found := [reader.read(record) for record in records if fits(record)]:
                yield found


async def _bounds(
    admin: ClusterAdmin, topic: str, request: ReadRequest
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """Return where to begin in each partition of the topic, and where it ends now."""
    count = (await admin.topics([topic])).get(topic, 0)
    partitions = [TopicPartition(topic, i) for i in range(count)]
    ends = await admin.end_offsets(partitions)
    if request.since is not None:
        return await admin.offsets_at(partitions, request.since), ends
    if request.from_start or request.last is not None:
        return await admin.start_offsets(partitions), ends
    return ends, ends
