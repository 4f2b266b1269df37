"""How are the throttles and limits in force shown in a terminal?"""

from __future__ import annotations

from collections.abc import Iterator

from farandole.cli.rendering.control_text import by_text, rate_text
from farandole.events.number_format import format_rate, grouped
from farandole.events.time_format import utc_timestamp
from farandole.operations.control.rate_reports import LimitsReport, RateReport
from farandole.operations.control.throttle import RateState


def rate_lines(state: RateReport) -> Iterator[str]:
    """Yield `throttle: 100/s by ann since 2026-11-24 12:00:00 UTC (generation 7); the file says
    1000/s`."""
    subject = {"stage": "throttle", "roots": f"{state.target}: roots", "limit": state.target}
    details = f"{_now_text(state)}{_origin_text(state)}{_held_text(state)}"
    yield f"{subject[state.kind]}: {rate_text(state)}{details}"


def limit_lines(report: LimitsReport) -> Iterator[str]:
    """Yield a line for each limit."""
    for state in report.limits:
        for line in rate_lines(state):
            yield f"limit {line}"


def _now_text(state: RateState) -> str:
    """Return what a ramp or a window allows now."""
    if state.rate is None or " " not in state.rate.replace(" lines/", ""):
        return ""
    allowed = "no limit" if state.per_second is None else f"{format_rate(state.per_second)}/s"
    return f" (now {allowed})"


def _origin_text(state: RateState) -> str:
    if state.since is None:
        return ""
    by = by_text(state.by, state.comment)
    return f"; set{by} at {utc_timestamp(state.since)} (generation {state.generation})"


def _held_text(report: RateReport) -> str:
    held, is_limit = report.held, report.kind == "limit"
    if held.since is None:
        return ""
    noun = "call" if is_limit else "event"
    waits = f"{noun} waits" if held.waiting == 1 else f"{noun}s wait"
    sharer = "process" if is_limit else "lane"
    sharers = f"{held.sharers} {sharer}{'' if held.sharers == 1 else 'es' if is_limit else 's'}"
    return (
        f"; {grouped(held.waiting)} {waits}, since {utc_timestamp(held.since)}; shared by {sharers}"
    )
