"""What happens to a pipeline's workers, and to their broker, while they work?"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from farandole.broker import embedded_kafka
from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import ordered_lag_pass
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.topology_version import Version
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.router.version_publisher import publish_version
from farandole.services.supervisor import ServiceSpec, Supervisor
from farandole.services.worker_services import settings_environment, worker_services

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2  # of each stage, so that another can take over

log = structlog.get_logger()


@dataclass
class Chaos:
    """The shipped pipeline at work, and those who make it suffer."""

    settings: Settings
    version: Version
    supervisor: Supervisor
    die: random.Random
    kills: int = 0
    freezes: int = 0
    outages: int = 0
    _spared: set[int] = field(default_factory=set)
    _outage: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def kill(self) -> None:
        name, pid = self._victim()
        self._spared.add(pid)  # it dies once
        os.kill(pid, signal.SIGKILL)
        self.kills += 1
        log.info("soak.killed", process=name, at=self.consumed())

    async def freeze(self) -> None:
        """Until its partitions are another's, and then some."""
        name, pid = self._victim()
        self._spared.add(pid)  # it is to wake up
        os.kill(pid, signal.SIGSTOP)
        try:
            log.info("soak.frozen", process=name, at=self.consumed())
            await asyncio.sleep(1.5 * self.settings.session_timeout)  # the fault itself
        finally:
            os.kill(pid, signal.SIGCONT)
            self._spared.discard(pid)
        self.freezes += 1
        log.info("soak.woken", process=name, at=self.consumed())

    def outage(self, home: Path, node: int = 1) -> Callable[[], Awaitable[None]]:
        """Kill a node of a folder's Kafka and start it again, once no other one is dead."""

        async def kill_and_start() -> None:
            async with self._outage:
                running = embedded_kafka.embedded_status(home)
                assert running
                broker = running.nodes[node]
                log.info("soak.broker_killed", node=node, at=self.consumed())
                os.kill(broker.pid, signal.SIGKILL)
                # A large process is a zombie for a while before the kernel closes what it listened
                # on.
                await until(lambda: _free(broker.port), 20, "its port was not given back")
                again = await embedded_kafka.start_embedded(home, progress=lambda _: None)
                assert again.address == running.address
                self.outages += 1
                log.info("soak.broker_back", node=node, at=self.consumed())

        return kill_and_start

    async def suffer(self, faults: Sequence[Callable[[], Awaitable[None]]], total: int) -> None:
        """Each fault once, at random moments while `total` events are consumed. One that takes its
        time does not keep the next ones waiting."""
        moments = sorted(self.die.uniform(0.01, 0.8) * total for _ in faults)
        under_way = []
        for moment, fault in zip(moments, faults, strict=True):
            await until(lambda m=moment: self.consumed() >= m, 300, "no progress")  # type: ignore[misc]
            under_way.append(asyncio.ensure_future(fault()))
            await asyncio.sleep(0)  # it picks its victim before the next one does
        await asyncio.gather(*under_way)

    async def rest(self, seconds: float) -> None:
        """Return when every event is settled."""
        ends = time.monotonic() + seconds
        while True:
            try:
                async with ClusterAdmin.open(self.settings) as admin:
                    lags = await ordered_lag_pass(admin, self.settings.names, self.version)
                if not any(i.lag for inputs in lags.values() for i in inputs):
                    return
            except BrokerError:
                lags = {}
            assert time.monotonic() < ends, f"not at rest after {seconds:g} s: {lags}"
            await asyncio.sleep(0.25)

    def consumed(self) -> int:
        """By all stages, but for what those who were killed had not yet reported."""
        return sum(report["consumed"] for report in self.supervisor.reports().values())

    def _victim(self) -> tuple[str, int]:
        pids = self.supervisor.pids()
        return self.die.choice([(n, p) for n, p in pids.items() if p not in self._spared])


async def prepared(settings: Settings, seed: int) -> Chaos:
    """The shipped file applied, its workers not yet started."""
    checked = check_topology_file(ROOT / "topology.yaml", settings.names)
    assert checked.topology
    derived = derive_topology(checked.topology, checked.signatures, settings.names)
    version = (await publish_version(settings, derived, "a test")).version
    # A frozen process is to wake up, not to be found silent and ended.
    patient = [
        replace(service, patience=300.0)
        for service in worker_services(
            settings, ROOT, {1: version}, processes=PROCESSES, log_level="critical"
        )
    ]
    supervisor = Supervisor([*patient, bookkeeper(settings)])
    return Chaos(settings, version, supervisor, random.Random(seed))


def bookkeeper(settings: Settings) -> ServiceSpec:
    """Who keeps the books meanwhile: it suffers as the workers do."""
    words = ["--log-level", "error", "--bootstrap", settings.bootstrap or "", "keep-books"]
    return ServiceSpec(
        name="bookkeeper",
        argv=[sys.executable, "-P", "-m", "farandole", "-C", str(ROOT), *words],
        environment={**os.environ, **settings_environment(settings)},
        folder=str(ROOT),
        patience=300.0,
    )


async def trigger(settings: Settings, version: Version, value: bytes) -> None:
    client = make_producer(settings)
    async with open_client(client, settings):
        await client.send_and_wait(version.events["feed.requested"].topic, value)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def until(condition: Callable[[], object], seconds: float, otherwise: str) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"{otherwise} within {seconds:g} s"
        await asyncio.sleep(0.02)
