"""How does a schedule fire by hand?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.table_follower import follow_table
from farandole.broker.topic_reader import scan
from farandole.events.firing_record import FiringRecord, parse_firing
from farandole.events.next_step import NextStep
from farandole.events.record_time import MOMENT, to_milliseconds
from farandole.events.schedule_document import FireDocument
from farandole.events.schedule_row import order_key, parse_order_row
from farandole.events.schedule_spec import ScheduleSpec
from farandole.operations.control.control_change import put_control
from farandole.operations.errors import RefusedError, operation
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.published_pipeline import newest_published
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.operations.runs.run_rows import first_matching_row
from farandole.operations.schedules.planned_view import local_text, neighbours, planned_in
from farandole.operations.schedules.schedule_table import count_schedulers
from farandole.operations.schedules.time_input import (
    both_times,
    now_in_seconds,
    parse_planned_time,
)
from farandole.scheduler.trigger_data import named_arrivals

NOW = "now"
_CLOCK_MARGIN = timedelta(seconds=5)
"""By how much our clock may be behind that of the broker."""
_RECORD_MARGIN = timedelta(minutes=10)
"""By how much the timestamp of a record may be before the time that its row says."""


@dataclass(frozen=True, slots=True)
class FireRequest:
    """The schedule that is to fire, for which planned time, and who asks for it."""

    schedule: str
    by: str
    planned: str = NOW
    """A date and time, in the schedule's zone if it has no offset; or `now`: this second, which
    need be no planned time."""
    pipeline: str | None = None
    """None: that of the file."""
    unplanned: bool = False
    """Whether it may be a time for which the schedule is not planned."""
    comment: str = ""


class FireResult(Result):
    """The order that was given."""

    pipeline: str
    schedule: str
    id: str
    """Of the order; it is executed once."""
    planned: datetime
    local: str
    """The same in the schedule's time zone."""
    generation: int
    """The offset of the order's document."""
    schedulers: int
    """How many processes of the scheduler run; 0: it fires when one does."""


class FiredResult(Result):
    """What became of an order."""

    order: str
    planned: datetime
    event: str
    """The `ce_id` of the trigger."""
    run: str
    status: str
    """That of the run in the books."""


@operation
@recorded("schedules fire", lambda request: request.schedule)
async def fire(installation: Installation, request: FireRequest) -> FireResult:
    """Order that a schedule fires once for a planned time that has come, whatever its pause, its
    calendars and its overlap policy say. Raises InvalidRequestError, NotFoundError
    (`unknown_schedule`, `nothing_applied`, `pipeline_unknown`), RefusedError (`future_time`,
    `unplanned_time`, `arrival_missing`) and UnavailableError."""
    settings = installation.settings
    version = await newest_published(installation, request.pipeline)
    name = require_known(request.schedule, version.schedules, "schedule", "unknown_schedule")
    spec = version.schedules[name]
    _require_no_arrival(name, spec)
    if request.planned == NOW:
        planned = now_in_seconds()
    else:
        planned = parse_planned_time(request.planned, spec)
        _require_past(name, spec, planned)
        if not request.unplanned:
            _require_planned(name, spec, planned)
    document = FireDocument(
        pipeline=version.pipeline,
        schedule=name,
        id=new_order_id(),
        planned=planned,
        by=request.by,
        comment=request.comment,
    )
    return FireResult(
        pipeline=version.pipeline,
        schedule=name,
        id=document.id,
        planned=planned,
        local=local_text(spec, planned),
        generation=await put_control(installation, document),
        schedulers=await count_schedulers(settings),
    )


@operation
async def wait_for_run(
    installation: Installation,
    order: FireResult,
    *,
    timeout: timedelta | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> FiredResult | None:
    """Return what became of an order once its run has ended; None if it has not within `timeout`.
    Raises RefusedError (`order_refused`) if the scheduler does not execute it, and
    UnavailableError."""
    settings = installation.settings
    try:
        async with asyncio.timeout(timeout.total_seconds() if timeout else None):
            progress(f"{order.schedule}: waits for a scheduler to execute the order {order.id}")
            record = await _executed(settings, order)
            assert record.run is not None
            progress(f"{order.schedule}: waits for the end of the run {record.run}")
            row = await first_matching_row(
                settings, record.run, lambda each: each["closed"] is not None
            )
    except TimeoutError:
        return None
    return FiredResult(
        order=order.id,
        planned=record.planned,
        event=record.event,
        run=record.run,
        status=row["status"],
    )


def new_order_id() -> str:
    """Return an id that no other order has, short enough to be typed."""
    return secrets.token_hex(4)


async def _executed(settings: Settings, order: FireResult) -> FiringRecord:
    """Return the record of the firing that an order has caused, once its run is known. Raises
    RefusedError and BrokerError."""
    document = FireDocument(
        pipeline=order.pipeline, schedule=order.schedule, id=order.id, planned=order.planned
    )
    async with follow_table(settings, settings.names.schedules_topic) as table:
        while (value := table.rows.get(order_key(document.key))) is None:
            await table.next_change()
    row = parse_order_row(value)
    if row.refused:
        raise RefusedError(
            "order_refused",
            f"the scheduler has refused the order {order.id}: {row.refused}",
            order=order.id,
        )
    topic = settings.names.firings_topic
    async with ClusterAdmin.open(settings) as admin:
        width = (await admin.topics([topic])).get(topic, 0)
        partitions = [TopicPartition(topic, i) for i in range(width)]
        starts = await admin.offsets_at(partitions, to_milliseconds(row.at - _RECORD_MARGIN))
    async with aclosing(scan(settings, [topic], start=starts, follow=True)) as batches:
        async for records in batches:
            for record in records:
                if record.value is None or order.id.encode() not in record.value:
                    continue
                found = parse_firing(record.value)
                if found.order == order.id and found.run is not None:
                    return found
    raise AssertionError("a topic that is followed has no end")


def fire_once_step(name: str, spec: ScheduleSpec) -> NextStep:
    """Return how a schedule without planned times is fired by hand: its event is published, if the
    data name what has come."""
    if not _needs_arrival(spec):
        return NextStep("fire it once with", ("schedules", "fire", name, NOW))
    return NextStep("publish its event with", ("trigger", spec.triggers, "--data", "…"))


def _needs_arrival(spec: ScheduleSpec) -> bool:
    """Return True if nothing can be fired by hand: the data name what has come, and nothing has
    that is not used."""
    return not spec.is_timed and spec.otherwise != "fire" and bool(named_arrivals(spec))


def _require_no_arrival(name: str, spec: ScheduleSpec) -> None:
    if not _needs_arrival(spec):
        return
    raise RefusedError(
        "arrival_missing",
        f"the data of {name} name what it depends on, {', '.join(named_arrivals(spec))}: it fires"
        " when that comes, and not by hand",
        next_steps=[fire_once_step(name, spec)],
        schedule=name,
    )


def _require_past(name: str, spec: ScheduleSpec, planned: datetime) -> None:
    if planned <= datetime.now(UTC) + _CLOCK_MARGIN:
        return
    raise RefusedError(
        "future_time",
        f"{both_times(spec, planned)} is to come: what fires then stands in the file",
        next_steps=[NextStep("fire now with", ("schedules", "fire", name, NOW))],
        schedule=name,
        planned=planned.isoformat(),
    )


def _require_planned(name: str, spec: ScheduleSpec, planned: datetime) -> None:
    if not spec.is_timed or next(planned_in(spec, planned, planned + MOMENT), None) is not None:
        return
    near = [both_times(spec, each) for each in neighbours(spec, planned)]
    nearest = f"; the nearest: {', '.join(near)}" if near else ""
    raise RefusedError(
        "unplanned_time",
        f"{both_times(spec, planned)} is no planned time of {name}{nearest}; to fire for it all the"
        " same, say so with --unplanned",
        schedule=name,
        planned=planned.isoformat(),
    )
