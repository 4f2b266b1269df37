"""How does the monitor run?"""

from __future__ import annotations

import logging
import os
import sys

import click
import structlog

from farandole.cli.context import CliContext, run_async
from farandole.cli.output import print_line
from farandole.services.service_runner import exit_for_restart, service_lifetime


@click.command()
@click.pass_obj
def monitor(context: CliContext) -> None:
    """Count what the ledger says of every stage, until Ctrl-C; farandole top shows it.

    Events flow without it, and what it missed it counts when it is back.
    """
    context.configure_logs("info")
    run_async(_run_monitor(context))


async def _run_monitor(context: CliContext) -> None:
    from farandole.broker.broker_errors import InvalidSettingsError
    from farandole.monitor.committed_consumer import UncommittedReadError
    from farandole.monitor.http_api import PortTakenError
    from farandole.monitor.service import FaustHangsError, MonitorRunningError
    from farandole.monitor.service import run_monitor as serve
    from farandole.monitor.settings import MonitorSettings
    from farandole.services.restart_policy import EXIT_TEMPORARY

    own = MonitorSettings.load(context.folder)
    settings = await context.connect()
    for noisy in ("faust", "mode"):  # what matters of it, we say
        logging.getLogger(noisy).setLevel(logging.CRITICAL + 1)
    folder = context.folder.resolve()
    final = (MonitorRunningError, InvalidSettingsError, PortTakenError, UncommittedReadError)
    with exit_for_restart("monitor.ended", *final):
        async with service_lifetime() as stopping:
            try:
                await serve(
                    settings, own, folder, stopping, lambda url: print_line(f"monitor at {url}")
                )
            except FaustHangsError as error:
                structlog.get_logger().warning("monitor.hangs", why=str(error))
                sys.stdout.flush()
                os._exit(
                    0 if stopping.is_set() else EXIT_TEMPORARY
                )  # its threads would keep the process
    print_line("nothing is counted any more")
