"""Does a mail get from here to somebody?"""

from __future__ import annotations

from datetime import UTC, datetime
from secrets import token_hex

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.output import print_line
from farandole.cli.rendering.errors import CommandError
from farandole.cli.rendering.tables import format_columns
from farandole.operations.current_user import current_user


@click.command()
@click.argument("to", metavar="TO")
@click.pass_obj
def test_mail(context: CliContext, to: str) -> None:
    """Send one mail to TO with the configured settings, and say exactly what happened."""
    from farandole.notifier.mail_addresses import is_plain_address

    context.configure_logs()
    if not is_plain_address(to):
        raise click.UsageError(f"{to!r} is not an address like somebody@example.com")
    run_async(_send_test_mail(context, to))


async def _send_test_mail(context: CliContext, to: str) -> None:
    from farandole.notifier.mail_message import compose_test_mail, notice_message_id
    from farandole.notifier.settings import NotifierSettings
    from farandole.notifier.smtp_delivery import deliver_mail

    settings = NotifierSettings.load(context.folder)
    if settings.smtp_host is None or settings.mail_from is None:
        raise CommandError(
            "farandole: no mail server is configured; set FARANDOLE_SMTP_HOST and "
            "FARANDOLE_MAIL_FROM (or smtp_host and mail_from under [notifier] in farandole.toml); "
            "farandole mail-catcher is a server for trying"
        )
    name = notice_message_id(f"test-{token_hex(8)}", 0, settings.mail_from)
    mail = compose_test_mail(
        sender=settings.mail_from,
        recipient=to,
        paragraphs=[
            f"{current_user()} asked for it by `farandole test-mail`.",
            "Mails about events that died take the same way; there is nothing to do.",
        ],
        now=datetime.now(UTC),
        message_id=name,
    )
    outcome = await deliver_mail(settings, mail.encode(), settings.mail_from, [to])
    if to in outcome.refused:
        raise CommandError(
            f"farandole: refused: {outcome.refused[to]}; is the address right, and may "
            f"{settings.mail_from} send by this server?"
        )
    if to in outcome.deferred:
        raise CommandError(f"farandole: not delivered: {outcome.deferred[to]}")
    print_line(f"the server has taken the mail to {to}")
    rows = [
        ("server", outcome.route_text), ("answer", outcome.answer), ("from", settings.mail_from),
        ("Message-ID", f"<{name}>"),
    ]  # fmt: skip
    for line in format_columns(rows, left=2):
        print_line(f"  {line}")
