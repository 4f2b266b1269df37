"""Which lines does every contestant get, and are the results of a contestant right?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import orjson

from benchmarks import pipelines
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.key_partitioner import partition_for_key

_FIRST_BASKET = orjson.loads(pipelines.line(0))["basket_id"]
_IN_FLIGHT = 8  # batches of a partition that are sent before one of them is awaited


@dataclass(frozen=True, slots=True)
class Audit:
    """Counts of the committed records in a target topic."""

    count: int
    distinct: int
    """Lines of the source that have a right result, each counted once."""
    wrong: int
    """Records that are no line, or whose sum or key is wrong."""
    paid_cents: int
    """The sum over all lines."""


class Auditor:
    """Compares results with the lines of the source."""

    def __init__(self, lines: int) -> None:
        self._seen = bytearray(lines)
        self._count = self._wrong = self._paid = 0

    def see(self, results: Iterable[tuple[bytes | None, bytes | None]]) -> None:
        """Add results: pairs of key and value."""
        seen = self._seen
        for key, value in results:
            self._count += 1
            try:
                line = orjson.loads(value or b"")
                number = line["basket_id"] - _FIRST_BASKET
                paid = line["paid_cents"]
                right = (
                    0 <= number < len(seen)
                    and paid == paid_cents(number)
                    and key == b"%d" % line["household_id"]
                )
            except (ValueError, KeyError, TypeError):
                right = False
            if right:
                seen[number] = 1
                self._paid += paid
            else:
                self._wrong += 1

    def audit(self) -> Audit:
        return Audit(self._count, sum(self._seen), self._wrong, self._paid)


def paid_cents(number: int) -> int:
    """Return the right result for the line of that number."""
    return 100 + number % 900 - number % 50


async def fill(
    settings: Settings,
    topic: str,
    lines: int,
    line: Callable[[int], bytes] = pipelines.line,
) -> None:
    """Write `lines` JSON lines of 130 bytes, keyed by household, to the partitions that Kafka's
    murmur2 gives."""
    async with open_client(make_producer(settings), settings) as client:
        batches = [client.create_batch() for _ in range(pipelines.PARTITIONS)]
        sent: list[list] = [[] for _ in batches]  # type: ignore[type-arg]
        places: dict[bytes, int] = {}

        async def send(partition: int) -> None:
            batch, batches[partition] = batches[partition], client.create_batch()
            sent[partition].append(await client.send_batch(batch, topic, partition=partition))
            if len(sent[partition]) > _IN_FLIGHT:
                await sent[partition].pop(0)

        for number in range(lines):
            value = line(number)
            key = value[len(b'{"household_id":') : value.index(b",")]
            partition = places.get(key)
            if partition is None:
                partition = places[key] = partition_for_key(key, pipelines.PARTITIONS)
            if batches[partition].append(key=key, value=value, timestamp=None) is None:
                await send(partition)
                batches[partition].append(key=key, value=value, timestamp=None)
        for partition, batch in enumerate(batches):
            if batch.record_count():
                await send(partition)
            for future in sent[partition]:
                await future


async def audit_topic(settings: Settings, topic: str, lines: int) -> Audit:
    """Return the counts of the committed records in a topic."""
    auditor = Auditor(lines)
    async for records in scan(settings, [topic]):
        auditor.see((record.key, record.value) for record in records)
    return auditor.audit()
