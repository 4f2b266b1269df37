"""How are the rates of stages shown in a terminal?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farandole.cli.rendering.tables import format_columns
from farandole.events.next_step import CommandLine, NextStep

if TYPE_CHECKING:
    from farandole.operations.status.stage_rates import RatesResult

_COLUMN_HEADS = (
    "pipeline",
    "stage",
    "rate/s",
    "1 min",
    "10 min",
    "handling ms",
    "age s",
    "dead %",
    "last",
)


def rates_lines(rates: RatesResult, now: float) -> list[str]:
    """Return the lines of a table with a row for each stage, after lines about problems. `now` is
    in seconds of the epoch."""
    lines = [f"! {rates.trouble}"] if rates.trouble else []
    if rates.unread and rates.trouble_code != "catching_up":
        lines.append(f"! {rates.unread:,} offsets of the ledger are not counted yet")
    rows = [_stage_row(stage, now) for stage in rates.stages]
    if not rows:
        return [*lines, "no stage did anything yet"]
    return [*lines, *format_columns([_COLUMN_HEADS, *rows], left=2)]


def rates_summary(rates: RatesResult, command_line: CommandLine) -> str:
    """Return one line about the last minute of all stages."""
    if rates.trouble:
        return f"the monitor: {rates.trouble}"
    minutes = [stage["1m"] for stage in rates.stages]
    rate = sum(minute["rate"] for minute in minutes)
    oldest = max((minute["age"] or 0.0 for minute in minutes), default=0.0)
    return (
        f"over the last minute {rate:,.1f} events a second were settled, the oldest "
        f"{oldest:,.1f} s old; {NextStep('stage by stage', ('top',)).text(command_line)}"
    )


def _stage_row(stage: dict[str, Any], now: float) -> tuple[str, ...]:
    short, minute, ten = stage["10s"], stage["1m"], stage["10m"]
    return (
        stage["pipeline"],
        stage["stage"],
        *(f"{span['rate']:,.1f}" for span in (short, minute, ten)),
        _or_dash(minute["handling_ms"], "{:,.2f}"),
        _or_dash(minute["age"], "{:,.1f}"),
        _or_dash(ten["dead_share"], "{:.1%}"),
        f"{max(0.0, now - stage['last']):,.0f} s ago",
    )


def _or_dash(value: float | None, number_format: str) -> str:
    return "-" if value is None else number_format.format(value)
