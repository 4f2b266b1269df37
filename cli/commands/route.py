"""How does a running pipeline follow its file?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import structlog

from farandole.cli.context import CliContext, run_async
from farandole.cli.output import print_line
from farandole.operations.current_user import current_user
from farandole.services.service_runner import service_lifetime

_RETIRE_INTERVAL = 15.0  # seconds between two looks at what is over

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.router.isolated_check import CheckVerdict, IsolatedChecker


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.pass_obj
def route(context: CliContext, paths: tuple[Path, ...]) -> None:
    """Watch topology.yaml, and apply at each save what is safe, until Ctrl-C.

    A PATH is another file, or a folder whose *.yaml and *.yml are pipelines side by side; their
    functions are imported from the pipeline's folder. A file with mistakes changes nothing; what is
    dangerous waits for `farandole apply --allow`. `farandole status` shows both.
    """
    context.configure_logs("info")
    run_async(_run_router(context, paths))


async def _run_router(context: CliContext, paths: Sequence[Path]) -> None:
    from farandole.router.file_watcher import follow_files as watch

    environment = RouterEnvironment.of(context)
    retiring = asyncio.create_task(_retire_versions(context))
    try:
        async with service_lifetime() as stopping:
            await watch(paths or [context.file], environment, stopping)
    finally:
        retiring.cancel()
        await environment.checker.close()
    print_line("the files are watched no more; what is in force stays")


async def _retire_versions(context: CliContext) -> None:
    """Retire, from time to time, the versions that are over, until cancelled."""
    from farandole.broker.broker_errors import BrokerError
    from farandole.router.topology_store import NotAppliedError, read_topology
    from farandole.router.version_retirement import retire_versions

    while True:
        await asyncio.sleep(_RETIRE_INTERVAL)
        try:
            settings = await context.connect()
            for pipeline in (await read_topology(settings)).pipelines():
                await retire_versions(settings, pipeline)
        except (BrokerError, NotAppliedError) as error:
            structlog.get_logger().warning("route.unretired", why=str(error))


@dataclass(frozen=True, slots=True)
class RouterEnvironment:
    """What a router of one pipeline's folder needs of the world."""

    context: CliContext
    checker: IsolatedChecker
    author: str

    @classmethod
    def of(cls, context: CliContext) -> RouterEnvironment:
        """Raises InvalidSettingsError."""
        from farandole.router.isolated_check import IsolatedChecker

        return cls(
            context, IsolatedChecker(context.folder, context.settings().namespace), current_user()
        )

    async def connect(self) -> Settings:
        return await self.context.connect()

    async def check_file(self, file: Path) -> CheckVerdict:
        return await self.checker.check(file)

    async def prepare_next_check(self) -> None:
        await self.checker.prepare()

    def allow_command(self, file: Path, dangers: Sequence[str]) -> str:

        own = file.resolve() == (self.context.folder / "topology.yaml").resolve()
        context = replace(self.context, topology_override=None if own else file)
        return context.command_line("apply", *(f"--allow {danger}" for danger in dangers))
