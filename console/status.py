"""What is in force, and how far is each stage behind?"""

from __future__ import annotations

from typing import Any

import click

from console.output import columns, json_option, say, say_json
from console.wiring import Here, run


@click.command()
@json_option
@click.pass_obj
def status(here: Here, as_json: bool) -> None:
    """Show the broker, the version in force, and each stage's lag.

    Lag is in offsets: the markers of transactions take offsets too. A stage at rest has 0.
    """
    here.logs()
    run(_status(here, as_json))


async def _status(here: Here, as_json: bool) -> None:
    from broker.admin import Admin
    from broker.lag import ordered_pass

    settings = await here.reached()
    version = await here.version(settings)
    async with Admin.open(settings) as admin:
        lags = await ordered_pass(admin, settings.names, version)
    stages: dict[str, list[dict[str, Any]]] = {
        stage: [
            {
                "event": each.event_type,
                "topic": each.partition.topic,
                "partition": each.partition.partition,
                "committed": each.committed,
                "end": each.end,
                "lag": each.lag,
            }
            for each in inputs
        ]
        for stage, inputs in lags.items()
    }
    if as_json:
        say_json(
            {
                "bootstrap": settings.bootstrap,
                "namespace": settings.namespace,
                "version": version.name,
                "published": version.published,
                "published_by": version.published_by,
                "stages": stages,
            }
        )
        return
    say(f"Kafka at {settings.bootstrap}")
    said = f"{version.published:%Y-%m-%d %H:%M:%S} UTC by {version.published_by}"
    say(f"{version.name}, published {said}")
    say("")
    rows = [("stage", "input", "lag", "by partition")]
    for stage, inputs in stages.items():
        for event in dict.fromkeys(each["event"] for each in inputs):
            of = [each for each in inputs if each["event"] == event]
            by_partition = " ".join(
                "none" if each["committed"] is None else f"{each['lag']:,}" for each in of
            )
            rows.append((stage, event, f"{sum(each['lag'] for each in of):,}", by_partition))
    for line in columns(rows, left=2):
        say(line)
