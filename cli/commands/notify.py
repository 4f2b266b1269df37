"""How does the notifier run?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.output import print_line
from farandole.cli.rendering.errors import exit_unless_zero
from farandole.services.async_runner import run_async


@click.command()
@click.pass_obj
def notify(context: CliContext) -> None:
    """Write to the people in `alerts:` when events die.

    The notifier runs until Ctrl-C. It follows the dead letters of every pipeline of this Kafka and
    namespace. Several may run: one works, and another takes over when it ends.
    """
    context.configure_logs("info")
    exit_unless_zero(run_async(_notify(context)))
    print_line("nobody is notified any more")


async def _notify(context: CliContext) -> int:
    from farandole.notifier.settings import NotifierSettings
    from farandole.operations.setup.web_settings import WebSettings
    from farandole.services.notifier_service import run_notifier_service

    notifier_settings = NotifierSettings.load(context.folder)
    console = WebSettings.load(context.folder).web_url
    return await run_notifier_service(
        await context.connect(), notifier_settings, context.folder, console, print_line
    )
