"""Dead letters of a pipeline that nobody works, and what was made of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.record_batch import build_batches
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.broker.topic_spec import TopicSpec
from farandole.events import ledger_entry, retry_record, settlement_record
from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.ledger_entry import LedgerEntry
from farandole.events.record import OutgoingRecord
from farandole.events.run_ids import RunIdGenerator
from farandole.events.topology_version import Version
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.operations.dead_letters.dead_letter_store import (
    DeadLetterStore,
    open_dead_letter_store,
)
from farandole.operations.dead_letters.settlement_writer import SettlementOrder
from farandole.router.version_publisher import publish_version
from tests.router.made import derived

FIRST = datetime(2026, 11, 27, 12, tzinfo=UTC)
LANES = 2
RUNS = 20


def letters(version: Version, count: int, stage: str = "load") -> list[OutgoingRecord]:
    """Events of `line.read` that died in a stage, of a few runs."""
    ids = RunIdGenerator(version.installation, version.events["asked"].topic)
    topic = version.events["line.read"].topic
    made = []
    for number in range(count):
        original = SimulatedRecord(
            topic, number % LANES, number // LANES, b'{"n": %d}' % number, b"k%d" % number,
            [("ce_id", b"asked/0/1/%d" % number)], 1_700_000_000_000 + number,
        )  # fmt: skip
        run = ids.run_id(0, number % RUNS, version.format)
        death = FailureAccount(
            stage, version.name, run, "Reject", f"line {number} is empty", attempts=3,
            first_failed=FIRST,
        )  # fmt: skip
        made.append(build_dead_letter(original, death, largest=1_000_000))
    return made


async def bury(settings: Settings, topic: str, written: Sequence[OutgoingRecord]) -> None:
    """As a lane does, in transactions: their markers take offsets too."""
    lane = f"{settings.names.prefix}burying"
    now = int(time.time() * 1000)  # what is older than the retention is gone at once
    async with open_client(make_producer(settings, transactional_id=lane), settings) as client:
        for first in range(0, len(written), 900):
            async with client.transaction():
                for batch in build_batches(written[first : first + 900], now):
                    await (await client.send_batch(batch, topic, partition=0))


async def buried(settings: Settings, count: int) -> DeadLetterStore:
    """A pipeline `p`, so many letters of its stage `load`, and the stage's retry topic."""
    version = (await publish_version(settings, derived(settings.names), "me")).version
    topic = settings.names.retry_topic("p", "load")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(LANES, {"cleanup.policy": "compact"})})
    await bury(settings, settings.names.dead_topic("p", "load"), letters(version, count))
    return await open_dead_letter_store(settings, "p")


async def replaying(store: DeadLetterStore, chosen: Iterable[int]) -> SettlementOrder:
    offsets = frozenset(chosen)
    topic = await store.retry_topic("load")
    return SettlementOrder("load", "replayed", offsets, "ann", retry_topic=topic)


@dataclass
class Found:
    """What an independent reader finds at `read_committed`."""

    orders: Counter[bytes] = field(default_factory=Counter)
    """Rows of the retry topic, by key."""
    lanes: dict[bytes, int] = field(default_factory=dict)
    rows: list[retry_record.ParkedEvent] = field(default_factory=list)
    settled: Counter[int] = field(default_factory=Counter)
    """How often each letter is settled."""
    entries: list[LedgerEntry] = field(default_factory=list)


async def found(settings: Settings) -> Found:
    names = settings.names
    result = Found()
    async for records in scan(settings, [names.retry_topic("p", "load")]):
        for record in records:
            assert record.key is not None
            result.orders[record.key] += 1
            result.lanes[record.key] = record.partition
            result.rows.append(retry_record.parse_retry_row(record.value or b""))
    async for records in scan(settings, [names.dead_topic("p", "load")]):
        for record in records:
            settlement = settlement_record.parse_settlement(record.value, record.headers)
            if settlement is not None:
                result.settled.update(settlement.settles)
    async for records in scan(settings, [names.ledger_topic]):
        for record in records:
            entry = ledger_entry.parse_ledger_entry(record.value)
            assert entry is not None
            result.entries.append(entry)
    return result


def assert_each_once(read: Found, count: int) -> None:
    """Each letter was ordered once, settled once, and booked once."""
    assert len(read.orders) == count
    assert set(read.orders.values()) == {1}
    assert len(read.settled) == count
    assert set(read.settled.values()) == {1}
    booked = [c for e in read.entries for part in e["runs"] for c in part["in"].values()]
    assert sum(c.get("dead", 0) for c in booked) == -count
    assert sum(c.get("parked", 0) for c in booked) == count
