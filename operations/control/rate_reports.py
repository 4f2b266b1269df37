"""Which throttles and limits are in force, and what do they hold back?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import Field

from farandole.events.controls_in_force import TimedDocument
from farandole.events.record_time import MAX_TIME_MS
from farandole.events.share_row import WHOLE
from farandole.events.throttle_document import RateTarget
from farandole.events.throttled_stages import fresh_shares
from farandole.events.throttles_in_force import Versions, rate_in_force
from farandole.operations.control.switch_scopes import PipelineScope, StageScope
from farandole.operations.control.throttle import RateState, rate_state
from farandole.operations.results import Result


class HeldBack(Result):
    """What waits for a rate."""

    sharers: int
    """How many lanes, or processes for a limit, share the rate now."""
    waiting: int
    """How many events, or calls for a limit, they know of that have to wait."""
    since: datetime | None
    """None if nothing waits."""


class LaneShare(Result):
    """What one lane has of a rate, as it said within the last minute."""

    stage: str
    lane: int
    per_second: float
    """How many it may take: its share of the rate."""
    arrivals: float
    """How many a second have come of late."""
    waiting: int
    """How many it knows of that it has not taken."""
    since: datetime | None
    """Since when events wait there for the rate; None if none does."""


class RateReport(RateState):
    """The rates of a target, and what waits for them."""

    held: HeldBack
    lanes: list[LaneShare] = Field(default_factory=list)
    """By stage and lane; empty for a limit, which processes share."""


class LimitsReport(Result):
    """The limits of a pipeline."""

    limits: list[RateReport]


async def throttle_report(scope: StageScope) -> RateReport | None:
    """Return the rates of a stage; None if it has none. Raises BrokerError."""
    return await _report(scope, RateTarget(scope.stage))


async def roots_report(scope: PipelineScope) -> RateReport | None:
    """Return the rate of the pipeline's roots; None if it has none. Raises BrokerError."""
    return await _report(scope, RateTarget())


async def limits_report(scope: PipelineScope) -> LimitsReport | None:
    """Return the limits of the pipeline; None if it has none. Raises BrokerError."""
    found = [await _report(scope, RateTarget(limit=name)) for name in scope.version.limits]
    limits = [each for each in found if each is not None]
    return LimitsReport(limits=limits) if limits else None


def find_rates(
    pipeline: str,
    target: RateTarget,
    versions: Versions,
    documents: Sequence[TimedDocument],
    now: datetime,
) -> RateState | None:
    """Return the rates of a target; None if neither the file nor a document sets one."""
    in_file = rate_in_force([], pipeline, target, versions, now)
    found = rate_in_force(documents, pipeline, target, versions, now)
    if not (found.is_limited or in_file.is_limited):
        return None
    return rate_state(pipeline, target, found, in_file, now)


def held_back(rows: Mapping[bytes, bytes], prefix: bytes, now: datetime) -> HeldBack:
    """Return what waits for a rate, by the rows of those who share it."""
    own = {key: value for key, value in rows.items() if key.startswith(prefix)}
    fresh = [*fresh_shares(own, int(now.timestamp() * 1000)).values()]
    waits = [row for row in fresh if row.throttled]
    since = min((row.throttled for row in waits), default=None)
    return HeldBack(
        sharers=len(fresh),
        waiting=sum(row.waiting for row in waits),
        since=None if since is None else _moment(since),
    )


def lane_shares(rows: Mapping[bytes, bytes], prefix: bytes, now: datetime) -> list[LaneShare]:
    """Return what each lane has of a rate, by the rows of those who share it."""
    own = {key: value for key, value in rows.items() if key.startswith(prefix)}
    found = []
    for key, row in fresh_shares(own, int(now.timestamp() * 1000)).items():
        *_, stage, lane = key.decode(errors="replace").split("/")
        if lane.isdecimal():
            found.append(
                LaneShare(
                    stage=stage,
                    lane=int(lane),
                    per_second=round(row.rate * row.held / WHOLE, 3),
                    arrivals=round(row.arrivals, 3),
                    waiting=row.waiting,
                    since=_moment(row.throttled) if row.throttled else None,
                )
            )
    return sorted(found, key=lambda each: (each.stage, each.lane))


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(min(milliseconds, MAX_TIME_MS) / 1000, UTC)


async def _report(scope: StageScope | PipelineScope, target: RateTarget) -> RateReport | None:
    pipeline = scope.version.pipeline
    rates = find_rates(pipeline, target, scope.versions, scope.documents, scope.now)
    if rates is None:
        return None
    rows = await scope.shares.rows()
    prefix = (
        f"limit/{target.limit}/"
        if target.limit
        else f"throttle/{pipeline}/{target.stage}/"
        if target.stage
        else f"roots/{pipeline}/"
    )
    return RateReport(
        **dict(rates),
        held=held_back(rows, prefix.encode(), scope.now),
        lanes=[] if target.limit else lane_shares(rows, prefix.encode(), scope.now),
    )
