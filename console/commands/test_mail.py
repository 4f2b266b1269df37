"""Does a mail get from here to somebody?"""

from __future__ import annotations

from datetime import UTC, datetime
from secrets import token_hex

import click

from farandole.console.failing import Failed
from farandole.console.output import columns, say
from farandole.console.wiring import Here, run, who


@click.command()
@click.argument("to", metavar="TO")
@click.pass_obj
def test_mail(here: Here, to: str) -> None:
    """Send one mail to TO with the configured settings, and say exactly what happened."""
    from farandole.notifier.addresses import plain

    here.logs()
    if not plain(to):
        raise click.UsageError(f"{to!r} is not an address like somebody@example.com")
    run(_send(here, to))


async def _send(here: Here, to: str) -> None:
    from farandole.notifier.mail import identity, trial
    from farandole.notifier.settings import Settings
    from farandole.notifier.smtp import deliver

    settings = Settings.load(here.folder)
    if settings.smtp_host is None or settings.mail_from is None:
        raise Failed(
            "farandole: no mail server is configured; set FARANDOLE_SMTP_HOST and "
            "FARANDOLE_MAIL_FROM (or smtp_host and mail_from under [notifier] in farandole.toml); "
            "farandole mail-catcher is a server for trying"
        )
    name = identity(f"test-{token_hex(8)}", 0, settings.mail_from)
    mail = trial(
        sender=settings.mail_from,
        recipient=to,
        words=[
            f"{who()} asked for it by `farandole test-mail`.",
            "Mails about events that died take the same way; there is nothing to do.",
        ],
        now=datetime.now(UTC),
        id=name,
    )
    outcome = await deliver(settings, mail.encode(), settings.mail_from, [to])
    if to in outcome.refused:
        raise Failed(
            f"farandole: refused: {outcome.refused[to]}; is the address right, and may "
            f"{settings.mail_from} send by this server?"
        )
    if to in outcome.deferred:
        raise Failed(f"farandole: not delivered: {outcome.deferred[to]}")
    say(f"the server has taken the mail to {to}")
    rows = [
        ("server", outcome.way), ("answer", outcome.answer), ("from", settings.mail_from),
        ("Message-ID", f"<{name}>"),
    ]  # fmt: skip
    for line in columns(rows, left=2):
        say(f"  {line}")
