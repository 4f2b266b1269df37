"""How is one process of the embedded Kafka started, watched and ended?

Each node has a folder of its own, its `place`: data, logs, the port of its last start in
`port.json` and its process in `running.json`. That file stays when the process dies by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from farandole.broker import fallback_broker, kafka_node_config, kafka_storage
from farandole.broker.broker_errors import (
    AccessDeniedError,
    BrokerError,
    ForeignClusterError,
    UnreachableError,
)
from farandole.broker.connection_diagnosis import probe_server
from farandole.broker.java_runtime import KAFKA_VERSION, JavaRuntime, ProgressReporter
from farandole.broker.kafka_clients import connection_arguments
from farandole.broker.kafka_death import death_reason, read_text
from farandole.broker.kafka_ports import free_port
from farandole.broker.process_control import end_process, process_start_time
from farandole.broker.settings import Settings

log = structlog.get_logger()

START_TIMEOUT = 60.0  # seconds
STOP_TIMEOUT = 30.0  # seconds from SIGTERM to SIGKILL
_PROBE_TIMEOUT = 2.0  # seconds
_MAX_STARTS = 3
NODES_FOLDER = "nodes"
"""The folder of the nodes' places if there are several."""
SETTLING = "it was killed: settling what it left behind"


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """The process of a broker."""

    address: str
    pid: int
    started: float
    """The start time of the process as the kernel reports it. It identifies the process: another
    one may get the same pid later."""
    log: str
    kind: str = "kafka"
    cluster_id: str | None = None
    """The id of its storage, by which its clients recognise it. None only of a broker that an older
    release has started on a storage that cannot be read."""

    @property
    def is_alive(self) -> bool:
        return process_start_time(self.pid) == self.started

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    @property
    def place(self) -> Path:
        return Path(self.log).parent


@dataclass(frozen=True, slots=True)
class NodeStart:
    """How the nodes of a folder are started."""

    runtime: JavaRuntime | None
    """None: the fallback broker is started instead of Apache Kafka."""
    properties: Mapping[str, str]
    """They override those of `farandole.broker.kafka_node_config`."""
    settings: Settings | None
    """Those with which a broker is probed, if it needs TLS or a password."""
    controllers: Sequence[int] = ()
    """The ports of the controllers, by the numbers of the nodes. Empty: there is one node, which
    chooses its own."""


class ProcessEndedError(Exception):
    """The process ended while it started; the message is the last error in its output."""


def running_node(place: Path) -> RunningBroker | None:
    """Return the running broker of this node; None if no process runs."""
    state: dict[str, Any] = {"cluster_id": kafka_storage.read_cluster_id(place)}
    state |= read_json(place / "running.json")
    try:
        running = RunningBroker(**state)
    except TypeError:
        return None
    # In a copy of the folder the file is about the broker of the original.
    is_ours = running.place == place
    return running if is_ours and running.is_alive else None


def last_port(place: Path) -> int | None:
    """Return the port of the node's last start; None if it has never answered."""
    return read_json(place / "port.json").get("port")


def node_death(place: Path) -> str | None:
    """Return why this node has ended by itself; None if it runs, if it was stopped in good order,
    or has never run."""
    state = read_json(place / "running.json")
    output = Path(str(state.get("log")))
    if output.parent != place or running_node(place) is not None:
        return None
    alone = place.parent.name != NODES_FOLDER
    return death_reason(place, output, _begun(place), alone=alone)


def _begun(place: Path) -> float:
    """Return when the last broker was started, in seconds of the epoch."""
    try:
        return (place / "running.json").stat().st_mtime
    except OSError:
        return 0.0


def _why_ended(running: RunningBroker) -> str:
    return death_reason(running.place, Path(running.log), _begun(running.place))


async def require_own_answer(running: RunningBroker, settings: Settings) -> None:
    """Raise ForeignClusterError if something else answers at the address of a broker."""
    arguments = connection_arguments(probe_settings(running, settings))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PROBE_TIMEOUT):
            problem = await probe_server("127.0.0.1", running.port, arguments, running.cluster_id)
            if isinstance(problem, ForeignClusterError):
                raise problem


async def end_node(running: RunningBroker) -> bool:
    """End a broker's process. Return False if it had to be killed. Raises BrokerError."""
    place = running.place
    # First: a process that is gone while its file is there has died by itself.
    (place / "running.json").unlink(missing_ok=True)
    terminated = await end_process(running.pid, running.started, (signal.SIGTERM, STOP_TIMEOUT))
    if not terminated and not await end_process(
        running.pid, running.started, (signal.SIGKILL, 5.0)
    ):
        write_json(place / "running.json", asdict(running))
        raise BrokerError(f"Kafka (pid {running.pid}) cannot be ended; may we end it?")
    _keep_class_cache(place / "kafka.aot", terminated)
    return terminated


def _keep_class_cache(recorded_cache: Path, whole: bool) -> None:
    """Move the class cache that a run has recorded to the place where the next run, of any folder,
    looks for it. It is deleted unless it is `whole`."""
    # The JVM writes it when it ends: after a kill it may be incomplete.
    state = read_json(recorded_cache.with_suffix(".json"))
    recorded_cache.with_suffix(".json").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        if whole and "cache" in state:
            draft = Path(f"{state['cache']}.{uuid.uuid4().hex}")
            shutil.move(recorded_cache, draft)  # a copy, if it is another file system
            draft.rename(state["cache"])
    recorded_cache.unlink(missing_ok=True)


async def launch_node(
    place: Path, number: int, port: int, how: NodeStart, progress: ProgressReporter
) -> RunningBroker:
    """Start a broker, on another port each time that somebody else takes the chosen one first, and
    return it when it answers. Raises UnreachableError, AccessDeniedError, ForeignClusterError."""
    runtime = how.runtime
    name = f"Apache Kafka {KAFKA_VERSION}" if runtime else fallback_broker.FALLBACK_NAME
    for attempt in range(_MAX_STARTS):
        if runtime and not how.controllers and kafka_storage.was_killed(place):
            progress(SETTLING)
            await kafka_storage.settle_killed_brokers([place], runtime, [free_port(0)])
        progress(f"starting {name} on port {port}")
        if runtime:
            command = _kafka_command(place, number, port, runtime, how)
        else:
            command = fallback_broker.fallback_command(place, port)
        running = _spawn(place, command, port, runtime is not None)
        printed = (kafka_node_config if runtime else fallback_broker).listening_text(port)
        last = attempt + 1 == _MAX_STARTS
        try:
            await wait_until_serving(running, how.settings, printed=printed)
        except ProcessEndedError as ended:
            if last or not (
                _is_port_taken(str(ended)) or _has_removed_class_cache(command, runtime)
            ):
                raise UnreachableError(
                    f"Kafka ended while it started ({ended}); see {running.log}"
                ) from None
            if _is_port_taken(str(ended)):
                port = free_port(0)
        except ForeignClusterError:
            # Another folder's Kafka was quicker: ours cannot get the port any more.
            await asyncio.shield(_kill(running))
            if last:
                raise
            port = free_port(0)
        except UnreachableError:
            raise  # it runs and is slow, perhaps after a kill: the next call waits for it
        except BaseException:
            # Interrupted: no client has written anything yet.
            await asyncio.shield(_kill(running))
            raise
        else:
            write_json(place / "port.json", {"port": port})
            return running
    raise AssertionError("unreachable")


async def _kill(running: RunningBroker) -> None:
    await end_process(running.pid, running.started, (signal.SIGKILL, 5.0))
    (running.place / "running.json").unlink(missing_ok=True)


def _is_port_taken(reason: str) -> bool:
    return "bind" in reason.lower() or "in use" in reason.lower()


def _has_removed_class_cache(command: list[str], runtime: JavaRuntime | None) -> bool:
    """Remove the class cache if the command uses it, and return True if it does: it was made on
    another machine, or is damaged."""
    if runtime is None or f"-XX:AOTCache={runtime.cache}" not in command:
        return False
    runtime.cache.unlink(missing_ok=True)
    return True


def _kafka_command(
    place: Path, number: int, port: int, runtime: JavaRuntime, how: NodeStart
) -> list[str]:
    defaults = kafka_node_config.server_properties(
        place / "data", port, *(how.controllers or [free_port(0)]), number=number
    )
    file = kafka_node_config.write_properties(
        place / "server.properties", {**defaults, **how.properties}
    )
    recorded_cache = place / "kafka.aot"
    if runtime.cache.exists():
        aot = [f"-XX:AOTCache={runtime.cache}"]
    elif number == 1:  # one node is enough to record it, which makes its end slow
        aot = [f"-XX:AOTCacheOutput={recorded_cache}"]
        write_json(recorded_cache.with_suffix(".json"), {"cache": str(runtime.cache)})
    else:
        aot = []
    return runtime.command(
        *kafka_node_config.JVM_FLAGS,
        *aot,
        f"-XX:ErrorFile={place / 'crash.log'}",
        kafka_storage.log4j_option(place),
        main="kafka.Kafka",
        arguments=[str(file)],
    )


def _spawn(place: Path, command: list[str], port: int, is_kafka: bool) -> RunningBroker:
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
            raise UnreachableError(f"{command[0]} cannot be started: {error.strerror}") from None
    child.returncode = 0  # it outlives us on purpose: no warning
    running = RunningBroker(
        address=f"127.0.0.1:{port}",
        pid=child.pid,
        started=process_start_time(child.pid) or 0.0,
        log=str(place / ("kafka.log" if is_kafka else "kafka.out")),
        kind="kafka" if is_kafka else fallback_broker.FALLBACK_NAME,
        cluster_id=kafka_storage.read_cluster_id(place)
        if is_kafka
        else fallback_broker.FALLBACK_CLUSTER_ID,
    )
    write_json(place / "running.json", asdict(running))
    return running


async def wait_until_serving(
    running: RunningBroker, settings: Settings | None, *, printed: str = "", nodes: int = 1
) -> None:
    """Wait until the broker answers a client and knows so many nodes; an open port is not enough.
    `printed` is a text in its output that shows that it has its port, and that it is no other one
    that answers there. Raises ProcessEndedError, UnreachableError, AccessDeniedError, and
    ForeignClusterError if another one answers at its port."""
    arguments = connection_arguments(probe_settings(running, settings))
    ends = time.monotonic() + START_TIMEOUT
    while True:
        problem: BrokerError | None = UnreachableError("it takes connections and says nothing")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PROBE_TIMEOUT):
                problem = await probe_server(
                    "127.0.0.1", running.port, arguments, running.cluster_id, nodes
                )
        if not running.is_alive:
            raise ProcessEndedError(_why_ended(running))
        if isinstance(problem, ForeignClusterError):
            raise problem
        if printed in read_text(running.place / "kafka.out"):
            if problem is None:
                return
            if isinstance(problem, AccessDeniedError):
                raise problem
        if time.monotonic() > ends:
            raise UnreachableError(
                f"Kafka does not answer after {START_TIMEOUT:g} s ({problem});"
                f" it may still be on its way: try again, or see {running.log}"
            )
        await asyncio.sleep(0.05)


def probe_settings(running: RunningBroker, settings: Settings | None) -> Settings:
    """Return the settings with which this broker, and no other one, is reached."""
    return (settings or Settings.model_construct()).model_copy(
        update={"bootstrap": running.address, "cluster_id": running.cluster_id}
    )


def read_json(file: Path) -> dict[str, Any]:
    """Return the object in a file; empty if there is none."""
    try:
        content = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def write_json(file: Path, content: object) -> None:
    """Write a file, completely or not at all."""
    draft = file.with_suffix(".draft")
    draft.write_bytes(orjson.dumps(content))
    draft.rename(file)
