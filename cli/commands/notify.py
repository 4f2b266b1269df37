"""How does the notifier run?"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.output import print_line
from farandole.services.service_runner import exit_for_restart, service_lifetime


@click.command()
@click.pass_obj
def notify(context: CliContext) -> None:
    """Write to those whom `alerts:` in topology.yaml names when events die, until Ctrl-C.

    It follows the dead letters of every pipeline of this Kafka and namespace. Any number of these
    may run: one is at work, and another takes over when it ends.
    """
    context.configure_logs("info")
    run_async(_notify(context))


async def _notify(context: CliContext) -> None:
    from farandole.notifier.delivery_channels import build_channels, deliver_notice
    from farandole.notifier.service import run_notifier as serve
    from farandole.notifier.settings import NotifierSettings

    mail = NotifierSettings.load(context.folder)
    settings = await context.connect()
    if mail.smtp_host is None:
        print_line(
            "no mail server is configured (FARANDOLE_SMTP_HOST): incidents are kept, mails wait"
        )
    channels = build_channels(mail, lambda: datetime.now(UTC))
    with exit_for_restart("notifier.ended"):
        async with service_lifetime() as stopping:
            await serve(
                settings, mail.mail_from, partial(deliver_notice, channels=channels), stopping
            )
    print_line("nobody is notified any more")
