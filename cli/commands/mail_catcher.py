"""How are mails caught on this machine instead of sent?"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_json_line, print_line
from farandole.cli.rendering.errors import CommandError
from farandole.cli.rendering.tables import format_columns
from farandole.services.async_runner import run_async

if TYPE_CHECKING:
    from farandole.notifier.mail_catcher import CaughtMail


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option("--port", type=click.IntRange(0, 65535), default=1025, show_default=True)
@click.option(
    "--folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the mails go.  [default: mails in the pipeline's folder]",
)
@click.option("--list", "listed", is_flag=True, help="Print which were caught, and end.")
@json_option
@click.pass_obj
def mail_catcher(
    context: CliContext, host: str, port: int, folder: Path | None, listed: bool, as_json: bool
) -> None:
    """Save mails as .eml files instead of sending them.

    The mail catcher runs until Ctrl-C, and prints a line for each mail. Any mail program opens the
    files.
    """
    context.configure_logs()
    into = folder or context.folder / "mails"
    if listed:
        _list_mails(into, as_json)
    else:
        run_async(_catch_mails(into, host, port, as_json))


def _list_mails(folder: Path, as_json: bool) -> None:
    from farandole.notifier.mail_catcher import list_caught_mails

    try:
        mails = list_caught_mails(folder)
    except OSError as error:
        raise CommandError(f"farandole: {error.filename}: {error.strerror}") from None
    if as_json:
        print_json([_mail_data(mail) for mail in mails])
        return
    if not mails:
        print_line(f"no mail was caught in {folder} yet")
        return
    rows = [("received", "to", "subject", "file"), *map(_mail_row, mails)]
    for line in format_columns(rows, left=4):
        print_line(line)


async def _catch_mails(folder: Path, host: str, port: int, as_json: bool) -> None:
    import asyncio

    from farandole.notifier.mail_catcher import serve_mail_catcher

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)

    def print_mail(mail: CaughtMail) -> None:
        if as_json:
            print_json_line(_mail_data(mail))
        else:
            print_line("  ".join(_mail_row(mail)))

    try:
        async with serve_mail_catcher(folder, host=host, port=port, on_mail=print_mail) as address:
            click.echo(f"catching mail at {address} into {folder}; Ctrl-C ends it", err=True)
            click.echo(
                f"FARANDOLE_SMTP_HOST={address.host} FARANDOLE_SMTP_PORT={address.port} "
                "FARANDOLE_SMTP_SECURITY=none FARANDOLE_MAIL_FROM=farandole@localhost "
                "lead to it",
                err=True,
            )
            await stopping.wait()
    except OSError as error:
        where = error.filename or f"{host}:{port}"
        remedy = "" if error.filename else "; choose another place by --host and --port"
        raise CommandError(f"farandole: {where}: {error.strerror}{remedy}") from None


def _mail_row(mail: CaughtMail) -> tuple[str, str, str, str]:
    more = f" and {len(mail.to) - 1} more" if len(mail.to) > 1 else ""
    to = f"{mail.to[0]}{more}" if mail.to else ""
    return f"{mail.received:%Y-%m-%d %H:%M:%S} UTC", to, mail.subject, str(mail.file)


def _mail_data(mail: CaughtMail) -> dict[str, Any]:
    return {
        "received": mail.received,
        "to": mail.to,
        "subject": mail.subject,
        "message_id": mail.message_id,
        "file": str(mail.file),
    }
