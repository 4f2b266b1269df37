"""Is the embedded Kafka of this folder to run?"""

from __future__ import annotations

import click

from farandole.console.failing import Failed
from farandole.console.output import json_option, say, say_json
from farandole.console.wiring import Here, run


@click.group()
def kafka() -> None:
    """Start, stop or see the embedded Apache Kafka of this folder.

    Its data stay under .farandole/kafka when it stops.
    """


@kafka.command()
@json_option
@click.pass_obj
def start(here: Here, as_json: bool) -> None:
    """Start it unless it runs; it goes on when this command ends."""
    from farandole.broker import embedded

    here.logs()
    running = run(
        embedded.start(
            here.folder.resolve(),
            progress=lambda word: click.echo(word, err=True),
            settings=here.settings(),
        )
    )
    if as_json:
        say_json({"running": True, "address": running.address, "pid": running.pid})
    else:
        say(f"Kafka is at {running.address} (pid {running.pid}, log {running.log})")


@kafka.command()
@click.pass_obj
def stop(here: Here) -> None:
    """Stop it in good order; its data stay."""
    from farandole.broker import embedded

    here.logs()
    if embedded.status(here.folder.resolve()) is not None:
        click.echo("Kafka is stopping", err=True)
    say("stopped" if run(embedded.stop(here.folder.resolve())) else "it was not running")


@kafka.command()
@json_option
@click.pass_obj
def status(here: Here, as_json: bool) -> None:
    """Say where it is; exit 1 if it does not run."""
    from farandole.broker import embedded

    running = embedded.status(here.folder.resolve())
    if as_json:
        say_json(
            {"running": False}
            if running is None
            else {
                "running": True,
                "kind": running.kind,
                "address": running.address,
                "pid": running.pid,
                "log": running.log,
            }
        )
        if running is None:
            raise click.exceptions.Exit(1)
    elif running is None:
        raise Failed("Kafka is not running; start it: farandole kafka start")
    else:
        say(f"Kafka is at {running.address} (pid {running.pid}, log {running.log})")
