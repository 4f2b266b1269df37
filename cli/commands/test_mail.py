"""Does a test message reach one address, or everybody whom the routes name?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.tables import format_columns
from farandole.operations.current_user import current_user
from farandole.services.async_runner import run_async


@click.command()
@click.argument("to", metavar="[TO]", required=False)
@click.option("--routes", "through_routes", is_flag=True, help="To everybody in `alerts:`.")
@click.option(
    "--route", type=click.IntRange(min=1), help="Only to those of this route: 1 is the first."
)
@json_option
@click.pass_obj
def test_mail(
    context: CliContext, to: str | None, through_routes: bool, route: int | None, as_json: bool
) -> None:
    """Send a test mail to TO, or a test message through the routes.

    TO: a mail with the configured settings; the answer of the mail server is printed.
    With `--routes`: a mail or a webhook post to each address, once, that a route or a step of
    `escalate:` names in the version in force. Exit code 1: at least one was not delivered.
    """
    context.configure_logs()
    if through_routes or route is not None:
        if to is not None:
            raise click.UsageError("name either an address or routes")
        _test_routes(context, route, as_json)
    elif to is None:
        raise click.UsageError("name an address; or write --routes to try everybody in `alerts:`")
    else:
        _test_address(context, to, as_json)


def _test_address(context: CliContext, to: str, as_json: bool) -> None:
    from farandole.notifier.mail_addresses import is_plain_address
    from farandole.operations.incidents.mail_test import TestMailRequest, send_test_mail

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


def _test_routes(context: CliContext, route: int | None, as_json: bool) -> None:
    from farandole.operations.incidents.route_test import RouteTestRequest, send_through_routes

    request = RouteTestRequest(current_user(), route)
    tested = context.run(lambda installation: send_through_routes(installation, request))
    if as_json:
        print_json([each.to_data() for each in tested])
    else:
        for each in tested:
            result = f"delivered: {each.server}" if each.delivered else "not delivered"
            print_line(f"{each.to} ({'; '.join(each.places)}): {result}: {each.answer}")
    if not all(each.delivered for each in tested):
        raise SystemExit(1)
