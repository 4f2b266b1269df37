"""How are the rooms put together for one pipeline's folder?"""

from __future__ import annotations

import asyncio
import getpass
import signal
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from console.failing import Failed

if TYPE_CHECKING:  # what these need takes half a second to import: completion does without
    from broker.settings import Settings
    from events.topology import Version
    from router.check import Checked
    from router.derive import Derived
    from router.form import Form

T = TypeVar("T")

FILE = "topology.yaml"


@dataclass(frozen=True, slots=True)
class Here:
    """The pipeline's folder, and what the command line says beside it."""

    folder: Path
    bootstrap: str | None = None
    namespace: str | None = None
    log_level: str | None = None
    chosen: Path | None = None
    """Another topology file than the folder's, whose functions are the folder's all the same."""

    @property
    def file(self) -> Path:
        return self.chosen or self.folder / FILE

    def logs(self, level: str = "warning", *, pretty: bool | None = None) -> str:
        """Set up logging; the level that was asked for, else `level`."""
        from worker.logs import configure

        configure(level=self.log_level or level, pretty=pretty)
        return self.log_level or level

    def settings(self) -> Settings:
        """Raises BadSettings."""
        from broker.settings import Settings

        return Settings.load(self.folder, bootstrap=self.bootstrap, namespace=self.namespace)

    def form(self) -> Form:
        """What the file says, none of its functions imported. Raises Failed."""
        from router import document, form

        read, findings = document.read(self._raw(), str(self.file))
        if read is not None:
            written, wrong = form.read(read)
            if written is not None:
                return written
            findings = [*findings, *wrong]
        raise Failed(*map(str, findings))

    def pipeline(self) -> str:
        """The pipeline's name, whatever else is wrong with the file. Raises Failed."""
        from router import document

        read, findings = document.read(self._raw(), str(self.file))
        name = read.data.get("pipeline") if read is not None else None
        if isinstance(name, str):
            return name
        where = f"{self.file}:1:1: the file has no 'pipeline'; add `pipeline:`"
        raise Failed(*(map(str, findings) if findings else [where]))

    def _raw(self) -> bytes:
        try:
            return self.file.read_bytes()
        except OSError as error:
            raise Failed(
                f"{self.file}:1:1: the file cannot be read ({error.strerror}); "
                "say where it is with `-C DIR`"
            ) from None

    def derived(self, file: Path | None = None) -> Derived:
        """What the file stands for, if it is fit to be applied; its warnings are printed.
        Raises Failed with a line for each finding."""
        from router.derive import derive

        checked = self.checked(file)
        if not checked.fit or checked.form is None:
            raise Failed(*map(str, checked.findings))
        for warning in checked.findings:
            click.echo(str(warning), err=True)
        return derive(checked.form, checked.signatures, self.settings().names)

    def checked(self, file: Path | None = None) -> Checked:
        """The pipeline's file, or another one with functions beside it, and what is wrong with it.
        Raises BadSettings."""
        from router.check import check

        names = self.settings().names
        return check(file, names) if file else check(self.file, names, self.folder)

    async def reached(
        self, *, start: bool = False, progress: Callable[[str], None] = lambda _: None
    ) -> Settings:
        """The settings with the address of a Kafka; `start` the embedded one if none is named.
        Raises BrokerError."""
        from broker.resolve import resolve

        return await resolve(self.settings(), self.folder.resolve(), start=start, progress=progress)

    async def version(self, settings: Settings) -> Version:
        """The newest applied version of the folder's pipeline. Raises Failed, NothingApplied."""
        from worker.versions import published

        versions = await published(settings, self.pipeline())
        return versions[max(versions)]


def who() -> str:
    """Who does it, for people to read."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return socket.gethostname()


def run(main: Coroutine[Any, Any, T]) -> T:
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


def known(word: str, words: object, kind: str) -> str:
    """`word`, if it is one of `words`. Raises Failed."""
    from router.finding import did_you_mean

    names = list(words)  # type: ignore[call-overload]
    if word in names:
        return word
    remedy = did_you_mean(word, names, f"there are {', '.join(names)}")
    raise Failed(f"farandole: there is no {kind} {word!r}; {remedy}")
