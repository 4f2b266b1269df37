"""Which commands are there, and which options do all of them have?"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import click

from farandole.cli.command_groups import COMMANDS, load_command, require_command, sections
from farandole.cli.context import CliContext
from farandole.cli.rendering.errors import CommandError, report_errors
from farandole.cli.standard_streams import make_streams_usable

LOG_LEVELS = ("debug", "info", "warning", "error")


class LazyCommandGroup(click.Group):
    """A group that imports a command when it is used, shows headings in the help, and reports
    errors in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [command for _, commands in sections() for command in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load_command(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        width = formatter.width - 6 - max(map(len, names))
        for heading, commands in sections():
            rows = [(name, _short_help(name, width)) for name in commands]
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=max(map(len, names)))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-") and args[0] not in COMMANDS:
            names = self.list_commands(ctx)
            require_command(args[0], names, f"there are {', '.join(names)}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        def command_line(*words: str) -> str:
            context: CliContext = ctx.obj
            return context.invocation.command_line(*words)

        def running_up() -> str | None:
            context: CliContext = ctx.obj
            return context.running_up()

        # Inside of the handler in `main`: only here the pipeline is known.
        with report_errors(command_line, running_up):
            return super().invoke(ctx)

    def main(  # type: ignore[override]  # click's overloads say the same at greater length
        self, args: Sequence[str] | None = None, *, standalone_mode: bool = True, **extra: Any
    ) -> Any:
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        # Without standalone mode a command's return value and `ctx.exit`'s code look alike: none
        # of our commands returns anything but None.
        with report_errors():
            sys.exit(super().main(args, standalone_mode=False, **extra) or 0)


def _short_help(name: str, limit: int) -> str:
    """Return the first sentence of a command's help, or why the command cannot be loaded."""
    try:
        command = load_command(name)
    except CommandError as error:
        return str(error).removeprefix("farandole: ")[:limit]
    return command.get_short_help_str(limit) if command is not None else "not installed"


@click.command(
    cls=LazyCommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "-C",
    "folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The folder of the pipeline, with topology.yaml.  [default: here]",
)
@click.option(
    "-f",
    "--file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The topology file.  [default: topology.yaml in that folder]",
)
@click.option("--bootstrap", metavar="HOST:PORT", help="Your Kafka, instead of the embedded one.")
@click.option("--namespace", metavar="WORD", help="Prefix of every topic and group.")
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS),
    help="[default: info for services, warning for everything else]",
)
@click.version_option(installed("farandole"), prog_name="farandole")
@click.pass_context
def farandole(
    context: click.Context,
    folder: Path,
    file: Path | None,
    bootstrap: str | None,
    namespace: str | None,
    log_level: str | None,
) -> None:
    """Run event-driven pipelines over Apache Kafka, without a controller and exactly once.

    Settings can also be given in FARANDOLE_… variables, and in .env or farandole.toml in the
    pipeline's folder: `farandole config` shows them.
    """
    from farandole.broker.env_file import load_env_file

    variables = load_env_file(folder)
    if os.environ.get("NO_COLOR"):  # https://no-color.org
        context.color = False
    context.obj = CliContext(folder, bootstrap, namespace, log_level, file, tuple(variables))


def main() -> None:
    make_streams_usable()
    farandole(prog_name="farandole")


if __name__ == "__main__":
    main()
