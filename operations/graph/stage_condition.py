"""How is a stage, in one word, why, and since when?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from farandole.events.number_format import format_share, grouped
from farandole.events.number_ranges import format_ranges
from farandole.operations.control.control_query import PauseState, StageModeState
from farandole.operations.results import Result
from farandole.operations.status.pipeline_status import ThrottledStage
from farandole.operations.status.waiting_events import OpenBreakerLane

ConditionCode = Literal[
    "on", "hold", "waiting", "throttled", "late", "unworked", "no worker", "stopped", "bypass",
    "shadow", "canary", "draining", "gated", "gate",
]  # fmt: skip
"""`waiting`: the breaker is open. `gated`: runs that have failed checks may not enter.
`gate`: runs wait before the gate until all upstream is worked and judged. `unworked`:
events wait and nobody works on them; `no worker`: nobody would, but nothing waits. `stopped`: its
offset is lost, a person must decide."""


class StageCondition(Result):
    """The state of a stage as the picture names it; the worst, if there are several."""

    code: ConditionCode = "on"
    why: str = ""
    """The reason in one line; empty if nothing is to be said."""
    detail: str = ""
    """A second line, such as the error that opened the breaker."""
    since: datetime | None = None
    until: datetime | None = None
    """When it ends by itself; None if it does not, or if that is not known."""
    run: str | None = None
    """Of `gated`: the run that has waited longest, which a person may let in. Of `gate`: the one
    that was opened first."""


@dataclass(frozen=True, slots=True)
class ShutRun:
    """A run that may not enter a gated stage, because checks of its data have failed."""

    run: str
    why: str
    since: datetime


class GateQueue(NamedTuple):
    """The runs that wait before a gate which is not judged yet."""

    runs: int
    """How many there are."""
    run: str
    """The one that was opened first."""
    since: datetime
    """When it was opened."""
    upstream: Mapping[str, int]
    """Its events that are not worked yet, by the stage upstream."""
    checks: Sequence[str]
    """The checks that must pass, by `event type/check`."""


@dataclass(frozen=True, slots=True)
class StageFacts:
    """What is known of one stage at one moment."""

    lanes: int
    workers: int
    """Processes that are members of its group."""
    owners: Mapping[int, str] = field(default_factory=dict)
    """By lane, the process that works it."""
    unread: int = 0
    unread_lanes: Collection[int] = ()
    lost: Sequence[int] = ()
    """Partitions of which the offset is lost."""
    pause: PauseState | None = None
    mode: StageModeState | None = None
    open_breakers: Sequence[OpenBreakerLane] = ()
    throttled: ThrottledStage | None = None
    oldest_seconds: float | None = None
    """The age of its oldest unread event; None if nothing is unread."""
    age_limit: float | None = None
    """The age that is expected at most, in seconds."""
    draining: int | None = None
    """The version that alone has it; None if the one in force has it."""
    program: str | None = None
    """The consumer group of somebody else's program that handles its events."""
    shut_runs: Sequence[ShutRun] = ()
    """Those that may not enter, if it is gated."""
    gate_queue: GateQueue | None = None
    """Those that wait to be judged; None if none does."""


def stage_condition(facts: StageFacts) -> StageCondition:
    """Return the state that a person should know first: what has stopped, what waits on purpose,
    what should go on and does not, then the mode."""
    found = (
        _stopped(facts)
        or _on_hold(facts)
        or _waiting(facts)
        or _unworked(facts)
        or _gated(facts)
        or _throttled(facts)
        or _late(facts)
        or _before_gate(facts)
        or _mode(facts)
    )
    if found is not None:
        return found
    if facts.draining is not None:
        why = f"{grouped(facts.unread)} unread" if facts.unread else ""
        return StageCondition(code="draining", why=f"draining under @{facts.draining}", detail=why)
    if not facts.workers:
        return StageCondition(code="no worker", why=_nobody(facts))
    return StageCondition()


def lanes_at_work(facts: StageFacts) -> int:
    """Return how many lanes take input now."""
    if facts.pause is not None:
        return 0
    closed = {each.lane for each in facts.open_breakers}
    owned = set(facts.owners) if facts.owners else set(range(facts.lanes if facts.workers else 0))
    return len(owned & set(range(facts.lanes)) - closed - set(facts.lost))


def _stopped(facts: StageFacts) -> StageCondition | None:
    if not facts.lost:
        return None
    return StageCondition(
        code="stopped",
        why=f"the offset of {_lanes(facts.lost)} is lost",
        detail="a person must decide where it goes on: farandole seek",
    )


def _on_hold(facts: StageFacts) -> StageCondition | None:
    pause = facts.pause
    if pause is None:
        return None
    whole = "the whole pipeline, " if pause.pipeline else ""
    return StageCondition(
        code="hold",
        why=f"{whole}by {pause.by}" if pause.by else whole.rstrip(", "),
        detail=pause.comment,
        since=pause.since,
        until=pause.until,
    )


def _waiting(facts: StageFacts) -> StageCondition | None:
    lanes = facts.open_breakers
    if not lanes:
        return None
    return StageCondition(
        code="waiting",
        why=f"breaker open, {len(lanes)} of {facts.lanes} lanes",
        detail=lanes[0].why,
        since=min(each.since for each in lanes),
    )


def _unworked(facts: StageFacts) -> StageCondition | None:
    if not facts.unread:
        return None
    if not facts.workers:
        return StageCondition(
            code="unworked", why=_nobody(facts), detail=f"{grouped(facts.unread)} unread"
        )
    idle = sorted(set(facts.unread_lanes) - set(facts.owners)) if facts.owners else []
    if not idle:
        return None
    have = "has" if len(idle) == 1 else "have"
    return StageCondition(
        code="unworked",
        why=f"{_lanes(idle)} {have} no worker",
        detail=f"{grouped(facts.unread)} unread",
    )


def _gated(facts: StageFacts) -> StageCondition | None:
    if not facts.shut_runs:
        return None
    first = min(facts.shut_runs, key=lambda each: (each.since, each.run))
    more = len(facts.shut_runs) - 1
    return StageCondition(
        code="gated",
        why=f"run {first.run}{f' and {more} more' if more else ''} failed checks",
        detail=first.why,
        since=first.since,
        run=first.run,
    )


def _before_gate(facts: StageFacts) -> StageCondition | None:
    queue = facts.gate_queue
    if queue is None:
        return None
    upstream = [f"{grouped(count)} at {stage}" for stage, count in queue.upstream.items()]
    runs = f"{grouped(queue.runs)} runs" if queue.runs > 1 else f"run {queue.run}"
    first = f"run {queue.run}" if queue.runs > 1 else "it"
    if upstream:
        detail = f"{first} is not worked yet: {', '.join(upstream)}"
    else:
        detail = f"{first} is not judged yet: {', '.join(queue.checks) or 'all upstream is worked'}"
    return StageCondition(
        code="gate",
        why=f"gate waits for {runs}",
        detail=detail,
        since=queue.since,
        run=queue.run,
    )


def _nobody(facts: StageFacts) -> str:
    return f"no program reads as {facts.program}" if facts.program else "no worker"


def _throttled(facts: StageFacts) -> StageCondition | None:
    throttled = facts.throttled
    if throttled is None:
        return None
    rates = [
        f"{'roots ' if rate.kind == 'roots' else ''}{rate.rate}"
        for rate in throttled.rates
        if rate.rate is not None
    ]
    waiting = f"{grouped(throttled.waiting)} wait" if throttled.waiting else ""
    return StageCondition(
        code="throttled",
        why=f"at most {' and '.join(rates)}" if rates else "by its limit",
        detail=waiting,
        since=throttled.since,
        until=min((r.until for r in throttled.rates if r.until is not None), default=None),
    )


def _late(facts: StageFacts) -> StageCondition | None:
    limit, oldest = facts.age_limit, facts.oldest_seconds
    if limit is None or oldest is None or oldest <= limit:
        return None
    return StageCondition(
        code="late",
        why=f"the oldest unread is {duration_text(oldest)} old",
        detail=f"expected age {duration_text(limit)}",
    )


def _mode(facts: StageFacts) -> StageCondition | None:
    mode = facts.mode
    if mode is None or mode.mode not in ("bypass", "shadow", "canary"):
        return None
    share = f"{share_text(mode.share)} to {mode.run}" if mode.share is not None else ""
    return StageCondition(
        code=mode.mode, why=share, detail=mode.comment, since=mode.since, until=mode.until
    )


def share_text(share: float) -> str:
    """Return a share that a person has set: `10 %`."""
    return f"{format_share(share).rstrip('0').rstrip('.')} %"


def _lanes(lanes: Sequence[int]) -> str:
    return f"lane{'s' if len(lanes) > 1 else ''} {format_ranges(lanes)}"


def duration_text(seconds: float) -> str:
    """Return a duration with at most two units: `1 min 16 s`, below 10 s with one digit."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller, small in (
        (86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"),
    ):  # fmt: skip
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest:02d} {small}" if rest else "")
    return f"{whole} s"
