"""Which pipeline does a command use, and how does it call an operation?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from farandole.services.async_runner import run_async
from farandole.services.invocation import Invocation

if TYPE_CHECKING:  # importing these takes half a second, and completion does not need them
    from farandole.broker.settings import Settings
    from farandole.events.topology_version import Version
    from farandole.operations.installation import Installation
    from farandole.operations.topology_source import Derivation, TopologySource
    from farandole.router.file_model import TopologyFile
    from farandole.router.lint_finding import Finding
    from farandole.router.topology_derivation import DerivedTopology
    from farandole.router.topology_file_check import CheckedFile

T = TypeVar("T")

TOPOLOGY_FILE = "topology.yaml"


@dataclass(frozen=True, slots=True)
class CliContext:
    """The pipeline's folder, and the options before the command."""

    folder: Path
    bootstrap: str | None = None
    namespace: str | None = None
    log_level: str | None = None
    topology_override: Path | None = None
    """Another topology file than the folder's; its functions are imported from the folder too."""
    env_file_variables: Collection[str] = ()
    """The environment variables that the folder's `.env` has added."""

    @property
    def file(self) -> Path:
        """The topology file."""
        return self.topology_override or self.folder / TOPOLOGY_FILE

    @property
    def invocation(self) -> Invocation:
        """The command line of this call without the command, to call it again for the same
        pipeline."""
        return Invocation(self.folder, self.topology_override, self.bootstrap, self.namespace)

    def command_line(self, *words: str) -> str:
        """Return a command as a person types it here, for the same pipeline."""
        return self.invocation.command_line(*words)

    def running_up(self) -> str | None:
        """Return the process that runs `up` for this pipeline on this machine; None if there is
        none. Raises InvalidSettingsError."""
        from farandole.services.folder_lock import running_up

        return running_up(self.folder, self.file, self.settings().namespace)

    def configure_logs(self, level: str = "warning", *, pretty: bool | None = None) -> str:
        """Set up logging with the level that was asked for, else `level`, and return it."""
        from farandole.worker.log_setup import configure_logging

        configure_logging(level=self.log_level or level, pretty=pretty)
        return self.log_level or level

    def settings(self) -> Settings:
        """Return the settings, without the address of an embedded Kafka. Raises
        InvalidSettingsError."""
        return self.invocation.settings()

    def topology(self, file: Path | None = None) -> TopologySource:
        """Return the pipeline's file, or another one with its functions beside it."""
        from farandole.operations.topology_source import TopologySource

        if file is not None:
            return TopologySource(file, None)
        return TopologySource(self.file, self.folder, self._missing_file_remedy)

    @property
    def _missing_file_remedy(self) -> str:
        if self.topology_override is not None:
            return "say which file is meant with `-f FILE`"
        return "say where it is with `-C DIR`"

    def read_file_model(self) -> TopologyFile:
        """Return the file's model; none of its functions is imported. Raises OperationError."""
        from farandole.operations.topology_source import read_model

        return read_model(self.topology())

    def derive(self, file: Path | None = None) -> Derivation:
        """Return the topology that the file describes, if it is fit to be applied, and print the
        warnings. Otherwise raises RefusedError, with a line for each finding."""
        from farandole.operations.topology_source import derive_topology_from

        derivation = derive_topology_from(self.topology(file), self.settings().names)
        for warning in derivation.warnings:
            print_warning(warning)
        return derivation

    def derive_topology(self, file: Path | None = None) -> DerivedTopology:
        """Return the topology of `derive`."""
        return self.derive(file).derived

    def check_topology(self, file: Path | None = None) -> CheckedFile:
        """Return the file and all findings about it. Raises InvalidSettingsError."""
        from farandole.operations.topology_source import check_topology

        return check_topology(self.topology(file), self.settings().names)

    async def connect(
        self, *, start: bool = False, progress: Callable[[str], None] = lambda _: None
    ) -> Settings:
        """Return the settings with the address of a Kafka; `start` the embedded one if none is
        named. Raises BrokerError."""
        return await self.invocation.connect(start=start, progress=progress)

    async def installation(
        self, *, start: bool = False, progress: Callable[[str], None] = lambda _: None
    ) -> Installation:
        """Return the first argument of operations, connected to Kafka; warnings are printed. Raises
        BrokerError."""
        return self.installation_of(await self.connect(start=start, progress=progress))

    def installation_of(self, settings: Settings) -> Installation:
        """Return the first argument of operations, for settings that have the address of a
        Kafka."""
        from farandole.operations.actor import local_actor
        from farandole.operations.installation import Installation

        return Installation(
            settings,
            self.folder,
            self.topology(),
            warn=print_warning,
            actor=local_actor("cli"),
        )

    def run(self, call: Callable[[Installation], Awaitable[T]]) -> T:
        """Connect, call one operation and return its result."""

        async def main() -> T:
            return await call(await self.installation())

        return run_async(main())

    async def pipeline(self, settings: Settings) -> str:
        """Return the pipeline's name. Raises OperationError."""
        return await self.installation_of(settings).require_pipeline()

    async def newest_version(self, settings: Settings) -> Version:
        """Return the newest applied version of the folder's pipeline. Raises OperationError."""
        return await self.installation_of(settings).newest_version()


def print_warning(finding: Finding) -> None:
    """Print a finding on standard error."""
    click.echo(str(finding), err=True)
