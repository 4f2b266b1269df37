"""A pipeline at work in real processes, what it is given, and what came of it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaProducer

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.record import Header, Record
from farandole.events.topology_version import Version
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.router.version_publisher import publish_version
from farandole.services.supervisor import Supervisor
from farandole.services.worker_services import worker_services
from tests.undecodable import undecodable

MEMORY = 192  # MiB, for the stage that fills it; it holds a third of that at rest
FOLDER = Path(__file__).parent / "pipeline"
QUIET: Any = {"log_level": "critical"}
LONGEST = 240.0  # seconds that anything here may take: seven processes die five times at once


class Position(NamedTuple):
    """Where something that was given stands."""

    event_type: str
    partition: int
    offset: int


class Stand:
    """The pipeline's workers, one producer of events, and all that can be read at
    `read_committed`."""

    def __init__(self, version: Version, settings: Settings, writer: AIOKafkaProducer) -> None:
        self.version = version
        self.supervisor = Supervisor(
            [
                *worker_services(
                    settings, FOLDER, {1: version}, stages=["act"], memory=MEMORY, **QUIET
                ),
                *worker_services(
                    settings, FOLDER, {1: version}, stages=[*version.stages][1:], **QUIET
                ),
            ]
        )
        self._settings = settings
        self._writer = writer
        self._read: dict[str, list[Record]] = defaultdict(list)
        self._given = 0

    async def give(
        self,
        event_type: str,
        value: bytes | None,
        headers: Sequence[Header] = (),
        *,
        key: bytes | None = None,
        partition: int = 0,
        timestamp: int | None = None,
    ) -> Position:
        """A record of whatever kind."""
        batch = self._writer.create_batch()  # `send` takes no record that is all empty
        batch.append(key=key, value=value, timestamp=timestamp, headers=list(headers))
        return await self._sent(batch, event_type, partition)

    async def ask(self, stage: str, do: str = "answer", partition: int = 0) -> Position:
        """An event that a stage of this pipeline understands."""
        self._given += 1
        asked = {"n": self._given, "do": do}
        return await self.give(f"{stage}.asked", orjson.dumps(asked), partition=partition)

    async def give_compressed(self, event_type: str, codec: Any) -> Position:
        """An event that another producer has compressed."""
        value = b'{"n": 1, "do": "answer", "more": "%b"}' % (b"again and " * 50)
        client = make_producer(self._settings, compression_type=codec)
        async with open_client(client, self._settings):
            topic = self.version.events[event_type].topic
            written = await client.send_and_wait(topic, value, partition=0)
        return Position(event_type, 0, written.offset)

    async def give_bomb(self, event_type: str, records: int, size: int) -> Position:
        """A batch of a few kilobytes whose records become `records` times `size` bytes; the
        position of the first."""
        large = 2 * records * size
        client = make_producer(
            self._settings, compression_type="gzip", max_batch_size=large, max_request_size=large
        )
        async with open_client(client, self._settings):
            batch = client.create_batch()
            for _ in range(records):
                batch.append(key=None, value=bytes(size), timestamp=None)
            topic = self.version.events[event_type].topic
            written = await (await client.send_batch(batch, topic, partition=0))
        return Position(event_type, 0, written.offset)

    async def give_undecodable(self, event_type: str) -> Position:
        """A record one of whose headers has a name that is not UTF-8."""
        batch = undecodable(self._writer, b'{"n": 1}')
        return await self._sent(batch, event_type, 0)

    async def _sent(self, batch: Any, event_type: str, partition: int) -> Position:
        topic = self.version.events[event_type].topic
        written = await (await self._writer.send_batch(batch, topic, partition=partition))
        return Position(event_type, partition, written.offset)

    def answers(self, cause: Position) -> list[Record]:
        """What a stage emitted because of an event."""
        id_ = f"{cause.event_type}/{cause.partition}/{cause.offset}"
        done = self.version.events[cause.event_type.replace("asked", "done")]
        return [
            r
            for r in self._read[done.topic]
            if (text_headers(r)["ce_id"].rpartition("/")[0]) == id_
        ]

    def letters(self, stage: str | None = None) -> list[Record]:
        """The dead letters of a stage, or of all."""
        stages = [stage] if stage else list(self.version.stages)
        names, pipeline = self._settings.names, self.version.pipeline
        return [r for s in stages for r in self._read[names.dead_topic(pipeline, s)]]

    def letter(self, cause: Position) -> Record:
        """The only dead letter of an event."""
        topic = self.version.events[cause.event_type].topic
        position = (topic, str(cause.partition), str(cause.offset))
        (found,) = (
            letter
            for letter in self.letters()
            if tuple(text_headers(letter)[f"dead_{n}"] for n in ("topic", "partition", "offset"))
            == position
        )
        return found

    async def follow(self) -> None:
        """Read all that comes out, until cancelled."""
        outputs = [self.version.events[e].topic for s in self.version.stages.values()
                   for e in s.emits]  # fmt: skip
        dead = [
            self._settings.names.dead_topic(self.version.pipeline, s) for s in self.version.stages
        ]
        async for records in scan(self._settings, [*outputs, *dead], follow=True):
            self._read[records[0].topic] += records


@asynccontextmanager
async def standing(settings: Settings) -> AsyncIterator[Stand]:
    """The pipeline applied, its workers ready."""
    checked = check_topology_file(FOLDER / "topology.yaml", settings.names)
    assert checked.is_fit, checked.findings
    assert checked.topology
    derived = derive_topology(checked.topology, checked.signatures, settings.names)
    version = (await publish_version(settings, derived, "a test")).version
    # As others may write: no transaction, no numbers, and records of any size.
    writer = make_producer(settings, enable_idempotence=False, max_batch_size=2**21)
    async with open_client(writer, settings):
        stand = Stand(version, settings, writer)
        stopping = asyncio.Event()
        running = asyncio.create_task(stand.supervisor.run(stopping))
        following = asyncio.create_task(stand.follow())
        try:
            await until(stand.supervisor.ready, "the workers are not ready")
            yield stand
        finally:
            stopping.set()
            following.cancel()
            await asyncio.gather(running, following, return_exceptions=True)


def text_headers(record: Record) -> dict[str, str]:
    return {name: value.decode(errors="replace") for name, value in record.headers}


async def until(condition: Callable[[], object], otherwise: str, patience: float = LONGEST) -> None:
    ends = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < ends, otherwise
        await asyncio.sleep(0.02)
