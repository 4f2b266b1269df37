"""Rows and records as the scheduler writes them, without a scheduler."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.firing_record import FiringRecord, serialize_firing
from farandole.events.schedule_row import BackfillRow, FiredRun, ScheduleRow

PLANNED = (datetime.now(UTC) - timedelta(days=2)).replace(
    hour=1, minute=30, second=0, microsecond=0
)
RUN = "k7mq2vtd4x3aa"
SCHEDULES = """\
schedules:
  nightly:
    cron: "30 1 * * *"
    triggers: feed.requested
    data: {weeks: [1]}
    catch_up: all
  daily: {cron: "30 1 * * *", triggers: feed.requested, data: {weeks: [1]}}
  hourly: {every: 1h, triggers: feed.requested, data: {weeks: [1]}, paused: true}
  report:
    after: {file: "/tmp/in/*.csv"}
    triggers: report.requested
    data: {at: "${file.modified}"}

"""


def add_schedules(folder: Path) -> None:
    """Let the shipped file of a folder have these schedules in place of its own."""
    file = folder / "topology.yaml"
    changed, sections = re.subn(r"(?m)^schedules:\n(?:(?: .*)?\n)+", SCHEDULES, file.read_text())
    assert sections == 1
    file.write_text(changed)


def fired(planned: datetime = PLANNED, **more: object) -> FiredRun:
    fields = {"event": "nightly/x", "topic": "t", "fired": planned, "run": RUN, "state": "ended"}
    return FiredRun.model_validate({"planned": planned, **fields, **more})


def schedule_row(**more: object) -> ScheduleRow:
    fields = {"pipeline": "order-lines", "schedule": "nightly", "version": 1, "through": PLANNED}
    return ScheduleRow.model_validate({**fields, **more})


def firing(planned: datetime = PLANNED, **more: object) -> FiringRecord:
    fields = {"pipeline": "order-lines", "schedule": "nightly", "planned": planned, "version": 1}
    return FiringRecord.model_validate({**fields, "outcome": "fired", "at": planned, **more})


def write_rows(settings: Settings, *rows: ScheduleRow | BackfillRow) -> None:
    """Write rows to `farandole.schedules`."""
    _write(settings, settings.names.schedules_topic, [(row.key, _value(row)) for row in rows])


def write_firings(settings: Settings, *records: FiringRecord) -> None:
    """Write records to `farandole.firings`."""
    found = [(each.key.record_key, serialize_firing(each)) for each in records]
    _write(settings, settings.names.firings_topic, found)


def _value(row: BaseModel) -> bytes:
    return row.model_dump_json().encode()


def _write(settings: Settings, topic: str, records: list[tuple[bytes, bytes]]) -> None:
    async def written() -> None:
        async with open_client(make_producer(settings), settings) as client:
            for key, value in records:
                await client.send_and_wait(topic, value, key=key)

    asyncio.run(written())
