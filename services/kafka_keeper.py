"""How does a pipeline get a Kafka, who restarts it when it dies, and who stops it afterwards?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from farandole.broker import embedded_kafka
from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import BrokerError
from farandole.broker.embedded_kafka import RunningKafka
from farandole.broker.kafka_ports import free_port
from farandole.broker.settings import Settings
from farandole.services.invocation import Invocation

_CHECK_INTERVAL = 0.5  # seconds
_STABLE_SECONDS = 60.0  # after which earlier deaths are forgotten
_RESTARTS = Backoff(first=0.5, longest=30.0)


@asynccontextmanager
async def running_kafka(
    invocation: Invocation, announce: Callable[[str], None]
) -> AsyncIterator[Settings]:
    """Yield settings with the address of a Kafka: the one that is named, else the embedded one of
    the folder. If it was not running before, it is started again whenever it dies, and stopped at
    the end. After a BrokerError it goes on: the next call then finds it as far as it has got.
    `announce` gets lines for a person. Raises BrokerError."""
    folder = invocation.folder.resolve()
    embedded = invocation.settings().bootstrap is None
    starts = embedded and embedded_kafka.embedded_status(folder) is None
    settings = await invocation.connect(
        start=True, progress=lambda state: announce(f"Kafka: {state}")
    )
    started = embedded_kafka.embedded_status(folder) if starts else None
    if started is None:
        yield settings
        return
    keeper = KafkaKeeper(folder, started, announce)
    keeping = asyncio.create_task(keeper.run())
    goes_on = False
    try:
        yield settings
    except BrokerError:
        goes_on = True
        announce("Kafka goes on; to stop it: " + invocation.command_line("kafka", "stop"))
        raise
    finally:
        await _end(keeping)
        if not goes_on:
            await keeper.stop()


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


class KafkaKeeper:
    """Keeps a folder's Kafka running that this process has started."""

    def __init__(
        self, folder: Path, started: RunningKafka, announce: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._started = started
        self._announce = announce

    async def run(self) -> None:
        """Start it again whenever it has died, until cancelled. One that somebody has stopped stays
        stopped."""
        deaths = 0
        since = time.monotonic()
        stopped = False
        while True:
            await asyncio.sleep(_CHECK_INTERVAL)
            running = embedded_kafka.embedded_status(self._folder)
            reason = embedded_kafka.death_notice(self._folder)
            if reason is None:
                if running is None and not stopped:
                    self._announce("Kafka was stopped: the stages wait until it is started again")
                stopped = running is None
                if not stopped and time.monotonic() - since > _STABLE_SECONDS:
                    deaths = 0
                continue
            deaths += 1
            wait = _RESTARTS.longest_delay(deaths)
            what = "Kafka" if running is None or running.size == 1 else "a node of Kafka"
            self._announce(f"{what} has died ({reason}); it is started again in {wait:g} s")
            await asyncio.sleep(wait)
            await self._start_again()
            since = time.monotonic()

    async def stop(self) -> None:
        """Stop what was started here, and nothing that somebody else has started since."""
        if await embedded_kafka.stop_embedded(self._folder, only=self._started):
            self._announce("Kafka has ended; its data are kept")

    async def _start_again(self) -> None:
        running = embedded_kafka.embedded_status(self._folder)
        alive = {} if running is None else running.nodes
        for number, node in self._started.nodes.items():
            # Its clients know no other port.
            if number not in alive and free_port(node.port) != node.port:
                self._announce(f"Kafka: another program listens at port {node.port}")
                return
        try:
            again = await embedded_kafka.start_embedded(
                self._folder, progress=lambda state: self._announce(f"Kafka: {state}")
            )
        except BrokerError as error:
            self._announce(f"Kafka: {error}")
            return
        if again.address != self._started.address:
            self._announce(
                f"Kafka is at {again.address} now, and the stages know {self._started.address}:"
                " end this command with Ctrl-C, and start it again"
            )
        self._started = again
