"""How does the monitor run?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.output import print_line
from farandole.cli.rendering.errors import exit_unless_zero
from farandole.services.async_runner import run_async


@click.command()
@click.pass_obj
def monitor(context: CliContext) -> None:
    """Measure rates, ages and failures of all stages until Ctrl-C.

    The figures come from the ledger; `farandole top` shows them. Events flow without a monitor, and
    it counts what it has missed when it runs again.
    """
    context.configure_logs("info")
    exit_unless_zero(run_async(_run_monitor(context)))
    print_line("nothing is counted any more")


async def _run_monitor(context: CliContext) -> int:
    from farandole.monitor.settings import MonitorSettings
    from farandole.services.monitor_service import run_monitor_service

    monitor_settings = MonitorSettings.load(context.folder)
    return await run_monitor_service(
        await context.connect(),
        monitor_settings,
        (monitor_settings.monitor_folder or context.folder).resolve(),
        lambda url: print_line(f"monitor at {url}"),
    )
