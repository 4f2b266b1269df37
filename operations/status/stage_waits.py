"""Why do events wait at stages where some are in flight?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.topic_reader import read_table
from farandole.events.number_format import grouped
from farandole.events.number_ranges import format_ranges
from farandole.events.record_time import MAX_TIME_MS
from farandole.events.throttled_stages import Throttled, throttled_in
from farandole.events.time_format import utc_timestamp
from farandole.events.topology_version import Version
from farandole.operations.control.control_query import (
    StageModeState,
    read_control_state,
    switched_stages,
)
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.published_pipeline import require_version
from farandole.operations.results import Result
from farandole.operations.status.waiting_events import WaitingEvents, count_waiting_events

WaitKind = Literal["unworked", "on_hold", "breaker_open", "throttled", "parked"]


@dataclass(frozen=True, slots=True)
class StageWaitsRequest:
    """The stages in which events of a run are in flight, in one of its versions."""

    version: int
    stages: Sequence[str]


class StageWait(Result):
    """Why events wait at a stage; the worst reason comes first in a list of them."""

    stage: str
    kind: WaitKind
    text: str
    """A short sentence."""
    since: int | None
    """Milliseconds of the epoch, as `due`; None if unknown."""
    due: int | None = None
    """When it is tried again."""


@query
async def find_stage_waits(
    installation: Installation, request: StageWaitsRequest
) -> list[StageWait]:
    """Return why events wait at these stages. A stage that simply has not come to them yet is
    missing. Raises NotFoundError (`nothing_applied`, `unknown_version`, `unknown_stage`)."""
    settings, now = installation.settings, datetime.now(UTC)
    version = await require_version(installation, request.version)
    stages = [require_known(stage, version.stages, "stage") for stage in request.stages]
    if not stages:
        return []
    pipeline = version.pipeline
    modes = switched_stages(await read_control_state(settings), pipeline, stages, now)
    shares = await read_table(settings, settings.names.shares_topic)
    throttled = throttled_in(shares, int(time.time() * 1000))
    async with ClusterAdmin.open(settings) as admin:
        waiting = await count_waiting_events(admin, settings, pipeline, stages)
        workers = {
            stage: await admin.count_members(settings.names.stage_group(pipeline, stage))
            for stage in stages
        }
    return [
        wait
        for stage in stages
        for wait in stage_waits(
            version,
            stage,
            workers[stage],
            modes.get(stage),
            waiting[stage],
            throttled.get((pipeline, stage)),
        )
    ]


def stage_waits(
    version: Version,
    stage: str,
    workers: int,
    mode: StageModeState | None,
    waiting: WaitingEvents,
    throttled: Throttled | None,
) -> Iterator[StageWait]:
    """Yield why events wait at a stage, the worst reason first."""
    if workers == 0:
        text = (
            "its program does not read" if version.stages[stage].external else "no worker hosts it"
        )
        yield StageWait(stage=stage, kind="unworked", text=text, since=None)
    if mode is not None and mode.mode == "hold":
        until = f" until {utc_timestamp(mode.until)}" if mode.until else ""
        text = f"on hold by {mode.by}{until}" + (f": {mode.comment}" if mode.comment else "")
        yield StageWait(stage=stage, kind="on_hold", text=text, since=_ms(mode.since))
    if waiting.held:
        lanes = [lane.lane for lane in waiting.held]
        word = "lane" if len(lanes) == 1 else "lanes"
        text = f"breaker open, {word} {format_ranges(lanes)}: {waiting.held[0].why}"
        since = min(lane.since for lane in waiting.held)
        yield StageWait(stage=stage, kind="breaker_open", text=text, since=_ms(since))
    if throttled is not None and throttled.waiting:
        since_ms = min(throttled.since, MAX_TIME_MS)
        text = f"throttled, {grouped(throttled.waiting)} wait"
        yield StageWait(stage=stage, kind="throttled", text=text, since=since_ms)
    if waiting.count and not waiting.held:
        text = f"{waiting} parked, tried again later"
        if waiting.for_person:
            text = f"{waiting} parked, {grouped(waiting.for_person)} until a person decides"
        yield StageWait(
            stage=stage, kind="parked", text=text, since=_ms(waiting.since), due=_ms(waiting.due)
        )


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
