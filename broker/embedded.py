"""How does a Kafka live under a folder: started once, shared, and ended?

One broker per folder, whoever starts it: it outlives the process that started it until `stop`, and
its data outlive it. All under `.farandole/kafka`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from farandole.broker import fallback, node, storage
from farandole.broker.clients import connection
from farandole.broker.diagnosis import asked
from farandole.broker.errors import BrokerError, Refused, Unreachable
from farandole.broker.java import KAFKA, Java, NoJars, Progress, java
from farandole.broker.lock import locked
from farandole.broker.process import born, end
from farandole.broker.settings import Settings

log = structlog.get_logger()

PORT = 9092
START_PATIENCE = 60.0  # seconds
STOP_PATIENCE = 30.0  # seconds from SIGTERM to SIGKILL
_TRIES = 3
_HELD = 5.0  # seconds for which a port of our own is waited for


@dataclass(frozen=True, slots=True)
class Running:
    """A broker's process."""

    address: str
    pid: int
    started: float
    """The process's start time as the kernel counts it: a pid alone may be somebody else's."""
    log: str
    kind: str = "kafka"

    @property
    def lives(self) -> bool:
        return born(self.pid) == self.started

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


class _Ended(Exception):  # noqa: N818 -- what it has done
    """The process ended while it started; the message is its last word."""


def home(folder: Path) -> Path:
    return folder.resolve() / ".farandole" / "kafka"


def status(folder: Path) -> Running | None:
    """The broker of this folder, if its process lives."""
    state = _read(home(folder) / "running.json")
    try:
        running = Running(**state)
    except TypeError:
        return None
    return running if running.lives else None


async def start(
    folder: Path,
    *,
    progress: Progress,
    port: int | None = None,
    properties: Mapping[str, str] | None = None,
    settings: Settings | None = None,
) -> Running:
    """The folder's broker, started unless it runs, once it answers. `properties` override those of
    `broker.node`; `settings` say how to reach it, where they demand more than an address.

    Raises NoJars, Unreachable, Refused, Unanswered.
    """
    place = home(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unreachable(f"Kafka cannot keep its data in {place}: {error.strerror}") from None
    waiting = "another process starts or stops Kafka in this folder; waiting for it"
    async with locked(place / "lock", lambda: progress(waiting)):
        running = status(folder)
        if running is not None:
            try:
                await _answers(running, settings)
            except _Ended as ended:
                raise Unreachable(f"Kafka has just ended ({ended}); see {running.log}") from None
            return running
        try:
            runtime = await java(progress)
        except NoJars as error:
            if (place / "data").exists():
                raise
            log.warning("kafka.fallback", reason=str(error), warning=fallback.WARNING)
            progress(f"{error}\n{fallback.WARNING}")
            return await _launched(place, None, progress, port, {}, settings)
        if not (place / "data").exists():
            progress("preparing its storage")
            await storage.format(place, runtime, properties or {})
        elif storage.was_killed(place):
            progress("it was killed: settling what it left behind")
            await storage.settle(place, runtime, _free(0))
        return await _launched(place, runtime, progress, port, properties or {}, settings)


async def stop(folder: Path) -> bool:
    """End the folder's broker, whoever started it; its data stay. False if none ran."""
    place = home(folder)
    if not place.exists():
        return False
    async with locked(place / "lock"):
        running = status(folder)
        if running is None:
            return False
        orderly = await end(running.pid, running.started, (signal.SIGTERM, STOP_PATIENCE))
        if not orderly and not await end(running.pid, running.started, (signal.SIGKILL, 5.0)):
            raise BrokerError(f"Kafka (pid {running.pid}) cannot be ended; may we end it?")
        (place / "running.json").unlink(missing_ok=True)
        _keep(place / "kafka.aot", orderly)
        log.info("kafka.stopped", address=running.address, orderly=orderly)
        return True


def _keep(learned: Path, whole: bool) -> None:
    """Share what a run has learned about its classes with the next, of whatever folder."""
    # Written when the process ends: one that was killed may have left half of it.
    state = _read(learned.with_suffix(".json"))
    learned.with_suffix(".json").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        if whole and "cache" in state:
            draft = Path(f"{state['cache']}.{uuid.uuid4().hex}")
            shutil.move(learned, draft)  # between file systems a copy
            draft.rename(state["cache"])
    learned.unlink(missing_ok=True)


async def _launched(
    place: Path,
    runtime: Java | None,
    progress: Progress,
    wanted: int | None,
    properties: Mapping[str, str],
    settings: Settings | None,
) -> Running:
    for attempt in range(_TRIES):
        port = await _port(wanted, _read(place / "port.json").get("port"))
        name = f"Apache Kafka {KAFKA}" if runtime else fallback.NAME
        progress(f"starting {name} on port {port}")
        if runtime:
            command = _command(place, runtime, port, properties)
        else:
            command = fallback.command(place, port)
        running = _spawned(place, command, port, "kafka" if runtime else fallback.NAME)
        try:
            await _answers(running, settings)
        except _Ended as ended:
            (place / "running.json").unlink(missing_ok=True)
            if attempt + 1 < _TRIES and _may_succeed(command, runtime, str(ended)):
                continue
            raise Unreachable(
                f"Kafka ended while it started ({ended}); see {running.log}"
            ) from None
        except Unreachable:
            raise  # it lives and is slow, after a kill maybe: the next start goes on waiting
        except BaseException:
            # Interrupted: nobody has given it anything yet.
            await asyncio.shield(end(running.pid, running.started, (signal.SIGKILL, 5.0)))
            (place / "running.json").unlink(missing_ok=True)
            raise
        _write(place / "port.json", {"port": port})
        log.info("kafka.started", address=running.address, pid=running.pid, kind=running.kind)
        progress(f"it answers at {running.address}")
        return running
    raise AssertionError("unreachable")


def _may_succeed(command: list[str], runtime: Java | None, word: str) -> bool:
    """Is it worth while to try again?"""
    if runtime and f"-XX:AOTCache={runtime.cache}" in command:
        runtime.cache.unlink(missing_ok=True)  # of another machine, or damaged
        return True
    return "bind" in word.lower() or "in use" in word.lower()


def _command(place: Path, runtime: Java, port: int, properties: Mapping[str, str]) -> list[str]:
    told = node.properties(place / "data", port, _free(0)) | dict(properties)
    learned = place / "kafka.aot"
    if runtime.cache.exists():
        aot = f"-XX:AOTCache={runtime.cache}"
    else:
        aot = f"-XX:AOTCacheOutput={learned}"
        _write(learned.with_suffix(".json"), {"cache": str(runtime.cache)})
    return runtime.command(
        *node.JVM,
        aot,
        f"-XX:ErrorFile={place / 'crash.log'}",
        storage.logging(place),
        main="kafka.Kafka",
        arguments=[str(node.written(place / "server.properties", told))],
    )


def _spawned(place: Path, command: list[str], port: int, kind: str) -> Running:
    with (place / "kafka.out").open("wb") as sink:
        try:
            child = subprocess.Popen(  # noqa: S603 -- our own java
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                cwd=place,
                start_new_session=True,
            )
        except OSError as error:
            raise Unreachable(f"{command[0]} cannot be started: {error.strerror}") from None
    child.returncode = 0  # it is to outlive us: that is nothing to warn of
    output = place / ("kafka.log" if kind == "kafka" else "kafka.out")
    running = Running(f"localhost:{port}", child.pid, born(child.pid) or 0.0, str(output), kind)
    _write(place / "running.json", asdict(running))
    return running


async def _answers(running: Running, settings: Settings | None) -> None:
    """Return when a client is served; an open port is not enough. Raises _Ended, Unreachable,
    Refused."""
    reached = (settings or Settings.model_construct()).model_copy(
        update={"bootstrap": running.address}
    )
    arguments = connection(reached)
    ends = time.monotonic() + START_PATIENCE
    while True:
        said: BrokerError | None = Unreachable("it takes connections and says nothing")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                said = await asked("localhost", running.port, arguments)
        if not running.lives:
            raise _Ended(_last_word(Path(running.log).parent, running.log))
        if said is None:
            return
        if isinstance(said, Refused):
            raise said
        if time.monotonic() > ends:
            raise Unreachable(
                f"Kafka does not answer after {START_PATIENCE:g} s ({said});"
                f" it may still be on its way: try again, or see {running.log}"
            )
        await asyncio.sleep(0.05)


async def _port(wanted: int | None, remembered: int | None) -> int:
    """The port to listen on. The one of the last start is waited for: workers know it by heart, and
    a broker that was killed may hold it for some moments more, after its process is gone."""
    if wanted is None and remembered is not None:
        ends = time.monotonic() + _HELD
        while _free(remembered) != remembered and time.monotonic() < ends:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return _free(wanted or remembered or PORT)


def _free(port: int) -> int:
    """This port, or another that is free."""
    for candidate in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise Unreachable("no port is free on this machine")


def _last_word(place: Path, output: str) -> str:
    """What it complained of last, or whatever it said last."""
    lines = []
    for file in (place / "kafka.out", Path(output)):
        with contextlib.suppress(OSError):
            lines += [line for line in file.read_text(errors="replace").splitlines() if line]
    complaints = [
        line for line in lines if re.match(r"(Caused by: )?[\w.]+(Exception|Error): ", line)
    ]
    found = (complaints or lines or ["it said nothing"])[-1]
    return found[:300]


def _read(file: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(file: Path, content: object) -> None:
    draft = file.with_suffix(".draft")
    draft.write_bytes(orjson.dumps(content))
    draft.rename(file)
