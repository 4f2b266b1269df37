"""How does the whole pipeline run in one terminal?"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from farandole.console.output import say
from farandole.console.wiring import Here, run, who

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.events.topology import Version
    from farandole.router.derive import Derived
    from farandole.worker.supervisor import Service


@click.command()
@click.pass_obj
def up(here: Here) -> None:
    """Run everything until Ctrl-C: Kafka, a process per stage, a router that follows each save of
    topology.yaml, a bookkeeper that says what became of each run, and a notifier that writes to
    those whom its `alerts:` names.

    Ctrl-C ends it in good order: no work is lost, no process stays, the data are kept.
    """
    level = here.logs("info")
    run(_up(here, level))


async def _up(here: Here, level: str) -> None:
    from farandole.console.processes.beside import service
    from farandole.console.processes.supervising import until_stopped
    from farandole.worker.live import live
    from farandole.worker.services import services
    from farandole.worker.versions import Versions, following

    derived = here.derived()  # first: a mistake in the file costs no start of a broker
    async with kafka(here) as settings:
        version = await _in_force(here, settings, derived)
        _introduce(here, settings, version)

        def asked(versions: Versions) -> list[Service]:
            workers = services(
                settings, here.folder, versions, pretty=sys.stderr.isatty(), log_level=level
            )
            return [
                *workers,
                service(here, settings, "route", level=level),
                service(here, settings, "keep-books", level=level),
                service(here, settings, "notify", level=level),
                service(here, settings, "monitor", level=level),
            ]

        async with following(settings, version.pipeline) as published:
            count = len(live(published.versions))
            await until_stopped(
                published,
                asked,
                lambda: say(
                    f"every stage is at work ({count}), and a save of {here.file.name} is followed;"
                    " Ctrl-C ends them"
                ),
            )
        say(f"{_after_ctrl_c()}all stages have ended")


async def _in_force(here: Here, settings: Settings, derived: Derived) -> Version:
    """The version to begin with: the file's, unless that is dangerous or somebody went back on
    purpose. Raises NotApplied."""
    from farandole.console.hints import farandole
    from farandole.router.enact import enact, rolled_back
    from farandole.router.facts import planned
    from farandole.router.plan import rows

    plan = await planned(settings, derived)
    if plan.newest is not None and plan.publishes:
        back = await rolled_back(settings, plan)
        refused = plan.refused(())
        if back:
            say(back)
        if refused:
            for line in rows(refused):
                say(line)
            allow = farandole(here, "apply", *(f"--allow {danger}" for danger in plan.dangers))
            say(f"{derived.pipeline}@{plan.newest} stays in force; to apply the file: {allow}")
        if back or refused:
            return await here.version(settings)
    return (await enact(settings, plan, who())).version


@asynccontextmanager
async def kafka(here: Here) -> AsyncIterator[Settings]:
    """A Kafka: the one that is named, else the folder's own, stopped at the end if it was not
    running before. Raises BrokerError."""
    from farandole.broker import embedded

    own = here.settings().bootstrap is None and embedded.status(here.folder.resolve()) is None
    try:
        yield await here.reached(start=True, progress=lambda word: say(f"Kafka: {word}"))
    finally:
        if own and await embedded.stop(here.folder.resolve()):
            say("Kafka has ended; its data are kept")


def _introduce(here: Here, settings: Settings, version: Version) -> None:
    from farandole.console.hints import farandole, leaves, triggers

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
