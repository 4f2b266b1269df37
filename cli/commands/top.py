"""What are the rates of every stage right now?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.operations.errors import OperationError
from farandole.services.async_runner import run_async

if TYPE_CHECKING:
    from rich.console import RenderableType

_REFRESH_INTERVAL = 1.0  # seconds


@click.command()
@click.option("--once", is_flag=True, help="Print the table once, and end.")
@click.option("--monitor", "url", metavar="URL", help="Where a monitor answers.")
@json_option
@click.pass_obj
def top(context: CliContext, once: bool, url: str | None, as_json: bool) -> None:
    """Show the rate, age and failures of each stage, until Ctrl-C.

    Rates are of events consumed, over ten seconds, a minute and ten minutes. Handling time (per
    event) and age (the highest) are over one minute, the share of dead events is over ten minutes.
    `last` is how long ago a stage last settled an event. A stage that is stuck looks like one that
    has nothing to do, so look at the lag too: farandole status
    """
    from farandole.cli.rendering.top_view import rates_lines
    from farandole.operations.status.stage_rates import RatesRequest, read_rates

    context.configure_logs()
    if not (once or as_json):
        run_async(_show_live(context, url))
        return
    rates = run_async(read_rates(context.folder, RatesRequest(url)))
    if as_json:
        print_json(rates.to_data())
        return
    for line in rates_lines(rates, time.time()):
        print_line(line)


async def _show_live(context: CliContext, url: str | None) -> None:
    """Show the table until Ctrl-C. A monitor that ends may come back at another port."""
    import asyncio

    from rich.live import Live

    from farandole.cli.rendering.top_view import rates_lines
    from farandole.operations.status.stage_rates import find_monitor_url, query_monitor

    address = find_monitor_url(context.folder, url)
    with Live(auto_refresh=False) as live:
        while True:
            try:
                rates = await query_monitor(address)
                shown: RenderableType = "\n".join(rates_lines(rates, time.time()))
            except OperationError as error:
                shown = "\n".join(error.lines(context.command_line))
                address = find_monitor_url(context.folder, url, address)
            live.update(shown, refresh=True)
            await asyncio.sleep(_REFRESH_INTERVAL)
