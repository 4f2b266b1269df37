"""Is a version retired when no event of it can come any more, and never earlier?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.run_row import new_edge, parse_run_row
from farandole.events.topology_version import EventSpec, StageSpec, StageTopic, Version
from farandole.router.topology_store import published_versions_of
from farandole.router.version_publisher import publish_version
from farandole.router.version_reopening import inputs_to_read_again
from farandole.router.version_retirement import (
    drained_versions,
    retire_versions,
    versions_of_run,
)
from tests.router.made import MORE, derived
from tests.router.test_version_publisher import commit, published


def version(number: int, *boundaries: int, stages: tuple[str, ...] = ("s",)) -> Version:
    return Version(
        pipeline="p",
        version=number,
        installation=uuid4(),
        published=datetime.now(UTC),
        published_by="me",
        events={"in": EventSpec(topic="p.in", partitions=2, boundaries=boundaries)},
        stages={name: StageSpec(run="m:f", subscribes=("in",)) for name in stages},
    )


def offsets(
    **by_stage: tuple[int | None, int | None],
) -> dict[str, dict[TopicPartition, int | None]]:
    return {
        stage: {TopicPartition("p.in", i): at for i, at in enumerate(each)}
        for stage, each in by_stage.items()
    }


ENDS = {TopicPartition("p.in", 0): 100, TopicPartition("p.in", 1): 100}
TWO = [version(1, 0, 0, stages=("s", "t")), version(2, 10, 20)]


@pytest.mark.parametrize(
    ("s", "t", "over"),
    [
        ((10, 20), (10, 20), [1]),
        ((99, 99), (99, 99), [1]),
        ((9, 20), (10, 20), []),
        ((10, 20), (10, 19), []),
        ((10, 20), (None, 20), []),
    ],
)
def test_the_roots_of_a_version_end_where_the_next_one_begins(
    s: tuple[int, int], t: tuple[int | None, int], over: list[int]
) -> None:
    assert [v.version for v in drained_versions(TWO, offsets(s=s, t=t), ENDS)] == over


def test_the_newest_version_is_never_retired() -> None:
    assert drained_versions([version(1, 0, 0)], offsets(s=(100, 100)), ENDS) == []


def test_in_a_topic_that_no_later_version_has_they_end_where_the_topic_ends() -> None:
    later = version(2, 0, 0).model_copy(update={"events": {}, "stages": {}})
    versions_ = [version(1, 0, 0), later]
    assert drained_versions(versions_, offsets(s=(100, 99)), ENDS) == []
    assert [v.version for v in drained_versions(versions_, offsets(s=(100, 100)), ENDS)] == [1]


def row_of(*, closed: int | None, **edges: dict[str, int]) -> dict[str, Any]:
    return {
        "run": "a", "pipeline": "p", "version": 1, "closed": closed, "opened": 1, "last": 1,
        "status": "running" if closed is None else "completed", "root": None, "amended": 0,
        "late": False, "edges": {n: {**new_edge(), **e} for n, e in edges.items()}, "leaves": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "needs"),
    [
        (row_of(closed=5), {}),
        (row_of(closed=None), {1: set()}),
        (row_of(closed=5, **{"in>s": {"emitted": 2, "consumed": 2, "parked": 1}}), {1: {"s"}}),
        (row_of(closed=5, **{"in>s": {"emitted": 2, "consumed": 3}}), {}),
        (row_of(closed=5, **{"in>s@p@3": {"emitted": 1}}), {3: {"s"}}),
        (row_of(closed=None, **{"in>s@p@3": {"emitted": 1}}), {1: set(), 3: {"s"}}),
        (row_of(closed=5, **{"in>s@other@3": {"emitted": 1}}), {}),
    ],
)
def test_a_run_needs_the_versions_of_which_something_is_in_flight(
    row: Any, needs: dict[int, set[str]]
) -> None:
    assert versions_of_run(row) == needs


def test_what_only_a_reopened_version_reads_is_read_again() -> None:
    parking = StageTopic(topic="p.t.retry", partitions=2)
    t = StageSpec(run="m:f", subscribes=("in",), parking=parking)
    old = version(1, 0, 0).model_copy(update={"retired": datetime.now(UTC)})
    old = old.model_copy(update={"stages": {**old.stages, "t": t}})
    versions_ = {1: old, 2: version(2, 10, 20)}
    assert inputs_to_read_again(versions_, {1: old}) == {"t": ["p.in", "p.t.retry"]}


async def _row(settings: Settings, *, closed: int | None, **edges: dict[str, int]) -> None:
    row = row_of(closed=closed, **edges)
    assert parse_run_row(orjson.dumps(row)) is not None
    async with open_client(make_producer(settings), settings) as writer:
        await writer.send_and_wait(
            settings.names.runs_topic, orjson.dumps(row), key=b"a", partition=0
        )


async def _books_at_end(settings: Settings) -> None:
    names = settings.names
    async with ClusterAdmin.open(settings) as admin:
        count = (await admin.all_topics())[names.ledger_topic]
        ends = await admin.end_offsets(
            [TopicPartition(names.ledger_topic, i) for i in range(count)]
        )
    member = make_consumer(settings, group=names.bookkeeper_group)
    async with open_client(member, settings):
        member.assign(list(ends))
        await member.commit(ends)


async def _retired(settings: Settings) -> list[int]:
    return [v.version for v in await published_versions_of(settings, "p") if v.retired]


@pytest.mark.kafka
async def test_a_version_is_retired_once_its_roots_are_settled_and_its_runs_complete(
    settings: Settings,
) -> None:
    await publish_version(settings, derived(settings.names), "ann")
    await published(settings, settings.names.event_topic("p", "asked"), 0, 2)
    await publish_version(settings, derived(settings.names, MORE), "ann")
    await _row(settings, closed=None)
    assert await retire_versions(settings, "p") == []  # its roots are not settled
    await commit(settings, "read", "asked", [2])
    await published(settings, settings.names.ledger_topic, 1, 1)
    await _row(settings, closed=5)
    assert await retire_versions(settings, "p") == []  # what their entries say is not folded
    await _books_at_end(settings)
    await _row(settings, closed=None)
    assert await retire_versions(settings, "p") == []  # a run of it is open
    await _row(settings, closed=5)
    assert [v.version for v in await retire_versions(settings, "p")] == [1]
    assert await _retired(settings) == [1]
    assert await retire_versions(settings, "p") == []
    # Something was replayed at the same time, whose results a stage reads that is hosted no more.
    await _row(settings, closed=5, **{"asked>gone": {"emitted": 1}})
    assert await retire_versions(settings, "p") == []
    assert await _retired(settings) == []
    await _row(settings, closed=5)
    assert [v.version for v in await retire_versions(settings, "p")] == [1]
