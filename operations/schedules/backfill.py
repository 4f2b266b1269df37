"""How does a schedule fire for the planned times of the past, and how far is that?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from farandole.events.next_step import NextStep
from farandole.events.number_format import grouped
from farandole.events.schedule_document import BackfillDocument
from farandole.events.topology_version import Version
from farandole.operations.control.control_change import drop_controls, put_control
from farandole.operations.control.control_query import read_control_state
from farandole.operations.errors import (
    ConflictError,
    NotFoundError,
    RefusedError,
    operation,
    query,
)
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.published_pipeline import newest_published
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.operations.schedules.backfill_plan import (
    BackfillPlan,
    BackfillRequest,
    plan_backfill,
)
from farandole.operations.schedules.fire import new_order_id
from farandole.operations.schedules.schedule_reader import read_schedule_facts
from farandole.operations.schedules.schedule_state import BackfillState
from farandole.operations.schedules.schedule_table import count_schedulers

CONFIRM_ABOVE = 1_000
"""A backfill that fires more often must be confirmed."""
LOOK_INTERVAL = 1.0  # seconds between two looks at a backfill


@dataclass(frozen=True, slots=True)
class CancelBackfillRequest:
    """The backfill that is to end."""

    schedule: str
    id: str
    pipeline: str | None = None
    """None: that of the file."""


class BackfillOrder(BackfillPlan):
    """A backfill that was ordered."""

    id: str
    generation: int
    """The offset of its document."""
    schedulers: int
    """How many processes of the scheduler run; 0: it begins when one does."""


class CancelledBackfill(Result):
    """A backfill that begins no more runs."""

    pipeline: str
    schedule: str
    backfill: BackfillState
    """How far it was."""


@operation
@recorded("backfill", lambda request: request.schedule)
async def order_backfill(installation: Installation, request: BackfillRequest) -> BackfillOrder:
    """Order that a schedule fires for each planned time of a range, some at a time, whatever its
    pause and its overlap policy say. Raises as `plan_backfill`, RefusedError
    (`confirmation_missing`) if these are many, and ConflictError (`stale_token`) if the plan is
    another one than that of the request's token."""
    settings = installation.settings
    plan = await plan_backfill(installation, request)
    if request.token not in (None, plan.token):
        raise ConflictError(
            "stale_token",
            f"something has changed since this was counted: now {plan.schedule} would fire"
            f" {grouped(len(plan.times))} times; look at the plan again",
            times=len(plan.times),
        )
    if len(plan.times) > CONFIRM_ABOVE and not request.confirmed:
        raise RefusedError(
            "confirmation_missing",
            f"{plan.schedule} would fire {grouped(len(plan.times))} times; say so with --yes, or"
            " see what would fire with --dry-run",
            times=len(plan.times),
        )
    document = BackfillDocument.model_validate(
        {
            "pipeline": plan.pipeline,
            "schedule": plan.schedule,
            "id": new_order_id(),
            "from": plan.start,
            "to": plan.end,
            "max_parallel": request.max_parallel,
            "missing": request.missing,
            "by": request.by,
            "comment": request.comment,
        }
    )
    return BackfillOrder(
        **plan.to_data(),
        id=document.id,
        generation=await put_control(installation, document),
        schedulers=await count_schedulers(settings),
    )


@operation
@recorded("backfill cancel", lambda request: f"{request.schedule} {request.id}")
async def cancel_backfill(
    installation: Installation, request: CancelBackfillRequest
) -> CancelledBackfill:
    """Let a backfill begin no more runs: delete its document. What runs goes on. Raises
    NotFoundError (`unknown_schedule`, `unknown_backfill`, `nothing_applied`, `pipeline_unknown`),
    ConflictError (`backfill_ended`) and UnavailableError."""
    settings = installation.settings
    pipeline, found = await _find(installation, request)
    if found.ended is not None or found.cancelled:
        raise ConflictError(
            "backfill_ended",
            f"the backfill {found.id} is over",
            next_steps=[NextStep("see", ("schedules", "show", request.schedule))],
            backfill=found.id,
        )
    subject = ("backfill", pipeline, request.schedule, found.id)
    await drop_controls(installation, await read_control_state(settings), subject)
    return CancelledBackfill(pipeline=pipeline, schedule=request.schedule, backfill=found)


@operation
async def wait_for_backfill(
    installation: Installation,
    order: BackfillOrder,
    *,
    timeout: timedelta | None = None,
    progress: Callable[[BackfillState], None] = lambda _: None,
) -> BackfillState:
    """Look again and again until a backfill has ended or `timeout` has passed; return its last
    state. Raises UnavailableError."""
    request = CancelBackfillRequest(order.schedule, order.id, order.pipeline)
    ends = None if timeout is None else time.monotonic() + timeout.total_seconds()
    while True:
        _, state = await query(_find)(installation, request)
        if state.ended is not None or state.cancelled:
            return state
        if ends is not None and time.monotonic() >= ends:
            return state
        progress(state)
        await asyncio.sleep(LOOK_INTERVAL)


async def _find(
    installation: Installation, request: CancelBackfillRequest
) -> tuple[str, BackfillState]:
    """Return the pipeline, and the backfill. Raises NotFoundError."""
    version, known = await _read(installation, request.schedule, request.pipeline)
    for each in known:
        if each.id == request.id:
            return version.pipeline, each
    names = ", ".join(each.id for each in known if each.ended is None) or "none is"
    raise NotFoundError(
        "unknown_backfill",
        f"{request.schedule} has no backfill {request.id!r}; at work: {names}",
        backfill=request.id,
        known=[each.id for each in known],
    )


async def _read(
    installation: Installation, schedule: str, pipeline: str | None
) -> tuple[Version, list[BackfillState]]:
    version = await newest_published(installation, pipeline)
    name = require_known(schedule, version.schedules, "schedule", "unknown_schedule")
    facts = await read_schedule_facts(installation.settings, installation.folder)
    return version, facts.scope.backfills(version, name)
