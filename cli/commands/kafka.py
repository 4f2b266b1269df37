"""How is the embedded Kafka of a folder started and stopped?"""

from __future__ import annotations

import click

from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError
from farandole.services.async_runner import run_async


@click.group()
def kafka() -> None:
    """Start, stop or see the embedded Apache Kafka of this folder.

    When it is stopped, the data are kept under .farandole/kafka.
    """


@kafka.command()
@json_option
@click.pass_obj
def start(context: CliContext, as_json: bool) -> None:
    """Start Kafka unless it runs. It keeps running when this command ends."""
    from farandole.broker import embedded_kafka

    context.configure_logs()
    running = run_async(
        embedded_kafka.start_embedded(
            context.folder.resolve(),
            progress=lambda state: click.echo(state, err=True),
            settings=context.settings(),
        )
    )
    if as_json:
        print_json({"running": True, "address": running.address, "pid": running.pid})
    else:
        print_line(f"Kafka is at {running.address} (pid {running.pid}, log {running.log})")


@kafka.command()
@click.pass_obj
def stop(context: CliContext) -> None:
    """Stop Kafka. The data are kept."""
    from farandole.broker import embedded_kafka

    context.configure_logs()
    if embedded_kafka.embedded_status(context.folder.resolve()) is not None:
        click.echo("Kafka is stopping", err=True)
    print_line(
        "stopped"
        if run_async(embedded_kafka.stop_embedded(context.folder.resolve()))
        else "it was not running"
    )


@kafka.command()
@json_option
@click.pass_obj
def status(context: CliContext, as_json: bool) -> None:
    """Show the address of Kafka. Exit code 1: it does not run."""
    from farandole.broker import embedded_kafka
    from farandole.broker.broker_resolution import not_running_text

    running = embedded_kafka.embedded_status(context.folder.resolve())
    if running is not None:
        run_async(embedded_kafka.require_own_answer(running, context.settings()))
    if as_json:
        print_json(
            {"running": False}
            if running is None
            else {
                "running": True,
                "kind": running.kind,
                "address": running.address,
                "pid": running.pid,
                "log": running.log,
                "cluster_id": running.cluster_id,
            }
        )
        if running is None:
            raise click.exceptions.Exit(1)
    elif running is None:
        raise CommandError(
            f"{not_running_text(context.folder)}; start it: {context.command_line('kafka start')}"
        )
    else:
        print_line(f"Kafka is at {running.address} (pid {running.pid}, log {running.log})")
