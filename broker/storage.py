"""How is Kafka's storage made ready for a start: formatted once, settled after a kill?"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from farandole.broker import node
from farandole.broker.errors import Unreachable
from farandole.broker.java import Java

log = structlog.get_logger()

PATIENCE = 60.0  # seconds
_NOTHING_TO_FENCE = 2.0  # seconds after which a controller would long have fenced a dead broker


async def format(place: Path, runtime: Java, properties: Mapping[str, str]) -> None:  # noqa: A001 -- Kafka's word
    """Make `place/data`, whole or not at all: a half-formatted folder would never start.
    Raises Unreachable."""
    draft = place / "data.draft"
    cluster = "-"
    while cluster.startswith("-"):  # the tool would take such an id for an option
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    told = node.properties(draft, 9092, 9093) | dict(properties)
    file = node.written(place / "format.properties", told)
    tool = "kafka.tools.StorageTool"
    arguments = ["format", "--standalone", "-t", cluster, "-c", str(file)]
    try:
        for cached in [True, False] if runtime.cache.exists() else [False]:
            shutil.rmtree(draft, ignore_errors=True)
            command = _command(place, runtime, cached, tool, arguments)
            complaint = await _run(command, place)
            if complaint is None:
                draft.rename(place / "data")
                return
            if cached:
                runtime.cache.unlink(missing_ok=True)  # it may be damaged
        raise Unreachable(f"Kafka's storage cannot be prepared: {complaint}")
    finally:
        file.unlink(missing_ok=True)
        shutil.rmtree(draft, ignore_errors=True)


def was_killed(place: Path) -> bool:
    """Has its last life not ended in good order?"""
    begun = (place / "port.json").exists()  # since its first start
    return begun and not (place / "data" / ".kafka_cleanshutdown").exists()


async def settle(place: Path, runtime: Java, controller: int) -> None:
    """Let a controller alone write down that the broker which was killed is gone.

    Without this a transaction that Kafka had acknowledged, but not yet marked as committed in its
    partitions, may hang for ever (seen in Kafka 4.3.1): the restarted broker leads what its former
    self led until the controller notices that it is another one. In that moment no partition has a
    leader, its transaction coordinator takes them for deleted, and drops the markers.
    What fails here fails at the start that follows, which says why.
    """
    told = node.controller_alone(node.properties(place / "data", 9092, controller))
    file = node.written(place / "settle.properties", told)
    said = place / "settle.log"
    said.unlink(missing_ok=True)
    logging = node.written(place / "settle-log4j2.properties", node.logging(said) | node.FENCING)
    command = runtime.command(
        *node.JVM,
        *([f"-XX:AOTCache={runtime.cache}"] if runtime.cache.exists() else []),
        f"-Dlog4j2.configurationFile={logging}",
        main="kafka.Kafka",
        arguments=[str(file)],
    )
    try:
        async with _process(command, place) as child, asyncio.timeout(PATIENCE):
            fenced = await _fenced(child, said)
            if child.returncode is None:
                child.send_signal(signal.SIGTERM)
                await child.wait()
        log.debug("kafka.settled", fenced=fenced, exit=child.returncode)
    except TimeoutError:
        log.warning("kafka.unsettled", log=str(said))
    finally:
        file.unlink(missing_ok=True)
        logging.unlink(missing_ok=True)


async def _fenced(child: asyncio.subprocess.Process, said: Path) -> bool:
    """Wait until the controller has fenced the dead broker, has ended, or has had time enough."""
    now = asyncio.get_running_loop().time
    ends = None
    while child.returncode is None and (ends is None or now() < ends):
        text = ""
        with contextlib.suppress(FileNotFoundError):
            text = said.read_text(errors="replace")  # noqa: ASYNC240 -- a few lines
        if node.FENCED in text:
            return True
        if ends is None and node.ACTIVE in text:
            ends = now() + _NOTHING_TO_FENCE
        await asyncio.sleep(0.02)
    return False


def _command(
    place: Path, runtime: Java, cached: bool, main: str, arguments: list[str]
) -> list[str]:
    aot = [f"-XX:AOTCache={runtime.cache}"] if cached else []
    return runtime.command(*node.JVM, *aot, logging(place), main=main, arguments=arguments)


def logging(place: Path) -> str:
    file = node.written(place / "log4j2.properties", node.logging(place / "kafka.log"))
    return f"-Dlog4j2.configurationFile={file}"


async def _run(command: list[str], place: Path) -> str | None:
    """Run it to its end; what it complains of, if it fails. Raises Unreachable."""
    try:
        async with _process(command, place) as child, asyncio.timeout(PATIENCE):
            said, _ = await child.communicate()
    except TimeoutError:
        raise Unreachable(
            f"Kafka's storage is not prepared after {PATIENCE:g} s; is the machine busy?"
        ) from None
    if not child.returncode:
        return None
    lines = said.decode(errors="replace").strip().splitlines() or ["no reason given"]
    return next((line for line in lines if "Exception" in line), lines[-1])[:300]


@asynccontextmanager
async def _process(command: list[str], place: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A child that does not outlive the block."""
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=place,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
