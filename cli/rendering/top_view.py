"""How are the rates of stages shown in a terminal?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from farandole.cli.rendering.tables import format_columns
from farandole.events.next_step import CommandLine, NextStep
from farandole.events.number_format import format_rate, format_share, grouped
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_elapsed, format_short_elapsed

if TYPE_CHECKING:
    from farandole.operations.status.stage_rates import RatesResult

_COLUMN_HEADS = (
    "pipeline",
    "stage",
    "10 s (/s)",
    "1 min (/s)",
    "10 min (/s)",
    "each",
    "oldest",
    "dead (%)",
    "last",
)


def rates_lines(rates: RatesResult, now: float) -> list[str]:
    """Return the lines of a table with a row for each stage, after lines about problems. `now` is
    in seconds of the epoch."""
    lines = [f"! {rates.trouble}"] if rates.trouble else []
    if rates.unread and rates.trouble_code != "catching_up":
        lines.append(f"! {grouped(rates.unread)} offsets of the ledger are not counted yet")
    throttled = [_throttled_line(each, now) for each in rates.throttled]
    rows = [_stage_row(stage, now) for stage in rates.stages]
    if not rows:
        return [*lines, "no stage did anything yet", *throttled]
    return [*lines, *format_columns([_COLUMN_HEADS, *rows], left=2), *throttled]


def rates_summary(rates: RatesResult, command_line: CommandLine) -> str:
    """Return one line about the last minute of all stages, if anything was settled in it."""
    if rates.trouble:
        return f"the monitor: {rates.trouble}"
    minutes = [stage["1m"] for stage in rates.stages]
    rate = sum(minute["rate"] for minute in minutes)
    oldest = max((minute["age"] or 0.0 for minute in minutes), default=0.0)
    details = NextStep("stage by stage", ("top",)).text(command_line)
    if not rate:
        return details
    return (
        f"over the last minute {format_rate(rate)} events/s were settled, the oldest"
        f" {format_elapsed(oldest)} old; {details}"
    )


def _stage_row(stage: dict[str, Any], now: float) -> tuple[str, ...]:
    short, minute, ten = stage["10s"], stage["1m"], stage["10m"]
    return (
        stage["pipeline"],
        stage["stage"],
        *(format_rate(span["rate"]) for span in (short, minute, ten)),
        _or_empty(minute["handling_ms"], lambda ms: format_short_elapsed(ms / 1000)),
        _or_empty(minute["age"], format_elapsed),
        _or_empty(ten["dead_share"], format_share),
        f"{format_elapsed(max(0.0, now - stage['last']))} ago",
    )


def _throttled_line(throttled: dict[str, Any], now: float) -> str:
    """Return `shop load is throttled for 12 s: 1 204 events wait`."""
    waiting = throttled["waiting"]
    return single_line(
        f"{throttled['pipeline']} {throttled['stage']} is throttled for"
        f" {format_elapsed(max(0.0, now - throttled['since']))}: {grouped(waiting)}"
        f" {'event waits' if waiting == 1 else 'events wait'}"
    )


def _or_empty(value: float | None, write: Callable[[float], str]) -> str:
    """Return a number as it is written; empty if it is unknown."""
    return "" if value is None else write(value)
