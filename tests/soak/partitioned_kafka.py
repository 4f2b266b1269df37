"""Three nodes of the embedded Kafka on hosts of their own, as three machines would run them."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from farandole.broker import kafka_node_config, kafka_storage
from farandole.broker.aiokafka_internals import MetadataRequest, create_conn
from farandole.broker.connection_diagnosis import probe_server
from farandole.broker.java_runtime import JavaRuntime, prepare_java_runtime
from farandole.broker.kafka_clients import connection_arguments
from farandole.broker.settings import Settings
from tests.conftest import FEW_INTERNAL_PARTITIONS
from tests.soak.network import Network

NODES = (1, 2, 3)
PORT, CONTROLLER = 9092, 9093
_START_SECONDS = 120


@dataclass
class PartitionedKafka:
    """The nodes are on the hosts 1 to 3."""

    network: Network
    home: Path
    runtime: JavaRuntime
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return self.settings_by(NODES)

    def settings_by(self, nodes: Iterable[int]) -> Settings:
        """Return settings that name these nodes alone."""
        servers = (f"{self.network.address(node)}:{PORT}" for node in nodes)
        return Settings(bootstrap=",".join(servers), replication_factor=3)

    def start(self, node: int) -> None:
        place = self.home / "nodes" / str(node)
        file = kafka_node_config.write_properties(
            place / "server.properties", self._properties(node, place / "data")
        )
        cached = [f"-XX:AOTCache={self.runtime.cache}"] if self.runtime.cache.exists() else []
        command = self.runtime.command(
            *kafka_node_config.JVM_FLAGS, *cached, kafka_storage.log4j_option(place),
            main="kafka.Kafka", arguments=[str(file)],
        )  # fmt: skip
        with (place / "kafka.out").open("ab") as out:
            self.processes[node] = subprocess.Popen(
                [*self.network.inside(node), *command], stdout=out, stderr=out
            )

    def _properties(self, node: int, data: Path) -> dict[str, str]:
        own = self.network.address(node)
        voters = (f"{each}@{self.network.address(each)}:{CONTROLLER}" for each in NODES)
        return {
            **kafka_node_config.server_properties(data, PORT, *[CONTROLLER] * 3, number=node),
            **FEW_INTERNAL_PARTITIONS,
            "controller.quorum.voters": ",".join(voters),
            "listeners": f"PLAINTEXT://{own}:{PORT},CONTROLLER://{own}:{CONTROLLER}",
            "advertised.listeners": f"PLAINTEXT://{own}:{PORT}",
        }

    async def serving(self, nodes: Iterable[int] = NODES) -> None:
        """Wait until these nodes answer, and each knows all three."""
        arguments = connection_arguments(self.settings)
        for node in nodes:
            ends = time.monotonic() + _START_SECONDS
            while True:
                problem: object = "no answer"
                with suppress(TimeoutError):
                    async with asyncio.timeout(2):
                        address = self.network.address(node)
                        problem = await probe_server(address, PORT, arguments, None, 3)
                if problem is None:
                    break
                assert self.processes[node].poll() is None, f"node {node} has ended"
                assert time.monotonic() < ends, f"node {node}: {problem}"
                await asyncio.sleep(0.1)

    async def election_without(self, node: int) -> float:
        """Return how many seconds pass until another node says that none of the partitions, those
        of Kafka's own topics included, is led by this one, or by nobody."""
        began = time.monotonic()
        other = next(each for each in NODES if each != node)
        asked = await create_conn(self.network.address(other), PORT)
        try:
            while True:
                answer = await asked.send(MetadataRequest())
                leaders = {part[2] for *_, parts in answer.topics for part in parts}
                if not leaders & {node, -1}:
                    return time.monotonic() - began
                assert time.monotonic() < began + _START_SECONDS, f"led by {leaders}"
                await asyncio.sleep(0.05)
        finally:
            asked.close()

    def kill(self, node: int) -> None:
        process = self.processes.pop(node)
        process.kill()
        process.wait()

    def end(self) -> None:
        for node in list(self.processes):
            self.kill(node)


@contextmanager
def partitioned_kafka(network: Network, home: Path) -> Iterator[PartitionedKafka]:
    runtime = asyncio.run(prepare_java_runtime(lambda _: None))
    asyncio.run(kafka_storage.format_nodes(home, runtime, FEW_INTERNAL_PARTITIONS, len(NODES)))
    kafka = PartitionedKafka(network, home, runtime)
    try:
        for node in NODES:
            kafka.start(node)
        asyncio.run(kafka.serving())
        yield kafka
    finally:
        kafka.end()


async def coordinator(settings: Settings, group: str) -> int:
    """Return the node that coordinates a group."""
    admin = AIOKafkaAdminClient(**connection_arguments(settings))
    await admin.start()
    try:
        return int(await admin.find_coordinator(group))
    finally:
        await admin.close()
