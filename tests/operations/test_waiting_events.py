"""Does `status` count exactly what waits, however much stands in a retry topic?"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.record_batch import build_batches
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.cli.rendering.status_view import waiting_lines
from farandole.events import retry_record
from farandole.events.next_step import plain_command_line
from farandole.events.number_ranges import format_ranges
from farandole.events.record import OutgoingRecord
from farandole.events.retry_record import PARKED_PREFIX, REPLAY_PREFIX, ParkedEvent
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.operations.status import waiting_events as module
from farandole.operations.status.waiting_events import (
    OpenBreakerLane,
    WaitingEvents,
    WaitingRow,
    classify_row,
    count_waiting_events,
)
from farandole.worker.breaker_alerts import BREAKER_ROW_KEY
from tests.cli.conftest import Call, environment

SINCE = datetime(2024, 11, 27, 12, 3, 11, tzinfo=UTC)
HELD_ROW = json.dumps({"since": SINCE.isoformat(), "why": "OperationalError: no route"}).encode()
LANES = 3


def parked(
    offset: int, since: datetime = SINCE, kind: bytes = PARKED_PREFIX, **more: Any
) -> OutgoingRecord:
    fields: dict[str, Any] = {
        "topic": "p.a", "partition": 0, "value": b"{}", "key": b"k", "headers": (), **more,
    }  # fmt: skip
    at = int(since.timestamp() * 1000) if kind == PARKED_PREFIX else 0
    return retry_record.make_retry_row(
        ParkedEvent(offset=offset, timestamp=1, since=at, **fields), kind
    )


async def write(settings: Settings, lane: int, *rows: OutgoingRecord, at: datetime = SINCE) -> None:
    """In transactions, as a lane does: their markers take offsets too."""
    topic, writing = settings.names.retry_topic("p", "load"), f"{settings.names.prefix}lane"
    async with ClusterAdmin.open(settings) as admin:
        if topic not in await admin.all_topics():
            await admin.create_topics({topic: TopicSpec(LANES, {"cleanup.policy": "compact"})})
    async with open_client(make_producer(settings, transactional_id=writing), settings) as client:
        for first in range(0, len(rows), 50):
            async with client.transaction():
                for batch in build_batches(rows[first : first + 50], int(at.timestamp() * 1000)):
                    await (await client.send_batch(batch, topic, partition=lane))


async def counted(settings: Settings) -> WaitingEvents:
    async with ClusterAdmin.open(settings) as admin:
        return (await count_waiting_events(admin, settings, "p", ["load"]))["load"]


@pytest.mark.kafka
async def test_a_stage_without_rows_has_nothing_that_waits(settings: Settings) -> None:
    assert await counted(settings) == WaitingEvents()
    await write(settings, 0, parked(1), OutgoingRecord(parked(1).key, None))
    assert await counted(settings) == WaitingEvents()


@pytest.mark.kafka
async def test_a_row_counts_once_and_what_is_settled_no_more(settings: Settings) -> None:
    later = SINCE.replace(hour=13)
    await write(settings, 0, parked(1), parked(2, later), parked(1, attempts=2))
    await write(settings, 2, parked(3, later), parked(4), OutgoingRecord(parked(4).key, None))
    assert await counted(settings) == WaitingEvents(3, SINCE)


@pytest.mark.kafka
async def test_a_replay_waits_from_its_order_until_it_is_taken_up(settings: Settings) -> None:
    await write(settings, 1, parked(1, kind=REPLAY_PREFIX))
    assert await counted(settings) == WaitingEvents(1, SINCE)
    taken_up = SINCE.replace(hour=14)
    await write(
        settings, 1, parked(1, taken_up), OutgoingRecord(parked(1, kind=REPLAY_PREFIX).key, None)
    )
    assert await counted(settings) == WaitingEvents(1, taken_up)


@pytest.mark.kafka
async def test_a_breaker_is_open_for_as_long_as_its_row_says_so(settings: Settings) -> None:
    for lane in (0, 2):
        await write(settings, lane, OutgoingRecord(BREAKER_ROW_KEY, HELD_ROW))
    both = tuple(OpenBreakerLane(lane, SINCE, "OperationalError: no route") for lane in (0, 2))
    assert await counted(settings) == WaitingEvents(held=both)
    await write(settings, 0, OutgoingRecord(BREAKER_ROW_KEY, None))
    assert await counted(settings) == WaitingEvents(held=both[1:])


@pytest.mark.kafka
async def test_rows_that_no_lane_would_believe_count_for_nothing(settings: Settings) -> None:
    strange = [b"", b"?", b"{}", b"[]\n", b'{"topic": 1}\n', b'{"since": "x", "why": 1}']
    keys = [PARKED_PREFIX + b"1", REPLAY_PREFIX + b"1", BREAKER_ROW_KEY, b"else", b"\xff"]
    await write(settings, 0, *(OutgoingRecord(key, value) for key in keys for value in strange))
    await write(settings, 1, parked(1, SINCE.replace(year=2999)))
    found = await counted(settings)
    assert (found.count, found.held) == (1, ())


@pytest.mark.kafka
@pytest.mark.parametrize("seed", range(3))
async def test_whatever_was_written_over_the_rows_that_stand_are_counted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Read in many small steps, from the end."""
    monkeypatch.setattr(module, "_FIRST_OFFSETS", 5)
    monkeypatch.setattr(module, "_GROWTH", 2)
    chance, standing = random.Random(seed), 0
    for lane in range(LANES):
        written: dict[int, bool] = {}
        rows = []
        for _ in range(chance.randrange(300)):
            offset = chance.randrange(60)
            written[offset] = chance.random() < 0.7
            row = parked(offset)
            rows.append(row if written[offset] else OutgoingRecord(row.key, None))
        await write(settings, lane, *rows)
        standing += sum(written.values())
    assert await counted(settings) == WaitingEvents(standing, SINCE if standing else None)


@pytest.mark.kafka
@pytest.mark.parametrize(("most", "value"), [("MAX_READ_ROWS", 150), ("MAX_READ_BYTES", 15_000)])
async def test_beyond_the_limits_the_newest_rows_give_a_lower_bound(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, most: str, value: int
) -> None:
    monkeypatch.setattr(module, most, value)
    await write(
        settings, 0, *(parked(n) for n in range(1000)), OutgoingRecord(BREAKER_ROW_KEY, HELD_ROW)
    )
    found = await counted(settings)
    assert found.more
    assert 25 <= found.count <= 200
    assert [lane.lane for lane in found.held] == [0]
    assert str(found) == f"{found.count}+"


@pytest.mark.kafka
def test_status_shows_waiting_events_and_open_breakers(call: Call, settings: Settings) -> None:
    env = environment(settings)
    assert call("apply", env=env).exit_code == 0
    topic = settings.names.retry_topic("order-lines", "load")

    async def written() -> None:
        async with open_client(make_producer(settings), settings) as client:
            for row in (parked(1), parked(2)):
                await client.send_and_wait(topic, row.value, key=row.key, partition=0)
            await client.send_and_wait(topic, HELD_ROW, key=BREAKER_ROW_KEY, partition=1)

    asyncio.run(written())
    document = json.loads(call("status", "--json", env=env).stdout)["waiting"]
    since = "2024-11-27T12:03:11+00:00"
    why = "OperationalError: no route"
    assert document["load"] == {
        "count": 2, "since": since, "more": False,
        "held": [{"lane": 1, "since": since, "why": why}], "due": None, "for_person": 0,
    }  # fmt: skip
    nothing: dict[str, Any] = {
        "count": 0, "since": None, "more": False, "held": [], "due": None, "for_person": 0,
    }  # fmt: skip
    assert document["plan"] == nothing
    text = call("status", env=env).stdout
    at = "2024-11-27 12:03:11 UTC"
    assert f"load: 2 events wait to be tried again, the oldest since {at}\n" in text
    assert f"load holds its input in lane 1, since {at}: {why}\n" in text


def test_breakers_that_are_open_for_the_same_reason_are_one_line() -> None:
    def held(lane: int, why: str) -> OpenBreakerLane:
        return OpenBreakerLane(lane, SINCE.replace(minute=lane), why)

    found = WaitingEvents(
        held=(*(held(n, f"E: port {n}") for n in (1, 2, 3, 5)), held(4, "E: full"))
    )
    assert waiting_lines("load", found, plain_command_line) == [
        "load holds its input in lanes 1-3, 5, since 2024-11-27 12:01:11 UTC: E: port 1",
        "load holds its input in lane 4, since 2024-11-27 12:04:11 UTC: E: full",
    ]


def test_rows_that_wait_for_a_person_are_counted_with_the_command_that_shows_them() -> None:
    row = parked(1, checks="price")
    record = SimulatedRecord("p.load.retry", 0, 0, row.value, row.key)
    assert classify_row(record, SINCE) == WaitingRow(SINCE, None, for_person=True)
    found = WaitingEvents(3, SINCE, for_person=2)
    assert waiting_lines("load", found, plain_command_line) == [
        "load: 3 events wait to be tried again, the oldest since 2024-11-27 12:03:11 UTC",
        "load: 2 rows wait until a person decides: farandole parked load",
    ]


@given(st.sets(st.integers(0, 40)))
def test_ranges_name_every_number_once(numbers: set[int]) -> None:
    text = format_ranges(numbers)
    assert _named(text.split(", ") if text else []) == sorted(numbers)
    assert text.count(", ") < max(1, len(numbers))


def _named(text: Sequence[str]) -> list[int]:
    ends = [[int(end) for end in each.split("-")] for each in text]
    return [n for each in ends for n in range(each[0], each[-1] + 1)]
