"""How is the web console started?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from farandole.services.async_runner import run_async

if TYPE_CHECKING:
    from farandole.services.invocation import CommandContext


@click.command()
@click.option("--host", metavar="ADDRESS", help="Listen there.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 for any free port.")
@click.option("--announced", is_flag=True, hidden=True, help="Somebody else says where it is.")
@click.pass_obj
def web(context: CommandContext, host: str | None, port: int | None, announced: bool) -> None:
    """Serve the web console until Ctrl-C.

    It shows the pipelines of this Kafka and namespace at work, and steers them. Any number of
    consoles may run.
    """
    context.configure_logs("info")
    code = run_async(_serve(context, host, port, announced))
    if code:
        raise click.exceptions.Exit(code)
    if not announced:
        click.echo("the console has ended")


async def _serve(
    context: CommandContext, host: str | None, port: int | None, announced: bool
) -> int:
    from farandole.operations.setup.web_settings import WebSettings
    from farandole.services.process_memory import collect_seldom, keep_freed_memory
    from farandole.services.service_runner import MeteredService, run_service
    from farandole.web.service import run_console

    collect_seldom()
    keep_freed_memory()
    installation = await context.installation()
    settings = WebSettings.load(context.folder, web_host=host, web_port=port)

    def announce(url: str) -> None:
        if not announced:
            click.echo(f"the console is at {url}")

    return await run_service(
        lambda stopping: run_console(installation, settings, stopping, announce),
        ended_event="web.ended",
        metered=MeteredService("console", context.folder),
    )
