"""How does the whole pipeline run in one terminal?"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from console.output import say
from console.wiring import Here, run, who

if TYPE_CHECKING:
    from broker.settings import Settings
    from events.topology import Version


@click.command()
@click.pass_obj
def up(here: Here) -> None:
    """Run everything until Ctrl-C: Kafka, the version of topology.yaml, a process per stage.

    Ctrl-C ends it in good order: no work is lost, no process stays, the data are kept.
    """
    level = here.logs("info")
    run(_up(here, level))


async def _up(here: Here, level: str) -> None:
    from console.supervising import until_stopped
    from router.publish import apply
    from worker.live import live
    from worker.services import services
    from worker.supervisor import Service
    from worker.versions import Versions, following

    derived = here.derived()  # first: a mistake in the file costs no start of a broker
    async with kafka(here) as settings:
        version = (await apply(settings, derived, who())).version
        _introduce(here, settings, version)

        def asked(versions: Versions) -> list[Service]:
            return services(
                settings, here.folder, versions, pretty=sys.stderr.isatty(), log_level=level
            )

        async with following(settings, version.pipeline) as published:
            count = len(live(published.versions))
            await until_stopped(
                published,
                asked,
                lambda: say(f"every stage is at work ({count}); Ctrl-C ends them"),
            )
        say(f"{_after_ctrl_c()}all stages have ended")


@asynccontextmanager
async def kafka(here: Here) -> AsyncIterator[Settings]:
    """A Kafka: the one that is named, else the folder's own, stopped at the end if it was not
    running before. Raises BrokerError."""
    from broker import embedded

    own = here.settings().bootstrap is None and embedded.status(here.folder.resolve()) is None
    try:
        yield await here.reached(start=True, progress=lambda word: say(f"Kafka: {word}"))
    finally:
        if own and await embedded.stop(here.folder.resolve()):
            say("Kafka has ended; its data are kept")


def _introduce(here: Here, settings: Settings, version: Version) -> None:
    from console.hints import farandole, leaves, triggers

    say(f"{version.name} is in force on Kafka at {settings.bootstrap}")
    say("")
    say("In another terminal:")
    for line in triggers(here, settings, version):
        say(f"  {line}")
    for event_type in leaves(version):
        topic = version.events[event_type].topic
        say(f"  kcat -C -b {settings.bootstrap} -t {topic}")
        say(f"  {farandole(here, 'tail', event_type)}")
    say(f"  {farandole(here, 'status')}")
    say("")
    sys.stdout.flush()


def _after_ctrl_c() -> str:
    """A terminal has just printed `^C`: begin a new line."""
    return "\n" if sys.stdout.isatty() else ""
