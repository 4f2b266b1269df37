"""Does the scheduler learn from Kafka what it must know before it fires?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.envelope import REPEATED_RUN_HEADER
from farandole.events.firing_record import FiringRecord, serialize_firing
from farandole.events.record_time import to_milliseconds
from farandole.events.root_record import SCHEDULE_SOURCE
from farandole.events.schedule_document import ScheduleDocument
from farandole.events.schedule_origin import origin_headers
from farandole.operations.control.control_publisher import publish_control
from farandole.router.version_publisher import publish_version
from farandole.scheduler.facts import PastFiring, TriggerPlace
from farandole.scheduler.kafka_facts import KafkaFacts, open_facts
from tests.router.made import FILE, MORE, derived
from tests.scheduler.made import utc

pytestmark = pytest.mark.kafka

PLANNED = utc("2026-11-30 02:30")
SCHEDULE = "schedules: {nightly: {cron: '30 2 * * *', triggers: asked}}\n"


@asynccontextmanager
async def facts_of(settings: Settings) -> AsyncIterator[KafkaFacts]:
    async with open_facts(settings, Path()) as facts:
        running = asyncio.create_task(facts.run())
        facts.runs.follow({})
        try:
            yield facts
        finally:
            running.cancel()
            await asyncio.wait({running})


async def send(
    settings: Settings,
    topic: str,
    key: bytes,
    value: bytes,
    at: datetime | None = None,
    /,
    **headers: str,
) -> int:
    """Write a record, which bears this time or that of now, and return its offset."""
    stamp = None if at is None else to_milliseconds(at)
    made = [(name, text.encode()) for name, text in headers.items()]
    async with open_client(make_producer(settings), settings) as writer:
        sending = writer.send_and_wait(
            topic, value, key=key, headers=made, partition=0, timestamp_ms=stamp
        )
        offset: int = (await sending).offset
        return offset


async def test_what_was_written_before_is_known_once_it_is_confirmed(settings: Settings) -> None:
    names = settings.names
    await publish_version(settings, derived(names, FILE + SCHEDULE), "ann")
    async with facts_of(settings) as facts:
        assert facts.now() is None
        await facts.confirm()
        began = facts.now()
        assert began is not None
        assert facts.partitions == {names.event_topic("p", "asked"): 1}
        assert not facts.runs.are_behind
        await publish_version(settings, derived(names, MORE + SCHEDULE), "ann")
        await publish_control(settings, ScheduleDocument(pipeline="p", paused=True))
        topic = names.event_topic("p", "asked")
        headers = {"ce_source": SCHEDULE_SOURCE, "ce_id": "nightly/x"}
        headers |= {
            name: (value or b"").decode() for name, value in origin_headers("nightly", PLANNED)
        }
        offset = await send(settings, topic, b"k", b"{}", **headers)
        await send(settings, topic, b"k", b"{}", **headers, **{REPEATED_RUN_HEADER: "a" * 13})
        await facts.confirm()
        assert [version.version for version in facts.versions["p"]] == [1, 2]
        assert [each.control.do for each in facts.documents] == ["schedule"]
        now = facts.now()
        assert now is not None
        assert now >= began
        since = began - timedelta(minutes=1)
        wanted = {topic: ["nightly/x", "nightly/y"], "gone": ["z"]}
        found = await facts.find_triggers(wanted, since)
        assert found == {"nightly/x": TriggerPlace(topic, 0, offset)}


def firing(schedule: str, planned: datetime) -> FiringRecord:
    return FiringRecord(
        pipeline="p", schedule=schedule, planned=planned, outcome="fired", at=planned, version=1
    )


async def test_what_became_of_planned_times_is_read_when_it_is_asked_for(
    settings: Settings,
) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    later = PLANNED + timedelta(days=1)
    for each in (firing("nightly", PLANNED), firing("nightly", later), firing("other", PLANNED)):
        key = each.key.record_key
        await send(settings, settings.names.firings_topic, key, serialize_firing(each))
    async with facts_of(settings) as facts, asyncio.timeout(180):
        assert await past_firings(facts, later) == [PastFiring(PLANNED, "", "fired")]


async def test_what_was_written_long_before_a_planned_time_is_not_read(settings: Settings) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    later = PLANNED + timedelta(hours=1)
    long_ago = min(PLANNED, datetime.now(UTC)) - timedelta(days=2)
    for each, at in ((firing("nightly", PLANNED), long_ago), (firing("nightly", later), None)):
        key = each.key.record_key
        await send(settings, settings.names.firings_topic, key, serialize_firing(each), at)
    async with facts_of(settings) as facts, asyncio.timeout(180):
        found = await past_firings(facts, PLANNED + timedelta(days=1))
        assert found == [PastFiring(later, "", "fired")]


async def past_firings(facts: KafkaFacts, until: datetime) -> Sequence[PastFiring]:
    while (found := facts.past_firings("p", "nightly", PLANNED, until)) is None:
        await asyncio.sleep(0.05)
    return found


async def test_what_was_read_of_firings_can_be_forgotten(settings: Settings) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    later = PLANNED + timedelta(days=1)
    async with facts_of(settings) as facts, asyncio.timeout(180):
        others = asyncio.all_tasks()
        assert facts.past_firings("p", "nightly", PLANNED, later) is None
        await asyncio.wait(asyncio.all_tasks() - others)
        fired = firing("nightly", PLANNED)
        topic = settings.names.firings_topic
        await send(settings, topic, fired.key.record_key, serialize_firing(fired))
        facts.forget_past_firings()
        assert await past_firings(facts, later) == [PastFiring(PLANNED, "", "fired")]
