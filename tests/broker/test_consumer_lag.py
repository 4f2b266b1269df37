"""Does an ordered lag pass read in the order in which no lag proves that nothing is in flight?"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from uuid import uuid4

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from farandole.broker.consumer_lag import ordered_lag_pass, upstream_first
from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import EventSpec, StageSpec, Version


def version() -> Version:
    """a -> first -> b -> second -> c -> third, with the stages listed the other way round."""
    return Version(
        pipeline="p",
        version=1,
        installation=uuid4(),
        published=datetime.now(UTC),
        published_by="a test",
        events={name: EventSpec(topic=f"p.{name}", partitions=1) for name in "abc"},
        stages={
            "third": StageSpec(run="m:f", subscribes=("c",)),
            "second": StageSpec(run="m:f", subscribes=("b",), emits=("c",)),
            "first": StageSpec(run="m:f", subscribes=("a",), emits=("b",)),
        },
    )


class Kafka:
    """In which an event moves one stage down after every second look."""

    def __init__(self) -> None:
        self.looks: list[str] = []

    async def end_offsets(
        self, partitions: Collection[TopicPartition], *, stable: bool = False
    ) -> dict[TopicPartition, int]:
        self.looks += [f"end of {tp.topic}" for tp in partitions]
        return dict.fromkeys(partitions, 3)

    async def committed_offsets(
        self, group: str, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata | None]:
        self.looks.append(f"offsets of {group}")
        return {tp: OffsetAndMetadata(1, "") if group == "p.second" else None for tp in partitions}


def test_a_stage_comes_after_all_that_feed_it() -> None:
    assert upstream_first(version()) == ["first", "second", "third"]


async def test_ends_are_read_before_offsets_and_upstream_before_downstream() -> None:
    kafka = Kafka()
    await ordered_lag_pass(kafka, KafkaNames(), version())  # type: ignore[arg-type]
    assert kafka.looks == [
        "end of p.a", "offsets of p.first",
        "end of p.b", "offsets of p.second",
        "end of p.c", "offsets of p.third",
    ]  # fmt: skip


async def test_a_group_without_an_offset_lags_by_the_whole_log() -> None:
    lags = await ordered_lag_pass(Kafka(), KafkaNames(), version())  # type: ignore[arg-type]
    assert {stage: each.lag for stage, (each,) in lags.items()} == {
        "first": 3, "second": 2, "third": 3,
    }  # fmt: skip
