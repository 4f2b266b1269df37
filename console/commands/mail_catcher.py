"""Which mails would have been sent from this machine?"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from farandole.console.failing import Failed
from farandole.console.output import columns, json_option, say, say_bytes, say_json
from farandole.console.wiring import Here, run

if TYPE_CHECKING:
    from farandole.notifier.catcher import Caught


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
    here: Here, host: str, port: int, folder: Path | None, listed: bool, as_json: bool
) -> None:
    """Catch mails as .eml files instead of sending them, until Ctrl-C.

    A line is printed for each. Any mail program opens the files.
    """
    here.logs()
    into = folder or here.folder / "mails"
    if listed:
        _list(into, as_json)
    else:
        run(_catch(into, host, port, as_json))


def _list(folder: Path, as_json: bool) -> None:
    from farandole.notifier.catcher import caught

    try:
        mails = caught(folder)
    except OSError as error:
        raise Failed(f"farandole: {error.filename}: {error.strerror}") from None
    if as_json:
        say_json([_shown(mail) for mail in mails])
        return
    if not mails:
        say(f"no mail was caught in {folder} yet")
        return
    rows = [("received", "to", "subject", "file"), *map(_row, mails)]
    for line in columns(rows, left=4):
        say(line)


async def _catch(folder: Path, host: str, port: int, as_json: bool) -> None:
    from farandole.notifier.catcher import catching

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)

    def told(mail: Caught) -> None:
        if as_json:
            say_bytes([orjson.dumps(_shown(mail))])  # a line for each
        else:
            say("  ".join(_row(mail)))

    try:
        async with catching(folder, host=host, port=port, on_mail=told) as address:
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
        raise Failed(f"farandole: {where}: {error.strerror}{remedy}") from None


def _row(mail: Caught) -> tuple[str, str, str, str]:
    more = f" and {len(mail.to) - 1} more" if len(mail.to) > 1 else ""
    to = f"{mail.to[0]}{more}" if mail.to else ""
    return f"{mail.received:%Y-%m-%d %H:%M:%S} UTC", to, mail.subject, str(mail.file)


def _shown(mail: Caught) -> dict[str, Any]:
    return {
        "received": mail.received,
        "to": mail.to,
        "subject": mail.subject,
        "message_id": mail.message_id,
        "file": str(mail.file),
    }
