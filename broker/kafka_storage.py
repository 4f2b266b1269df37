"""How is Kafka's storage formatted before the first start, and repaired after a kill?"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from farandole.broker import kafka_node_config
from farandole.broker.broker_errors import UnreachableError
from farandole.broker.java_runtime import JavaRuntime
from farandole.broker.kafka_death import read_text

log = structlog.get_logger()

STORAGE_TIMEOUT = 60.0  # seconds
_FENCING_SECONDS = 2.0  # after which a controller has certainly fenced a dead broker


async def format_storage(home: Path, runtime: JavaRuntime, properties: Mapping[str, str]) -> None:
    """Create `home/data`, the storage of a node that is alone, completely or not at all: Kafka
    would never start on a half-formatted folder. Raises UnreachableError."""
    draft = home / "data.draft"
    node_properties = kafka_node_config.server_properties(draft, 9092, 9093) | dict(properties)
    try:
        await _format(home, draft, runtime, node_properties, "--standalone", "-t", _new_id())
        draft.rename(home / "data")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


async def format_nodes(
    home: Path, runtime: JavaRuntime, properties: Mapping[str, str], nodes: int
) -> None:
    """Create `home/nodes/N/data` for several nodes of one cluster, for all of them or none. Raises
    UnreachableError."""
    draft = home / "nodes.draft"
    shutil.rmtree(draft, ignore_errors=True)
    cluster = _new_id()
    controllers = range(9093, 9093 + nodes)  # any: the storage does not contain them
    try:
        for number in range(1, nodes + 1):
            place = draft / str(number)
            place.mkdir(parents=True)
            node_properties = kafka_node_config.server_properties(
                place / "data", 9092, *controllers, number=number
            ) | dict(properties)
            await _format(place, place / "data", runtime, node_properties, "-t", cluster)
        draft.rename(home / "nodes")
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _new_id() -> str:
    cluster = "-"
    while cluster.startswith("-"):  # the tool takes such an id for an option
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    return cluster


async def _format(
    place: Path, data: Path, runtime: JavaRuntime, properties: Mapping[str, str], *options: str
) -> None:
    """Format the folder `data` of a node in `place`. Raises UnreachableError."""
    file = kafka_node_config.write_properties(place / "format.properties", properties)
    tool = "kafka.tools.StorageTool"
    arguments = ["format", *options, "-c", str(file)]
    try:
        for cached in [True, False] if runtime.cache.exists() else [False]:
            shutil.rmtree(data, ignore_errors=True)
            command = _storage_command(place, runtime, cached, tool, arguments)
            complaint = await _run_to_end(command, place)
            if complaint is None:
                return
            if cached:
                runtime.cache.unlink(missing_ok=True)  # it may be damaged
        raise UnreachableError(f"Kafka's storage cannot be prepared: {complaint}")
    finally:
        file.unlink(missing_ok=True)


def read_cluster_id(place: Path) -> str | None:
    """Return the id of the cluster that `place/data` belongs to; None if it is not formatted."""
    try:
        lines = (place / "data" / "meta.properties").read_text().splitlines()
    except OSError:
        return None
    found = (line.removeprefix("cluster.id=") for line in lines if line.startswith("cluster.id="))
    return next(found, None)


def was_killed(place: Path) -> bool:
    """Return True if the last run of the broker did not end in good order."""
    begun = (place / "port.json").exists()  # written at its first start
    return begun and not (place / "data" / ".kafka_cleanshutdown").exists()


async def settle_killed_brokers(
    places: Sequence[Path], runtime: JavaRuntime, controllers: Sequence[int]
) -> None:
    """Run the controllers of all nodes alone until they have fenced the brokers that were killed.
    `places` are the folders of the nodes, `controllers` the ports of their controllers.

    Without this a transaction that Kafka has acknowledged, but not yet marked as committed in its
    partitions, may hang for ever (seen in Kafka 4.3.1). The restarted broker leads the partitions
    of its predecessor until the controller notices that it is another one. In that moment no
    partition has a leader; the transaction coordinator takes them for deleted and drops the
    markers. An error in this function is not reported: the start that follows fails too, and
    reports it."""
    log_files = [place / "settle.log" for place in places]
    for log_file in log_files:
        log_file.unlink(missing_ok=True)
    killed = [number for number, place in enumerate(places, 1) if was_killed(place)]

    def fenced(text: str) -> bool:
        return all(kafka_node_config.broker_fenced_text(number) in text for number in killed)

    await asyncio.gather(
        *(
            _run_controller(place, number, runtime, controllers, log_files, fenced)
            for number, place in enumerate(places, 1)
        )
    )


async def _run_controller(
    place: Path,
    number: int,
    runtime: JavaRuntime,
    controllers: Sequence[int],
    log_files: Sequence[Path],
    fenced: Callable[[str], bool],
) -> None:
    """Run the controller of one node until the log of the active one says that all is `fenced`."""
    node_properties = kafka_node_config.controller_only_properties(
        kafka_node_config.server_properties(place / "data", 9092, *controllers, number=number)
    )
    file = kafka_node_config.write_properties(place / "settle.properties", node_properties)
    log_file = log_files[number - 1]
    logging = kafka_node_config.write_properties(
        place / "settle-log4j2.properties",
        kafka_node_config.log4j_properties(log_file) | kafka_node_config.FENCING_LOG_LEVELS,
    )
    command = runtime.command(
        *kafka_node_config.JVM_FLAGS,
        *([f"-XX:AOTCache={runtime.cache}"] if runtime.cache.exists() else []),
        f"-Dlog4j2.configurationFile={logging}",
        main="kafka.Kafka",
        arguments=[str(file)],
    )
    try:
        async with _child_process(command, place) as child, asyncio.timeout(STORAGE_TIMEOUT):
            done = await _wait_until_fenced(child, log_files, fenced)
            if child.returncode is None:
                child.send_signal(signal.SIGTERM)
                await child.wait()
        log.debug("kafka.settled", fenced=done, exit=child.returncode)
    except TimeoutError:
        log.warning("kafka.unsettled", log=str(log_file))
    finally:
        file.unlink(missing_ok=True)
        logging.unlink(missing_ok=True)


async def _wait_until_fenced(
    child: asyncio.subprocess.Process, log_files: Sequence[Path], fenced: Callable[[str], bool]
) -> bool:
    """Wait until a controller has fenced the dead brokers, and return True. Return False if the
    child ended, or a controller was active for _FENCING_SECONDS, without that."""
    now = asyncio.get_running_loop().time
    ends = None
    while child.returncode is None and (ends is None or now() < ends):
        text = "".join(read_text(file) for file in log_files)  # a few lines
        if fenced(text):
            return True
        if ends is None and kafka_node_config.CONTROLLER_ACTIVE_TEXT in text:
            ends = now() + _FENCING_SECONDS
        await asyncio.sleep(0.02)
    return False


def _storage_command(
    place: Path, runtime: JavaRuntime, cached: bool, main: str, arguments: list[str]
) -> list[str]:
    aot = [f"-XX:AOTCache={runtime.cache}"] if cached else []
    return runtime.command(
        *kafka_node_config.JVM_FLAGS, *aot, log4j_option(place), main=main, arguments=arguments
    )


def log4j_option(place: Path) -> str:
    file = kafka_node_config.write_properties(
        place / "log4j2.properties",
        kafka_node_config.log4j_properties(place / "kafka.log") | kafka_node_config.LISTENING_LOG,
    )
    return f"-Dlog4j2.configurationFile={file}"


async def _run_to_end(command: list[str], place: Path) -> str | None:
    """Run a command to its end. Return None, or the error that it printed if it failed. Raises
    UnreachableError after a time-out."""
    try:
        async with _child_process(command, place) as child, asyncio.timeout(STORAGE_TIMEOUT):
            output, _ = await child.communicate()
    except TimeoutError:
        raise UnreachableError(
            f"Kafka's storage is not prepared after {STORAGE_TIMEOUT:g} s; is the machine busy?"
        ) from None
    if not child.returncode:
        return None
    lines = output.decode(errors="replace").strip().splitlines() or ["no reason given"]
    return next((line for line in lines if "Exception" in line), lines[-1])[:300]


@asynccontextmanager
async def _child_process(
    command: list[str], place: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a child process that is killed at the end of the block if it still runs."""
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
