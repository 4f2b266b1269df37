"""Do running workers obey control documents, and do the ledger's counts balance?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from structlog.testing import capture_logs

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.control_documents import (
    CancelDocument,
    PauseDocument,
    ResumeDocument,
    serialize_control,
)  # fmt: skip
from farandole.events.ledger_entry import HASH_MASK, hash_event_ids
from farandole.events.run_ids import RunIdGenerator
from farandole.events.topology_version import Version
from farandole.lanes.kafka_port import KafkaPort
from farandole.operations.control.control_publisher import publish_control
from farandole.operations.control.control_query import read_control_table
from farandole.worker.stage_host import StageHost
from tests.hostile.hostile_controls import NO_DOCUMENTS
from tests.rewiring.edits import PLAIN
from tests.rewiring.test_live import HERE, at_rest, edit, hosted, until

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

PAUSED = PauseDocument(pipeline="rewired", stage="make")
RESUMED = ResumeDocument(pipeline="rewired", stage="make")
HOLD = b'{"do": "switch", "pipeline": "rewired", "stage": "make", "mode": "hold"}'
LANES = 3

Pauses = Counter[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stages").symlink_to(HERE / "pipeline" / "stages")
    return tmp_path


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """Count by lane how often it found its stage paused."""
    found: Pauses = Counter()
    paused = KafkaPort.wait_if_paused

    async def counted(self: KafkaPort) -> bool:
        is_paused = await paused(self)
        found[self.transactional_id] += is_paused
        return is_paused

    monkeypatch.setattr(KafkaPort, "wait_if_paused", counted)
    return found


async def paused_twice(pauses: Pauses, stage: str = "make") -> None:
    """Wait until each lane of the stage found it paused twice since the call."""
    before = Counter(pauses)

    def all_are() -> bool:
        new = {lane for lane in pauses if pauses[lane] > before[lane] + 1}
        return len(new) == LANES and all(f".{stage}:" in lane for lane in new)

    await until(all_are, f"the lanes of {stage} are not paused, or others are: {pauses}", 30)


async def give(settings: Settings, version: Version, count: int) -> list[str]:
    """Publish `count` roots and return their runs."""
    topic = version.events["asked"].topic
    runs = RunIdGenerator(version.installation, topic)
    async with open_client(make_producer(settings), settings) as client:
        sent = [
            await client.send_and_wait(topic, orjson.dumps({"n": n, "household": n}), key=b"%d" % n)
            for n in range(count)
        ]
    return [runs.run_id(s.partition, s.offset, version.format) for s in sent]


async def write_by_kcat(settings: Settings, *values: bytes) -> None:
    """Write records as kcat does: bytes under a key."""
    async with open_client(make_producer(settings), settings) as client:
        for value in values:
            await client.send_and_wait(
                settings.names.control_topic, value, key=b"switch/rewired/make"
            )


async def count(settings: Settings, version: Version, event_type: str) -> int:
    topic = version.events[event_type].topic
    return sum([len(records) async for records in scan(settings, [topic])])


async def reached(settings: Settings, version: Version, event_type: str, number: int) -> None:
    async with asyncio.timeout(180):
        while await count(settings, version, event_type) < number:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[StageHost]:
    async with hosted(settings) as host:
        await until(lambda: host.lanes.get("make", int)() == LANES, "the lanes are not born")
        yield host


async def test_a_paused_stage_keeps_its_offsets_and_goes_on_when_resumed(
    settings: Settings, folder: Path, pauses: Pauses
) -> None:
    version = await edit(settings, folder, PLAIN)
    async with working(settings):
        await give(settings, version, 10)
        await reached(settings, version, "given", 10)
        with capture_logs() as logs:
            await write_by_kcat(settings, HOLD)
            await paused_twice(pauses)
            # What is no document leaves in force what was in force under its key.
            await write_by_kcat(settings, *NO_DOCUMENTS.values())
            await give(settings, version, 30)
            await reached(settings, version, "taken", 40)
            await paused_twice(pauses)
            assert await count(settings, version, "made") == 10
            await write_by_kcat(settings, HOLD.replace(b"hold", b"on"))
            await reached(settings, version, "given", 40)
        assert not {log["event"] for log in logs if log["event"].startswith(("group.", "lane."))}
        await at_rest(settings)
    assert await count(settings, version, "given") == 40


async def test_a_record_that_is_no_document_leaves_a_stage_paused(
    settings: Settings, folder: Path, pauses: Pauses
) -> None:
    version = await edit(settings, folder, PLAIN)
    await publish_control(settings, PAUSED)
    topic = settings.names.control_topic
    other = PauseDocument(pipeline="other")
    async with open_client(make_producer(settings), settings) as client:
        await client.send_and_wait(topic, b"pause, please", key=PAUSED.key)
        await client.send_and_wait(
            topic, serialize_control(other), key=other.key, timestamp_ms=-99_999_999_999_999
        )
    async with working(settings):
        await give(settings, version, 3)
        await reached(settings, version, "taken", 3)
        await paused_twice(pauses)
        assert await count(settings, version, "made") == 0
    documents, (unreadable,) = await read_control_table(settings)
    assert [each.control for each in documents.values()] == [PAUSED, other]
    assert unreadable.key == PAUSED.key.decode()


async def test_a_paused_stage_stays_so_over_a_restart_and_a_rebalance(
    settings: Settings, folder: Path, pauses: Pauses
) -> None:
    version = await edit(settings, folder, PLAIN)
    await publish_control(settings, PAUSED)
    async with working(settings):
        await give(settings, version, 30)
        await reached(settings, version, "taken", 30)
        await paused_twice(pauses)
    pauses.clear()
    async with working(settings) as first:
        await paused_twice(pauses)
        async with hosted(settings) as second:
            await until(
                lambda: all(0 < host.lanes["make"]() < LANES for host in (first, second)),
                "the two do not share the lanes",
            )
            await paused_twice(pauses)
            assert await count(settings, version, "made") == 0
            await publish_control(settings, RESUMED)
            await reached(settings, version, "given", 30)


async def test_what_is_in_flight_of_a_cancelled_run_ends_as_cancelled(
    settings: Settings, folder: Path, pauses: Pauses
) -> None:
    version = await edit(settings, folder, PLAIN)
    await publish_control(settings, PAUSED)
    async with working(settings):
        runs = await give(settings, version, 20)
        await reached(settings, version, "taken", 20)
        await paused_twice(pauses)
        for run in runs[::2]:
            await publish_control(settings, CancelDocument(run=run))
        await publish_control(settings, RESUMED)
        await at_rest(settings)
    books = await booked(settings)
    for edges, cancelled in [(books[run], run in runs[::2]) for run in runs]:
        at_make = edges["taken>make"]
        assert (at_make["consumed"], at_make["cancelled"]) == (1, int(cancelled))
        assert ("made>give" in edges) is not cancelled
        assert {(e["emitted"] - e["consumed"], e["hash"] & HASH_MASK) for e in edges.values()} == {
            (0, 0)
        }
    assert await count(settings, version, "given") == 10


async def test_a_run_that_is_cancelled_under_way_balances_wherever_it_was(
    settings: Settings, folder: Path
) -> None:
    """Some workers have read the document, and some have not."""
    version = await edit(settings, folder, PLAIN)
    async with working(settings):
        runs = await give(settings, version, 200)
        for run in runs[::-20]:
            await publish_control(settings, CancelDocument(run=run))
        await at_rest(settings)
    books = await booked(settings)
    assert books.keys() == set(runs)
    for edges in books.values():
        assert {(e["emitted"] - e["consumed"], e["hash"] & HASH_MASK) for e in edges.values()} == {
            (0, 0)
        }
    ended = sum(e["cancelled"] for edges in books.values() for e in edges.values())
    assert ended + await count(settings, version, "given") == 200


async def booked(settings: Settings) -> dict[str, dict[str, Counter[str]]]:
    """By run and edge, what the entries of the ledger add up to; `hash`: emitted minus consumed."""
    found: dict[str, dict[str, Counter[str]]] = {}
    async for records in scan(settings, [settings.names.ledger_topic]):
        for entry in (orjson.loads(record.value or b"") for record in records):
            for part in entry["runs"]:
                edges = found.setdefault(part["run"], {})
                if root := part.get("root"):
                    for stage in root["to"]:
                        opened_ = edges.setdefault(f"{root['type']}>{stage}", Counter())
                        opened_["emitted"] += 1
                        opened_["hash"] += hash_event_ids([part["run"].encode()])
                for event_type, settled in part["in"].items():
                    edge = edges.setdefault(f"{event_type}>{entry['stage']}", Counter())
                    edge["consumed"] += settled["n"]
                    edge["cancelled"] += settled.get("cancelled", 0)
                    edge["hash"] -= settled["hash"]
                for event_type, emitted in part["out"].items():
                    for stage in emitted["to"]:
                        edge = edges.setdefault(f"{event_type}>{stage}", Counter())
                        edge["emitted"] += emitted["n"]
                        edge["hash"] += emitted["hash"]
    return found
