"""How does the scheduler run?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.output import print_line
from farandole.cli.rendering.errors import CommandError, exit_unless_zero
from farandole.services.async_runner import run_async


@click.command()
@click.pass_obj
def keep_time(context: CliContext) -> None:
    """Fire schedules when it is time, until Ctrl-C.

    The scheduler follows every pipeline of this Kafka and namespace, and fires by the broker's
    clock. Several may run: one works, and another takes over when it ends. What was planned while
    none ran fires as `catch_up` of its schedule says, once one runs again.
    """
    context.configure_logs("info")
    exit_unless_zero(run_async(_keep_time(context)))
    print_line("no schedule fires any more")


async def _keep_time(context: CliContext) -> int:
    from farandole.scheduler.service import OutdatedZonesError
    from farandole.services.scheduler_service import run_scheduler_service

    try:
        return await run_scheduler_service(await context.connect(), context.folder)
    except OutdatedZonesError as error:
        raise CommandError(f"farandole: {error}") from None
