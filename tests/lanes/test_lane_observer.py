"""Does an observer get the events of a lane, in order?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from farandole.events.record import OutgoingRecord, Partition
from farandole.lanes.lane_port import CommittedOffset, OutcomeUnknownError
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.lane_work import BatchResult
from farandole.lanes.simulated_kafka import SimulatedKafka, SimulatedLock, SimulatedPort
from tests.lanes.test_waits import GROUP, INPUT, PLACE, Settling


class Watching:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def lane_opened(self, offsets: Mapping[Partition, int]) -> None:
        self.seen.append(("opened", offsets[INPUT]))

    def batch_committed(self, result: BatchResult, records: int) -> None:
        self.seen.append(("committed", records))

    def lane_failed(self, reason: str, detail: str) -> None:
        self.seen.append(("failed", reason, detail))

    def lane_closed(self, reason: str) -> None:
        self.seen.append(("closed", reason))


def watched() -> tuple[Watching, SimulatedKafka, SimulatedPort, Any]:
    """A lane with two events to settle, whose worker owns its partition."""
    kafka = SimulatedKafka(generations={"t": 1})
    kafka.offsets[GROUP, INPUT] = kafka.offsets[GROUP, PLACE] = CommittedOffset(0)
    for n in range(2):
        kafka.append(INPUT, OutgoingRecord(None, b"i%d" % n))
    port = SimulatedPort(kafka, GROUP, "t", [INPUT, PLACE], 1, state=[PLACE])
    watching = Watching()
    lane = run_lane(
        port,
        Settling(set()),
        isolation=SimulatedLock(),
        log=lambda *_, **__: None,
        observer=watching,
    )
    return watching, kafka, port, lane


def step(kafka: SimulatedKafka, lane: Any, label: str) -> None:
    """Run the lane until it is about to do this."""
    for _ in range(1_000):
        if lane.send(None) == label:
            return
        if "t" in kafka.producers:
            kafka.complete("t")
    raise AssertionError(f"it never came to: {label}")


def test_a_lane_that_is_stopped() -> None:
    watching, kafka, port, lane = watched()
    while ("committed", 2) not in watching.seen:
        step(kafka, lane, "committing")
        lane.send(None)
    port.stopping = True
    with pytest.raises(StopIteration):
        step(kafka, lane, "never")
    assert watching.seen == [("opened", 0), ("committed", 2), ("closed", "stopped")]


def test_a_lane_that_fails_opens_again() -> None:
    watching, kafka, _, lane = watched()
    step(kafka, lane, "commit")
    lane.throw(OutcomeUnknownError("no answer"))
    step(kafka, lane, "fetch")
    assert watching.seen == [("opened", 0), ("failed", "Unknown", "no answer"), ("opened", 0)]


def test_a_lane_whose_partition_another_owns() -> None:
    watching, kafka, _, lane = watched()
    step(kafka, lane, "commit")
    kafka.generations["t"] = 2
    lane.throw(OutcomeUnknownError("no answer"))
    with pytest.raises(StopIteration):
        step(kafka, lane, "never")
    assert watching.seen == [("opened", 0), ("closed", "lost ownership")]


def test_a_lane_that_is_abandoned() -> None:
    watching, kafka, _, lane = watched()
    step(kafka, lane, "fetch")
    with pytest.raises(asyncio.CancelledError):
        lane.throw(asyncio.CancelledError())
    assert watching.seen == [("opened", 0), ("closed", "abandoned")]
