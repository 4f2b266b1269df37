"""How does the monitor run?"""

from __future__ import annotations

import logging
import os
import sys

import click
import structlog

from farandole.console.output import say
from farandole.console.processes.serving import serving, started_again
from farandole.console.wiring import Here, run


@click.command()
@click.pass_obj
def monitor(here: Here) -> None:
    """Count what the ledger says of every stage, until Ctrl-C; farandole top shows it.

    Events flow without it, and what it missed it counts when it is back.
    """
    here.logs("info")
    run(_monitor(here))


async def _monitor(here: Here) -> None:
    from farandole.broker.errors import BadSettings
    from farandole.monitor.consumer import ReadsUncommitted
    from farandole.monitor.service import AlreadyMonitored, Hangs
    from farandole.monitor.service import monitor as serve
    from farandole.monitor.settings import Settings
    from farandole.monitor.web import PortTaken
    from farandole.worker.restarts import TEMPORARY

    own = Settings.load(here.folder)
    settings = await here.reached()
    for noisy in ("faust", "mode"):  # what matters of it, we say
        logging.getLogger(noisy).setLevel(logging.CRITICAL + 1)
    folder = here.folder.resolve()
    final = (AlreadyMonitored, BadSettings, PortTaken, ReadsUncommitted)
    with started_again("monitor.ended", *final):
        async with serving() as stopping:
            try:
                await serve(settings, own, folder, stopping, lambda url: say(f"monitor at {url}"))
            except Hangs as error:
                structlog.get_logger().warning("monitor.hangs", why=str(error))
                sys.stdout.flush()
                os._exit(
                    0 if stopping.is_set() else TEMPORARY
                )  # its threads would keep the process
    say("nothing is counted any more")
