"""How is the command line called again for the same pipeline, by a person or as a child process?"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from farandole.events.next_step import NextStep

if TYPE_CHECKING:  # heavy to import: shell completion does not need them
    from farandole.broker.settings import Settings
    from farandole.operations.installation import Installation
    from farandole.operations.topology_source import Derivation
    from farandole.router.file_model import TopologyFile


class CommandContext(Protocol):
    """The `obj` of click that a command of another package gets."""

    @property
    def folder(self) -> Path:
        """The pipeline's folder."""

    @property
    def log_level(self) -> str | None:
        """The level that was asked for; None if none was."""

    @property
    def invocation(self) -> Invocation:
        """How the command line is called again for the same pipeline."""

    def configure_logs(self, level: str = "warning", *, pretty: bool | None = None) -> str:
        """Set up logging with the level that was asked for, else `level`, and return it."""

    def read_file_model(self) -> TopologyFile:
        """Return the model of the topology file. Raises OperationError."""

    def derive(self) -> Derivation:
        """Return the pipeline derived from the topology file, and print its warnings. Raises
        OperationError."""

    async def installation(
        self, *, start: bool = False, progress: Callable[[str], None] = ...
    ) -> Installation:
        """Return the connected installation, the first argument of operations. Raises
        BrokerError."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The options that lead to one pipeline."""

    folder: Path
    file: Path | None = None
    """The topology file, if it is not the `topology.yaml` of the folder; else None."""
    bootstrap: str | None = None
    namespace: str | None = None

    def settings(self) -> Settings:
        """Return the settings; the address of an embedded Kafka is not in them. Raises
        InvalidSettingsError."""
        from farandole.broker.settings import Settings

        return Settings.load(self.folder, bootstrap=self.bootstrap, namespace=self.namespace)

    async def connect(
        self, *, start: bool = False, progress: Callable[[str], None] = lambda _: None
    ) -> Settings:
        """Return the settings with the address of a Kafka; `start` the embedded one if none is
        named. Raises BrokerError."""
        from farandole.broker.broker_resolution import resolve_broker

        return await resolve_broker(
            self.settings(), self.folder.resolve(), start=start, progress=progress
        )

    def argv(self, *words: str, log_level: str | None = None) -> list[str]:
        """Return the argument vector of a child process that runs a Farandole command."""
        options = ["-C", str(self.folder.resolve())]
        options += ["--log-level", log_level] if log_level else []
        for option, value in (
            ("-f", self.file and str(self.file.resolve())),
            ("--bootstrap", self.bootstrap),
            ("--namespace", self.namespace),
        ):
            options += [option, value] if value else []
        # -P: modules of the pipeline's folder must not hide ours.
        return [sys.executable, "-P", "-m", "farandole", *options, *words]

    def command_line(self, *words: str) -> str:
        """Return a command as a person must type it in this terminal, with the options that lead to
        the same pipeline. `words` are quoted by the caller where needed."""
        # An embedded Kafka belongs to a folder: the other options do not concern it.
        options = self._folder_option() if _is_kafka(words) else self._options()
        return " ".join([shlex.quote(_program()), *map(shlex.quote, options), *words])

    def render(self, step: NextStep) -> str:
        """Return a next step as a person must type it in this terminal."""
        return step.text(self.command_line)

    def _folder_option(self) -> list[str]:
        return ["-C", str(self.folder)] if self.folder.resolve() != Path.cwd() else []

    def _options(self) -> list[str]:
        options = self._folder_option()
        if self.file is not None:
            options += ["-f", str(self.file)]
        if self.bootstrap:
            options += ["--bootstrap", self.bootstrap]
        if self.namespace:
            options += ["--namespace", self.namespace]
        return options


def _is_kafka(words: Sequence[str]) -> bool:
    return bool(words) and words[0].split(" ", 1)[0] == "kafka"


def _program() -> str:
    """Return `farandole` where that starts this installation, else the path that was called."""
    program = Path(sys.argv[0])
    found = shutil.which("farandole")
    on_path = found is not None and Path(found).resolve() == program.resolve()
    elsewhere = program.name == "farandole" and not on_path
    return os.path.relpath(program) if elsewhere else "farandole"
