"""Can the configured mail server deliver a mail?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.tables import format_columns
from farandole.operations.current_user import current_user
from farandole.services.async_runner import run_async


@click.command()
@click.argument("to", metavar="TO")
@json_option
@click.pass_obj
def test_mail(context: CliContext, to: str, as_json: bool) -> None:
    """Send a test mail to TO with the configured settings.

    The answer of the mail server is printed.
    """
    from farandole.notifier.mail_addresses import is_plain_address
    from farandole.operations.incidents.mail_test import TestMailRequest, send_test_mail

    context.configure_logs()
    if not is_plain_address(to):
        raise click.UsageError(f"{to!r} is not an address like somebody@example.com")
    result = run_async(send_test_mail(context.folder, TestMailRequest(to, current_user())))
    if as_json:
        print_json(result.to_data())
        return
    print_line(f"the server has taken the mail to {result.recipient}")
    rows = [
        ("server", result.server), ("answer", result.answer), ("from", result.sender),
        ("Message-ID", f"<{result.message_id}>"),
    ]  # fmt: skip
    for line in format_columns(rows, left=2):
        print_line(f"  {line}")
