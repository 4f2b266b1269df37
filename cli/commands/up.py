"""How does the whole pipeline run in one terminal?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from farandole.cli.context import CliContext
from farandole.cli.output import print_notice
from farandole.operations.current_user import current_user
from farandole.services.async_runner import run_async

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.events.topology_version import Version
    from farandole.operations.topology_source import Derivation


@click.command()
@click.option(
    "--reload", is_flag=True, help="Restart the processes of a stage when its code is saved."
)
@click.pass_obj
def up(context: CliContext, reload: bool) -> None:
    """Run the whole pipeline in this terminal until Ctrl-C.

    This starts Kafka unless it runs, a process for each stage, a router that follows each save of
    topology.yaml, a bookkeeper that records what became of each run, a scheduler that fires
    `schedules:`, a notifier that writes to the people in `alerts:`, and the web console. A process
    that crashes again and again stays in quarantine until its code or the file is saved, or until
    `farandole restart`. Ctrl-C stops all processes; no work is lost, and the data are kept.
    """
    from farandole.services.folder_lock import only_one_up

    level = context.configure_logs("info")
    with only_one_up(context.folder, context.file, context.settings().namespace):
        run_async(_run_everything(context, level, reload))


async def _run_everything(context: CliContext, level: str, reload: bool) -> None:
    from farandole.services.hosted_console import prepare_console
    from farandole.services.kafka_keeper import running_kafka
    from farandole.services.pipeline_host import host_pipeline

    def announce_ready(stages: int) -> None:
        followed = f"{context.file.name} and of the code" if reload else context.file.name
        print_notice(
            f"every stage is at work ({stages}), and a save of {followed} is followed; Ctrl-C ends "
            "them"
        )

    derivation = context.derive()  # first: a mistake in the file costs no start of a broker
    console = prepare_console(context.folder)
    async with running_kafka(context.invocation, print_notice) as settings:
        version = await _start_version(context, settings, derivation)
        _print_introduction(context, settings, version, console.link)
        await host_pipeline(
            context.invocation,
            settings,
            version,
            log_level=level,
            pretty=sys.stderr.isatty(),
            ready=announce_ready,
            refuse_code=print_notice,
            announce_metrics=lambda url: print_notice(f"metrics are at {url}"),
            console=console.environment,
            reload=reload,
        )
        print_notice(f"{_newline_after_ctrl_c()}all stages have ended")


async def _start_version(
    context: CliContext, settings: Settings, derivation: Derivation
) -> Version:
    """Return the version that is in force, and print the reason if it is not the file's."""
    from farandole.operations.topology.start_version import StartRequest, start_version
    from farandole.router.reason_text import change_lines, render_reason

    request = StartRequest(derivation, current_user())
    start = await start_version(context.installation_of(settings), request)
    if start.kept_because:
        print_notice(render_reason(start.kept_because))
    if start.refused:
        for line in change_lines(start.refused):
            print_notice(line)
        allow = context.command_line("apply", *(f"--allow {danger}" for danger in start.dangers))
        print_notice(f"{start.version.name} stays in force; to apply the file: {allow}")
    return start.version


def _print_introduction(
    context: CliContext, settings: Settings, version: Version, console: str
) -> None:
    from farandole.cli.rendering.introduction import introduction_lines

    print_notice(f"{version.name} is in force on Kafka at {settings.bootstrap}")
    print_notice(f"the web console is at {console}")
    print_notice("")
    print_notice("In another terminal:")
    for line in introduction_lines(settings, version, context.command_line):
        print_notice(f"  {line}")
    print_notice("")
    sys.stdout.flush()


def _newline_after_ctrl_c() -> str:
    """Return a line break where a terminal has just printed `^C`."""
    return "\n" if sys.stdout.isatty() else ""
