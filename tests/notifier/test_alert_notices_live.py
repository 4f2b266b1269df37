"""Do a late run, an unworked stage and a bad control document cause one mail each, and one at
their end, on a real Kafka?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.header import decode_header, make_header
from pathlib import Path

import orjson
import pytest

from farandole.broker.kafka_clients import close_client, make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events import alert_tracker
from farandole.events.alert_record import Alert
from farandole.events.ledger_entry import (
    DEFAULT_LEDGER_PARTITIONS,
    ConsumedCounts,
    LedgerEntry,
    RunPart,
    RunRoot,
    hash_event_ids,
    ledger_partition,
)
from farandole.ledger import control_alerts, lag_probe, stage_alerts
from tests.books.stand import booked
from tests.notifier.servers import serving
from tests.notifier.stand import Stand, copies, subjects, texts, until

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("unset"), pytest.mark.timeout(600)]

RUN = "a" * 13
LATE = f"p/run/{RUN}"
UNWORKED = "p/stage/enrich/unworked"


@pytest.fixture
async def stand(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stand]:
    # No process is killed here, so a slow member on a busy machine must not count as dead.
    calm = settings.model_copy(update={"session_timeout": 10.0, "heartbeat_interval": 1.0})
    monkeypatch.setattr(lag_probe, "PROBE_INTERVAL", 0.5)
    monkeypatch.setattr(stage_alerts, "FIRE_AFTER_MS", 1_000)
    monkeypatch.setattr(control_alerts, "FIRE_AFTER_MS", 500)
    monkeypatch.setattr(alert_tracker, "CLEAR_AFTER_MS", 500)
    stand = Stand(calm, tmp_path)
    yield stand
    stand.end()


@asynccontextmanager
async def working(settings: Settings, stage: str) -> AsyncIterator[None]:
    """Run a member of a stage's group that handles no events."""
    member = make_consumer(settings, group=settings.names.stage_group("p", stage))
    member.subscribe([settings.names.event_topic("p", "asked")])
    await member.start()
    try:
        yield
    finally:
        await close_client(member)


async def write(settings: Settings, entry: LedgerEntry) -> None:
    run = entry["runs"][0]["run"].encode()
    partition = ledger_partition(run, DEFAULT_LEDGER_PARTITIONS)
    async with open_client(make_producer(settings), settings) as client:
        await client.send_and_wait(
            settings.names.ledger_topic, orjson.dumps(entry), key=run, partition=partition
        )


def entry(stage: str, *, opens: bool = False) -> LedgerEntry:
    """Return an entry of a run whose root is settled by two stages, one after the other."""
    at = int(time.time() * 1000)
    root: RunRoot = {
        "type": "asked", "topic": "p.asked", "partition": 0, "offset": 0, "at": at,
        "to": ["enrich", "load"], "within": 0.5,
    }  # fmt: skip
    settled: dict[str, ConsumedCounts] = {
        "asked": {"n": 1, "hash": hash_event_ids([RUN.encode()]), "oldest": at}
    }
    part: RunPart = {"run": RUN, "version": 1, "in": settled, "out": {}}
    if opens:
        part["root"] = root
    found: LedgerEntry = {
        "pipeline": "p", "stage": stage, "lane": 0, "at": at, "seconds": 0.1,
        "runs": [part],
    }  # fmt: skip
    return found


async def alerts(settings: Settings) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    async for records in scan(settings, [settings.names.alerts_topic]):
        written = [Alert.model_validate_json(r.value) for r in records if r.value]
        found += Counter((each.key, each.state) for each in written)
    return found


async def write_control(settings: Settings, value: bytes | None) -> None:
    """Write a record, as a person does with kcat."""
    async with open_client(make_producer(settings), settings) as client:
        await client.send_and_wait(settings.names.control_topic, value, key=b"hold enrich")


async def test_what_needs_somebody_has_one_mail_and_one_at_the_end(
    stand: Stand,
) -> None:
    settings = stand.settings
    await stand.publish("enrich", "load")
    async with open_client(make_producer(settings), settings) as client:
        await client.send_and_wait(settings.names.event_topic("p", "asked"), b"{}", key=b"k")
    async with serving() as server, stand.notifying(server), working(settings, "load"):
        async with booked(settings):
            await write(settings, entry("enrich", opens=True))
            await write_control(settings, b'{"do": "switch", "mode": "hold", "pipline": "p"}')
            await until(lambda: len(server.got) >= 3, "not all are told", 120)
        async with booked(settings), working(settings, "enrich"):
            await write(settings, entry("load"))
            await write_control(settings, None)
            await until(lambda: len(server.got) >= 6, "not all ends are told", 120)
        await stand.delivered(6)
    found = await alerts(settings)
    (unread,) = {key for key, _ in found if key.startswith("p/control/unread/")}
    once = [(key, state) for key in (LATE, UNWORKED, unread) for state in ("firing", "resolved")]
    assert found == Counter(once)
    assert set(copies(server).values()) == {1}
    late = f"[p] run {RUN} is not complete within 0.5 s; in flight: asked>load"
    received = [
        str(make_header(decode_header(subject.replace("\r\n", "")))) for subject in subjects(server)
    ]
    (stuck,) = [s for s in received if s.startswith("[p] enrich: no worker holds `enrich`")]
    (bad,) = [s for s in received if s.startswith("[p] ") and "is no control document" in s]
    firing = (late, stuck, bad)
    assert Counter(received) == Counter([*firing, *(f"Re: {subject}" for subject in firing)])
    text = "\n".join(texts(server))
    assert f"farandole --namespace {settings.namespace} run {RUN}" in text
    assert f"farandole --namespace {settings.namespace} work enrich" in text
    assert f"Over: run {RUN} is completed" in text
    assert "Over: `enrich` is worked again" in text
    assert "Over: no longer so: " in text
    assert " died" not in text
