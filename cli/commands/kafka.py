"""How is the embedded Kafka of a folder started and stopped?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from farandole.cli.command_groups import CommandGroup
from farandole.cli.context import CliContext
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError
from farandole.services.async_runner import run_async

if TYPE_CHECKING:
    from farandole.broker.embedded_kafka import RunningKafka


@click.group(cls=CommandGroup)
def kafka() -> None:
    """Start, stop or see the embedded Apache Kafka of this folder.

    When it is stopped, the data are kept under .farandole/kafka.
    """


@kafka.command()
@click.option(
    "--nodes",
    type=click.Choice(["1", "3"]),
    help="How many brokers, decided at the first start. Of 3, any one may die. By default 1.",
)
@json_option
@click.pass_obj
def start(context: CliContext, nodes: str | None, as_json: bool) -> None:
    """Start Kafka unless it runs. It keeps running when this command ends.

    With three nodes each partition has three replicas, and what is acknowledged is on two of them.
    A node that has died is started again.
    """
    from farandole.broker import embedded_kafka

    context.configure_logs()
    running = run_async(
        embedded_kafka.start_embedded(
            context.folder.resolve(),
            progress=lambda state: click.echo(state, err=True),
            settings=context.settings(),
            nodes=None if nodes is None else int(nodes),
        )
    )
    if as_json:
        print_json(_to_data(running))
    else:
        for line in _lines(running, context):
            print_line(line)


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
    """Show the address of Kafka, and its nodes. Exit code 1: it does not run, or too few nodes."""
    from farandole.broker import embedded_kafka
    from farandole.broker.broker_resolution import not_running_text

    running = embedded_kafka.embedded_status(context.folder.resolve())
    if running is not None:
        run_async(embedded_kafka.require_own_answers(running, context.settings()))
    if as_json:
        print_json({"running": False} if running is None else _to_data(running))
    elif running is None:
        raise CommandError(
            f"{not_running_text(context.folder)}; start it: {context.command_line('kafka start')}"
        )
    else:
        for line in _lines(running, context):
            print_line(line)
    if running is None or not running.has_quorum:
        raise click.exceptions.Exit(1)


def _to_data(running: RunningKafka) -> dict[str, object]:
    common = {
        "running": True,
        "kind": running.kind,
        "address": running.address,
        "cluster_id": running.cluster_id,
    }
    if running.size == 1:
        return common | {"pid": running.first.pid, "log": running.first.log}
    nodes: dict[int, dict[str, object]] = {
        number: {"running": True, "address": node.address, "pid": node.pid, "log": node.log}
        for number, node in running.nodes.items()
    } | {node.number: {"running": False, "reason": node.reason} for node in running.dead}
    return common | {"nodes": [{"node": number, **nodes[number]} for number in sorted(nodes)]}


def _lines(running: RunningKafka, context: CliContext) -> list[str]:
    if running.size == 1:
        node = running.first
        return [f"Kafka is at {node.address} (pid {node.pid}, log {node.log})"]
    lines = {
        number: f"  node {number} at {node.address} (pid {node.pid}, log {node.log})"
        for number, node in running.nodes.items()
    }
    again = f"start it again: {context.command_line('kafka start')}"
    for dead in running.dead:
        state = "does not run" if dead.reason is None else f"has died ({dead.reason})"
        lines[dead.number] = f"  node {dead.number} {state}; {again}"
    short = "" if running.has_quorum else ": too few for it to work"
    return [
        f"Kafka is at {running.address}, {len(running.nodes)} of {running.size} nodes run{short}",
        *(lines[number] for number in sorted(lines)),
    ]
