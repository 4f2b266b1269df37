"""How is every stage doing, right now?"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError
from farandole.cli.rendering.tables import format_columns

if TYPE_CHECKING:
    from rich.console import RenderableType

_REFRESH_INTERVAL = 1.0  # seconds
_ANSWER_TIMEOUT = 5.0  # seconds for one answer
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


@click.command()
@click.option("--once", is_flag=True, help="Print the table once, and end.")
@click.option("--monitor", "url", metavar="URL", help="Where a monitor answers.")
@json_option
@click.pass_obj
def top(context: CliContext, once: bool, url: str | None, as_json: bool) -> None:
    """Show how fast each stage is, how old its events get, how many die, until Ctrl-C.

    Rates are of events consumed, over ten seconds, a minute and ten; handling (per event) and age
    (the worst) over one minute, the share of the dead over ten. `last` is how long ago a stage
    last settled anything: one that stands still looks like one that has nothing to do, so look at
    its lag too: farandole status
    """
    context.configure_logs()
    run_async(_show_top(context, url, once or as_json, as_json))


async def _show_top(context: CliContext, url: str | None, once: bool, as_json: bool) -> None:
    where = find_monitor_url(context, url)
    if once:
        said = await query_monitor(where)
        if as_json:
            print_json(said)
            return
        for line in _top_lines(said):
            print_line(line)
        return
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        while True:
            try:
                shown: RenderableType = "\n".join(_top_lines(await query_monitor(where)))
            except CommandError as error:  # it may be started again: at another port
                shown = "\n".join(error.lines)
                where = find_monitor_url(context, url, where)
            live.update(shown, refresh=True)
            await asyncio.sleep(_REFRESH_INTERVAL)


def find_monitor_url(context: CliContext, url: str | None, before: str | None = None) -> str:
    """Where a monitor answers. Raises CommandError where nobody knows."""
    import orjson

    from farandole.monitor.http_api import ADDRESS_FILE
    from farandole.monitor.settings import MonitorSettings

    told = url or MonitorSettings.load(context.folder).monitor_url
    if told:
        return told.rstrip("/")
    try:
        return str(orjson.loads((context.folder / ADDRESS_FILE).read_bytes())["url"])
    except (OSError, ValueError, KeyError, TypeError):
        if before is not None:
            return before
        raise CommandError(
            "farandole: no monitor runs for this folder; start one: farandole monitor "
            "(or say where one answers: --monitor URL)"
        ) from None


async def query_monitor(where: str) -> dict[str, Any]:
    """Raises CommandError."""
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_ANSWER_TIMEOUT)) as session,
            session.get(f"{where}/stages") as answer,
        ):
            answer.raise_for_status()
            said: dict[str, Any] = await answer.json()
            return said
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        why = str(error) or "no answer in time"
        raise CommandError(
            f"farandole: no monitor answers at {where}: {why}; start one: farandole monitor"
        ) from None


async def monitor_summary(context: CliContext) -> str:
    """What a monitor says of the last minute, in one line; or that none does."""
    try:
        said = await query_monitor(find_monitor_url(context, None))
    except CommandError as error:
        return error.lines[0].removeprefix("farandole: ")
    if said["trouble"]:
        return f"the monitor: {said['trouble']}"
    minute = [stage["1m"] for stage in said["stages"]]
    rate = sum(span["rate"] for span in minute)
    oldest = max((span["age"] or 0.0 for span in minute), default=0.0)
    return (
        f"over the last minute {rate:,.1f} events a second were settled, the oldest "
        f"{oldest:,.1f} s old; stage by stage: farandole top"
    )


def _top_lines(said: dict[str, Any]) -> list[str]:
    lines = [f"! {said['trouble']}"] if said["trouble"] else []
    if said["unread"]:
        lines.append(f"! {said['unread']:,} offsets of the ledger are not counted yet")
    now = time.time()
    rows = [_stage_row(each, now) for each in said["stages"]]
    return [
        *lines,
        *(
            format_columns([_COLUMN_HEADS, *rows], left=2)
            if rows
            else ["no stage did anything yet"]
        ),
    ]


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


def _or_dash(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
