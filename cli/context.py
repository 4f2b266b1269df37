"""How are the rooms put together for one pipeline's folder?"""

from __future__ import annotations

import asyncio
import getpass
import re
import signal
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from farandole.cli.error_reporting import CommandError

if TYPE_CHECKING:  # what these need takes half a second to import: completion does without
    from farandole.broker.settings import Settings
    from farandole.events.topology_version import Version
    from farandole.router.file_model import TopologyFile
    from farandole.router.lint_finding import Finding
    from farandole.router.topology_derivation import DerivedTopology
    from farandole.router.topology_file_check import CheckedFile
    from farandole.router.yaml_source import YamlDocument

T = TypeVar("T")

TOPOLOGY_FILE = "topology.yaml"
_PIPELINE_LINE = re.compile(
    r"""^pipeline:[ \t]+(["']?)([\w.-]+)\1[ \t\r]*(?:#.*)?$""", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class CliContext:
    """The pipeline's folder, and what the command line says beside it."""

    folder: Path
    bootstrap: str | None = None
    namespace: str | None = None
    log_level: str | None = None
    chosen: Path | None = None
    """Another topology file than the folder's, whose functions are the folder's all the same."""

    @property
    def file(self) -> Path:
        return self.chosen or self.folder / TOPOLOGY_FILE

    def logs(self, level: str = "warning", *, pretty: bool | None = None) -> str:
        """Set up logging; the level that was asked for, else `level`."""
        from farandole.worker.log_setup import configure_logging

        configure_logging(level=self.log_level or level, pretty=pretty)
        return self.log_level or level

    def settings(self) -> Settings:
        """Raises InvalidSettingsError."""
        from farandole.broker.settings import Settings

        return Settings.load(self.folder, bootstrap=self.bootstrap, namespace=self.namespace)

    def form(self) -> TopologyFile:
        """What the file says, none of its functions imported. Raises CommandError."""
        from farandole.router import file_model

        read, findings = self._read()
        if read is not None:
            written, wrong = file_model.read_topology_file(read)
            if written is not None:
                return written
            findings = [*findings, *wrong]
        raise CommandError(*map(str, findings))

    async def pipeline(self, settings: Settings) -> str:
        """The pipeline's name, whatever else is wrong with the file. Where the file cannot be read
        it is what its line `pipeline: NAME` says, else the only pipeline that is published; what is
        wrong is printed as a warning. Raises CommandError, and the errors of
        `farandole.router.topology_store.read`."""
        from farandole.router.topology_store import read_topology as table

        found, findings = self._read()
        name = found.data.get("pipeline") if found is not None else None
        if isinstance(name, str):
            return name
        if found is not None:
            findings = [found.finding((), "the file has no 'pipeline'", "add `pipeline:`")]
        line = _PIPELINE_LINE.search(self._text()) if found is None else None
        published = [] if line else (await table(settings)).pipelines()
        if not line and len(published) != 1:
            raise CommandError(*map(str, findings))
        for finding in findings:
            click.echo(str(replace(finding, severity="warning")), err=True)
        return line[2] if line else published[0]

    def _read(self) -> tuple[YamlDocument | None, list[Finding]]:
        from farandole.router import yaml_source
        from farandole.router.topology_file_check import unreadable_file_finding

        try:
            return yaml_source.read_yaml(self.file.read_bytes(), str(self.file))
        except OSError as error:
            return None, [unreadable_file_finding(self.file, error, self._remedy)]

    def _text(self) -> str:
        """As much of the file as can be read."""
        try:
            return self.file.read_text("utf-8-sig", errors="replace")
        except OSError:
            return ""

    @property
    def _remedy(self) -> str:
        """For a file that is not there."""
        if self.chosen is not None:
            return "say which file is meant with `-f FILE`"
        return "say where it is with `-C DIR`"

    def derived(self, file: Path | None = None) -> DerivedTopology:
        """What the file stands for, if it is fit to be applied; its warnings are printed.
        Raises CommandError with a line for each finding."""
        from farandole.router.topology_derivation import derive_topology

        checked = self.checked(file)
        if not checked.fit or checked.form is None:
            raise CommandError(*map(str, checked.findings))
        for warning in checked.findings:
            click.echo(str(warning), err=True)
        return derive_topology(checked.form, checked.signatures, self.settings().names)

    def checked(self, file: Path | None = None) -> CheckedFile:
        """The pipeline's file, or another one with functions beside it, and what is wrong with it.
        Raises InvalidSettingsError."""
        from farandole.router.topology_file_check import check_topology_file

        names = self.settings().names
        if file:
            return check_topology_file(file, names, remedy="write the path of a topology file")
        return check_topology_file(self.file, names, self.folder, remedy=self._remedy)

    async def reached(
        self, *, start: bool = False, progress: Callable[[str], None] = lambda _: None
    ) -> Settings:
        """The settings with the address of a Kafka; `start` the embedded one if none is named.
        Raises BrokerError."""
        from farandole.broker.broker_resolution import resolve_broker

        return await resolve_broker(
            self.settings(), self.folder.resolve(), start=start, progress=progress
        )

    async def version(self, settings: Settings) -> Version:
        """The newest applied version of the folder's pipeline. Raises CommandError,
        NothingAppliedError."""
        from farandole.catalog.published_versions import read_versions

        versions = await read_versions(settings, await self.pipeline(settings))
        return versions[max(versions)]


def current_user() -> str:
    """Who does it, for people to read."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return socket.gethostname()


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end. SIGTERM interrupts like Ctrl-C: what was begun is ended in good order."""

    async def interruptible() -> T:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await main

    try:
        return asyncio.run(interruptible())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def require_known(word: str, words: object, kind: str) -> str:
    """`word`, if it is one of `words`. Raises CommandError."""
    from farandole.router.lint_finding import did_you_mean

    names = list(words)  # type: ignore[call-overload]
    if word in names:
        return word
    remedy = did_you_mean(word, names, f"there are {', '.join(names)}")
    raise CommandError(f"farandole: there is no {kind} {word!r}; {remedy}")
