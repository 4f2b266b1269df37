"""How does the whole pipeline run in one terminal?"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.output import print_line
from farandole.operations.current_user import current_user

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.events.topology_version import Version
    from farandole.router.topology_derivation import DerivedTopology
    from farandole.services.supervisor import ServiceSpec


@click.command()
@click.pass_obj
def up(context: CliContext) -> None:
    """Run everything until Ctrl-C: Kafka, a process per stage, a router that follows each save of
    topology.yaml, a bookkeeper that says what became of each run, and a notifier that writes to
    those whom its `alerts:` names.

    Ctrl-C ends it in good order: no work is lost, no process stays, the data are kept.
    """
    level = context.configure_logs("info")
    run_async(_run_everything(context, level))


async def _run_everything(context: CliContext, level: str) -> None:
    from farandole.catalog.active_stages import active_stages
    from farandole.catalog.published_versions import VersionsByNumber, follow_versions
    from farandole.services.companion_services import companion_service
    from farandole.services.pipeline_supervision import supervise_until_stopped
    from farandole.services.worker_services import worker_services

    derived = context.derive_topology()  # first: a mistake in the file costs no start of a broker
    async with running_kafka(context) as settings:
        version = await _put_in_force(context, settings, derived)
        _print_introduction(context, settings, version)

        def asked(versions: VersionsByNumber) -> list[ServiceSpec]:
            workers = worker_services(
                settings, context.folder, versions, pretty=sys.stderr.isatty(), log_level=level
            )
            return [
                *workers,
                companion_service(context.invocation, settings, "route", level=level),
                companion_service(context.invocation, settings, "keep-books", level=level),
                companion_service(context.invocation, settings, "notify", level=level),
                companion_service(context.invocation, settings, "monitor", level=level),
            ]

        async with follow_versions(settings, version.pipeline) as published:
            count = len(active_stages(published.versions))
            await supervise_until_stopped(
                published,
                asked,
                lambda: print_line(
                    f"every stage is at work ({count}), and a save of {context.file.name} is "
                    "followed; Ctrl-C ends them"
                ),
            )
        print_line(f"{_newline_after_ctrl_c()}all stages have ended")


async def _put_in_force(
    context: CliContext, settings: Settings, derived: DerivedTopology
) -> Version:
    """The version to begin with: the file's, unless that is dangerous or somebody went back on
    purpose. Raises NotAppliedError."""
    from farandole.router.cluster_snapshot import plan_changes
    from farandole.router.guarded_apply import apply_plan, standing_rollback_reason
    from farandole.router.reason_text import change_lines, render_reason

    plan = await plan_changes(settings, derived)
    if plan.newest is not None and plan.publishes:
        back = await standing_rollback_reason(settings, plan)
        refused = plan.not_allowed(())
        if back:
            print_line(render_reason(back))
        if refused:
            for line in change_lines(refused):
                print_line(line)
            allow = context.command_line("apply", *(f"--allow {danger}" for danger in plan.dangers))
            print_line(
                f"{derived.pipeline}@{plan.newest} stays in force; to apply the file: {allow}"
            )
        if back or refused:
            return await context.newest_version(settings)
    return (await apply_plan(settings, plan, current_user())).version


@asynccontextmanager
async def running_kafka(context: CliContext) -> AsyncIterator[Settings]:
    """A Kafka: the one that is named, else the folder's own, stopped at the end if it was not
    running before. Raises BrokerError."""
    from farandole.broker import embedded_kafka

    own = (
        context.settings().bootstrap is None
        and embedded_kafka.embedded_status(context.folder.resolve()) is None
    )
    try:
        yield await context.connect(start=True, progress=lambda word: print_line(f"Kafka: {word}"))
    finally:
        if own and await embedded_kafka.stop_embedded(context.folder.resolve()):
            print_line("Kafka has ended; its data are kept")


def _print_introduction(context: CliContext, settings: Settings, version: Version) -> None:
    from farandole.cli.command_hints import leaf_event_types, trigger_commands

    print_line(f"{version.name} is in force on Kafka at {settings.bootstrap}")
    print_line("")
    print_line("In another terminal:")
    for line in trigger_commands(context, settings, version):
        print_line(f"  {line}")
    for event_type in leaf_event_types(version):
        topic = version.events[event_type].topic
        print_line(f"  kcat -C -b {settings.bootstrap} -t {topic}")
        print_line(f"  {context.command_line('tail', event_type)}")
    print_line(f"  {context.command_line('status')}")
    print_line("")
    sys.stdout.flush()


def _newline_after_ctrl_c() -> str:
    """A terminal has just printed `^C`: begin a new line."""
    return "\n" if sys.stdout.isatty() else ""
