"""Dead letters of a pipeline that nobody works, and what was made of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from farandole.broker.admin import Admin, NewTopicSpec
from farandole.broker.batch import batches
from farandole.broker.clients import opened, producer
from farandole.broker.settings import Settings
from farandole.broker.tables import scan
from farandole.console.dead_letters.settling import Graveyard, Order, graveyard
from farandole.events import ledger, retry, settlement
from farandole.events.deadletter import Death, letter
from farandole.events.ids import RunIds
from farandole.events.ledger import Entry
from farandole.events.record import Outgoing
from farandole.events.topology import Version
from farandole.lanes.simulation import SimulatedRecord
from farandole.router.publish import apply
from tests.router.made import derived

FIRST = datetime(2026, 11, 27, 12, tzinfo=UTC)
LANES = 2
RUNS = 20


def letters(version: Version, count: int, stage: str = "load") -> list[Outgoing]:
    """Events of `line.read` that died in a stage, of a few runs."""
    ids = RunIds(version.installation, version.events["asked"].topic)
    topic = version.events["line.read"].topic
    made = []
    for number in range(count):
        original = SimulatedRecord(
            topic, number % LANES, number // LANES, b'{"n": %d}' % number, b"k%d" % number,
            [("ce_id", b"asked/0/1/%d" % number)], 1_700_000_000_000 + number,
        )  # fmt: skip
        run = ids.of(0, number % RUNS)
        death = Death(
            stage, version.name, run, "Reject", f"line {number} is empty", attempts=3,
            first_failed=FIRST,
        )  # fmt: skip
        made.append(letter(original, death, largest=1_000_000))
    return made


async def bury(settings: Settings, topic: str, written: Sequence[Outgoing]) -> None:
    """As a lane does, in transactions: their markers take offsets too."""
    lane = f"{settings.names.prefix}burying"
    now = int(time.time() * 1000)  # what is older than the retention is gone at once
    async with opened(producer(settings, transactional_id=lane), settings) as client:
        for first in range(0, len(written), 900):
            async with client.transaction():
                for batch in batches(written[first : first + 900], now):
                    await (await client.send_batch(batch, topic, partition=0))


async def buried(settings: Settings, count: int) -> Graveyard:
    """A pipeline `p`, so many letters of its stage `load`, and the stage's retry topic."""
    version = (await apply(settings, derived(settings.names), "me")).version
    topic = settings.names.retry("p", "load")
    async with Admin.open(settings) as admin:
        await admin.create({topic: NewTopicSpec(LANES, {"cleanup.policy": "compact"})})
    await bury(settings, settings.names.dead("p", "load"), letters(version, count))
    return await graveyard(settings, "p")


async def replaying(yard: Graveyard, chosen: Iterable[int]) -> Order:
    offsets = frozenset(chosen)
    return Order("load", "replayed", offsets, "ann", retrying=await yard.retrying("load"))


@dataclass
class Found:
    """What an independent reader finds at `read_committed`."""

    orders: Counter[bytes] = field(default_factory=Counter)
    """Rows of the retry topic, by key."""
    lanes: dict[bytes, int] = field(default_factory=dict)
    rows: list[retry.Waiting] = field(default_factory=list)
    settled: Counter[int] = field(default_factory=Counter)
    """How often each letter is settled."""
    entries: list[Entry] = field(default_factory=list)


async def found(settings: Settings) -> Found:
    names = settings.names
    result = Found()
    async for records in scan(settings, [names.retry("p", "load")]):
        for record in records:
            assert record.key is not None
            result.orders[record.key] += 1
            result.lanes[record.key] = record.partition
            result.rows.append(retry.read(record.value or b""))
    async for records in scan(settings, [names.dead("p", "load")]):
        for record in records:
            said = settlement.read(record.value, record.headers)
            if said is not None:
                result.settled.update(said.settles)
    async for records in scan(settings, [names.ledger]):
        for record in records:
            entry = ledger.read(record.value)
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
