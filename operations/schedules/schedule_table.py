"""What has the scheduler noted of schedules, backfills and orders?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.safe_text import short_line
from farandole.events.schedule_row import (
    BACKFILL_PREFIX,
    ORDER_PREFIX,
    SCHEDULE_PREFIX,
    BackfillRow,
    OrderRow,
    ScheduleRow,
    parse_backfill_row,
    parse_order_row,
    parse_schedule_row,
)

log = structlog.get_logger()

_READ_PREFIXES = (SCHEDULE_PREFIX, BACKFILL_PREFIX, ORDER_PREFIX)


@dataclass(frozen=True, slots=True)
class ScheduleTable:
    """The rows of `farandole.schedules` that people ask for."""

    rows: Mapping[bytes, bytes]
    """As they were read."""
    schedules: Mapping[tuple[str, str], ScheduleRow]
    """By pipeline and schedule."""
    backfills: Mapping[tuple[str, str, str], BackfillRow]
    """By pipeline, schedule and id."""
    orders: Mapping[bytes, OrderRow]
    """By the keys of their control documents."""

    def backfills_of(self, pipeline: str, schedule: str) -> Sequence[BackfillRow]:
        """Return the backfills of a schedule, in the order in which they were ordered."""
        return [row for key, row in self.backfills.items() if key[:2] == (pipeline, schedule)]


async def read_schedule_table(settings: Settings) -> ScheduleTable:
    """Return the rows, as committed when this is called; none if the topic does not exist. A row
    that no scheduler wrote is skipped. Raises NewerFormatError and BrokerError."""
    rows: dict[bytes, bytes] = {}
    async for records in scan(settings, [settings.names.schedules_topic]):
        for record in records:
            if record.key is None or not record.key.startswith(_READ_PREFIXES):
                continue
            if record.value is None:
                rows.pop(record.key, None)
            else:
                rows[record.key] = record.value
    return decode_schedule_rows(rows)


def decode_schedule_rows(rows: Mapping[bytes, bytes]) -> ScheduleTable:
    """Return what rows say. Raises NewerFormatError."""
    schedules: dict[tuple[str, str], ScheduleRow] = {}
    backfills: dict[tuple[str, str, str], BackfillRow] = {}
    orders: dict[bytes, OrderRow] = {}
    for key, value in rows.items():
        try:
            if key.startswith(SCHEDULE_PREFIX):
                schedule = parse_schedule_row(value)
                schedules[schedule.pipeline, schedule.schedule] = schedule
            elif key.startswith(BACKFILL_PREFIX):
                backfill = parse_backfill_row(value)
                backfills[backfill.pipeline, backfill.schedule, backfill.id] = backfill
            else:
                orders[key.removeprefix(ORDER_PREFIX)] = parse_order_row(value)
        except ValidationError as error:
            log.warning(
                "schedules.foreign_row",
                key=short_line(key.decode(errors="backslashreplace")),
                why=short_line(str(error)),
            )
    return ScheduleTable(rows, schedules, backfills, orders)


async def count_schedulers(settings: Settings) -> int:
    """Return how many scheduler processes there are, at work and standing by. Raises
    BrokerError."""
    async with ClusterAdmin.open(settings) as admin:
        return await admin.count_members(settings.names.scheduler_group)
