"""How does the notifier run?"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import click

from farandole.console.output import say
from farandole.console.processes.serving import serving, started_again
from farandole.console.wiring import Here, run


@click.command()
@click.pass_obj
def notify(here: Here) -> None:
    """Write to those whom `alerts:` in topology.yaml names when events die, until Ctrl-C.

    It follows the dead letters of every pipeline of this Kafka and namespace. Any number of these
    may run: one is at work, and another takes over when it ends.
    """
    here.logs("info")
    run(_notify(here))


async def _notify(here: Here) -> None:
    from farandole.notifier.channels import deliver, ways
    from farandole.notifier.service import notify as serve
    from farandole.notifier.settings import Settings

    mail = Settings.load(here.folder)
    settings = await here.reached()
    if mail.smtp_host is None:
        say("no mail server is configured (FARANDOLE_SMTP_HOST): incidents are kept, mails wait")
    channels = ways(mail, lambda: datetime.now(UTC))
    with started_again("notifier.ended"):
        async with serving() as stopping:
            await serve(settings, mail.mail_from, partial(deliver, ways=channels), stopping)
    say("nobody is notified any more")
