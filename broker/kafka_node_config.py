"""How is a node of the embedded Kafka configured, so that it is safe, quick to start and quiet?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

JVM_FLAGS: tuple[str, ...] = (
    "-Xms256m",
    "-Xmx1g",
    "-XX:+UseG1GC",
    "-Djava.awt.headless=true",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)


def server_properties(data: Path, port: int, *controllers: int, number: int = 1) -> dict[str, str]:
    """Return the server.properties of a node that listens on this machine only. `controllers` are
    the ports at which the controllers of all nodes listen, by the numbers of the nodes, `number` is
    its own."""
    nodes = len(controllers)
    controller = controllers[number - 1]
    replicas = str(nodes)
    in_sync = str(nodes // 2 + 1)  # what is acknowledged survives the death of the other nodes
    if nodes == 1:
        quorum = {"controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}"}
    else:
        voters = (f"{i}@127.0.0.1:{voter}" for i, voter in enumerate(controllers, 1))
        quorum = {"controller.quorum.voters": ",".join(voters)}
    return quorum | {
        "process.roles": "broker,controller",
        "node.id": str(number),
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.num.partitions": "8",
        # A month: an installation that is off for the holidays keeps its offsets.
        "offsets.retention.minutes": "43200",
        "transactional.id.expiration.ms": "2147483647",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "500",
        # An orphaned transaction blocks readers until a scan finds it: scan often.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        # So a start after kill -9 takes 5 s, not 15.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        "message.max.bytes": str(4 * 1024 * 1024),
        "log.segment.bytes": str(128 * 1024 * 1024),
    }


def controller_only_properties(broker: Mapping[str, str]) -> dict[str, str]:
    """Return the server.properties of a controller without a broker, which fences the dead broker
    at once."""
    broker_only = ("advertised.listeners", "inter.broker.listener.name")
    kept = {name: value for name, value in broker.items() if name not in broker_only}
    return kept | {
        "process.roles": "controller",
        "listeners": kept["listeners"].partition(",")[2],
        "broker.heartbeat.interval.ms": "50",
        "broker.session.timeout.ms": "100",
    }


FENCING_LOG_LEVELS = {
    "logger.controller.name": "org.apache.kafka.controller",
    "logger.controller.level": "info",
}
"""Added to `log4j_properties`, these let the controller log the two texts below."""
CONTROLLER_ACTIVE_TEXT = "Performing controller activation"


def broker_fenced_text(number: int) -> str:
    """Return what a controller with these log levels writes when it fences a broker."""
    return f"Fencing broker {number} "


def listening_text(port: int) -> str:
    """Return what a broker with `LISTENING_LOG` prints as soon as it has its port."""
    return f"Awaiting socket connections on 127.0.0.1:{port}."


LISTENING_LOG = {
    "appender.console.type": "Console",
    "appender.console.name": "console",
    "appender.console.layout.type": "PatternLayout",
    "appender.console.layout.pattern": "%m%n",
    "logger.acceptor.name": "kafka.network.DataPlaneAcceptor",
    "logger.acceptor.level": "info",
    "logger.acceptor.appenderRef.console.ref": "console",
}
"""Added to `log4j_properties`, it has a broker print `listening_text`."""


def log4j_properties(log: Path) -> dict[str, str]:
    """Return the log4j2.properties: warnings and errors, in 10 MB at most."""
    return {
        "status": "error",
        "appender.file.type": "RollingFile",
        "appender.file.name": "file",
        "appender.file.fileName": str(log),
        "appender.file.filePattern": f"{log}.%i",
        "appender.file.layout.type": "PatternLayout",
        "appender.file.layout.pattern": "%d %p %m (%c)%n",
        "appender.file.policies.type": "Policies",
        "appender.file.policies.size.type": "SizeBasedTriggeringPolicy",
        "appender.file.policies.size.size": "5MB",
        "appender.file.strategy.type": "DefaultRolloverStrategy",
        "appender.file.strategy.max": "1",
        "rootLogger.level": "warn",
        "rootLogger.appenderRef.file.ref": "file",
    }


def write_properties(file: Path, content: Mapping[str, str]) -> Path:
    """Write a file of Java properties and return its path."""
    # A backslash is an escape in these files.
    escaped = {name: value.replace("\\", "\\\\") for name, value in content.items()}
    file.write_text("".join(f"{name}={value}\n" for name, value in escaped.items()))
    return file
