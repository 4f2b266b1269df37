"""Is each change of a run handed over once, and is it known how far the books were read?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.record import Record, UndecodableRecord
from farandole.events.row_format import NewerFormatError
from farandole.events.run_row import new_run_row
from farandole.router.system_topics import system_topic_specs
from farandole.scheduler.facts import RunChange
from farandole.scheduler.run_reader import RunBuffer, RunReader, run_change

RUNS = [f"run{n}" for n in range(3)]


def row(run: str, **more: Any) -> bytes:
    return orjson.dumps({**new_run_row(run, "p", 1, 1_800_000_000_000), **more})


def record(value: bytes | None, key: bytes | None = b"run0", told: str = "completed") -> Record:
    headers = [("ce_type", f"run.{told}".encode())] if told else []
    return SimpleRecord("runs", 0, 0, key, value, headers)


class SimpleRecord:
    """A record as aiokafka returns it."""

    timestamp = 1_800_000_000_000

    def __init__(self, topic: str, partition: int, offset: int, key: Any, value: Any, headers: Any):
        self.topic, self.partition, self.offset = topic, partition, offset
        self.key, self.value, self.headers = key, value, headers


def test_a_completion_says_whose_run_it_is_how_it_stands_and_since_when() -> None:
    root = {"type": "asked", "topic": "p.asked", "partition": 0, "offset": 1, "at": 1, "to": []}
    value = row("run0", status="completed", closed=1_800_000_000_500, root=root)
    closed = datetime.fromtimestamp(1_800_000_000.5, UTC)
    wanted = RunChange("run0", "completed", "p", "asked", "completed", closed)
    assert run_change(record(value)) == wanted


@pytest.mark.parametrize("told", ["progressed", "opened", ""])
def test_a_row_that_only_replaces_another_tells_nothing(told: str) -> None:
    change = run_change(record(row("run0", status="running"), told=told))
    assert change == RunChange("run0", "", "p", "", "running")


def test_a_deleted_row_and_records_that_are_none_are_told_apart() -> None:
    deleted = run_change(record(None))
    assert deleted is not None
    assert deleted.is_deleted
    assert run_change(record(b"{}")) is None
    assert run_change(record(row("other"))) is None
    assert run_change(record(row("run0"), key=None)) is None
    assert run_change(UndecodableRecord("runs", 0, 0, why="odd")) is None
    with pytest.raises(NewerFormatError):
        run_change(record(row("run0", format=99)))


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from(RUNS), st.sampled_from(["", "completed"])),
        max_size=40,
    ),
    st.lists(st.tuples(st.integers(0, 10), st.integers(1, 5)), max_size=10),
)
def test_whatever_was_read_is_taken_once_or_replaced_by_a_newer_row(
    found: list[tuple[int, str, str]], takes: list[tuple[int, int]]
) -> None:
    """Records of a run are in one partition; after each number of records some are taken."""
    log: dict[int, list[RunChange]] = {0: [], 1: []}
    buffer, taken, cursor = RunBuffer({}), list[RunChange](), dict[int, int]()
    left = list(found)
    for count, limit in [*takes, (len(left), 1_000)]:
        for partition, run, told in left[:count]:
            change = RunChange(f"{partition}{run}", told, status=str(len(log[partition])))
            buffer.add(partition, len(log[partition]), change)
            log[partition].append(change)
            buffer.move(partition, len(log[partition]))
        left = left[count:]
        if read := buffer.take(limit):
            taken += read.changes
            cursor = dict(read.cursor)
            for partition, position in cursor.items():
                # What is behind the cursor is taken, or there is something newer of its run.
                for at, change in enumerate(log[partition][:position]):
                    newer = log[partition][at + 1 :]
                    assert change in taken or (
                        not change.transition and any(c.run == change.run for c in newer)
                    )
    every = [change for of in log.values() for change in of]
    assert len(taken) == len(set(taken))
    assert {c for c in every if c.transition} <= set(taken)
    assert {c.run: c for c in every} == {c.run: c for c in taken}
    assert cursor == {p: len(of) for p, of in log.items() if of}


def test_an_empty_buffer_has_nothing() -> None:
    buffer = RunBuffer({0: 7})
    buffer.move(0, 9)
    assert buffer.take(5) is None


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[RunReader]:
    reader = RunReader(settings)
    task = asyncio.create_task(reader.run())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.kafka
async def test_the_books_are_read_from_the_cursor_or_where_it_is_out_of_range_from_the_start(
    settings: Settings,
) -> None:
    topic = settings.names.runs_topic
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: system_topic_specs(settings.names)[topic]})
    async with (
        reading(settings) as reader,
        open_client(make_producer(settings), settings) as out,
        ClusterAdmin.open(settings) as admin,
    ):
        for run in RUNS:
            key, headers = run.encode(), [("ce_type", b"run.completed")]
            await out.send_and_wait(topic, row(run), key=key, headers=headers, partition=1)
        for cursor, wanted in (({}, RUNS), ({1: 2}, RUNS[2:]), ({1: 999}, RUNS), ({1: 3}, [])):
            reader.follow(cursor)
            await reader.read_to_end(partial(admin.end_offsets, stable=True))
            read = reader.take(100)
            found = [each.run for each in read.changes] if read else []
            assert found == wanted
            assert read is None or read.cursor == {0: 0, 1: 3, 2: 0, 3: 0}
        await out.send_and_wait(topic, row("run0"), key=b"run0", partition=1)
        await reader.read_to_end(partial(admin.end_offsets, stable=True))
        assert reader.has_some
        reader.rest()
        assert not reader.has_some
        reader.follow({1: 2})
        await reader.read_to_end(partial(admin.end_offsets, stable=True))
        read = reader.take(100)
        assert read is not None
        assert [each.run for each in read.changes] == [RUNS[2], "run0"]
