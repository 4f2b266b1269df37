"""What does the profile of ten fields add to what a lane does for a typed line, without Kafka?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from benchmarks.profiles import PERSONAL, Line, line
from farandole.events.check_spec import CheckSpec, ProfileSpec
from farandole.events.envelope import RUN_ID, TOPOLOGY_VERSION, attribute_header, constant_headers
from farandole.events.header_codec import decode_headers, encode_headers
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import Header, Record
from farandole.events.topology_version import (
    QUALITY_FORMAT,
    EventSpec,
    StageSpec,
    Version,
)
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.stages.function_signature import read_signature
from farandole.worker.control_state import ControlState
from farandole.worker.invoker import Invoker
from farandole.worker.lane_assembly import make_lane_processor
from farandole.worker.lane_processor import LaneProcessor
from farandole.worker.parked_memory import ParkedMemory

RULES: Mapping[str, CheckSpec] = {
    "id": CheckSpec(rule="not-null", column="id"),
    "cents": CheckSpec(rule="range", column="cents", min=0),
    "week": CheckSpec(rule="range", column="week", min=1, max=53),
}
SCHEMA = {"type": "object", "properties": {name: {"personal": True} for name in PERSONAL}}
_RUN = "a" * 13


class Profiled(NamedTuple):
    """What is asked of the data of the lines."""

    profile: bool = False
    rules: bool = False


CONTESTANTS = {
    "without": Profiled(),
    "profiled": Profiled(profile=True),
    "profiled, three rules": Profiled(profile=True, rules=True),
}


def price(line: Line) -> Line:
    line.cents += 1
    return line


def measure(rows: int, rounds: int) -> dict[str, Any]:
    """Return the least microseconds of CPU that a lane needs for a line of one run that another
    stage has emitted, by what is asked of its data, and the profile's share."""
    lanes = {name: _lane(asked) for name, asked in CONTESTANTS.items()}
    version = _version(Profiled())
    named = [
        *constant_headers(version.source("read"), "line.0", version.published),
        attribute_header(TOPOLOGY_VERSION, version.name),
    ]
    best = dict.fromkeys(lanes, float("inf"))
    for turn in range(rounds):
        records = [_record(named, turn * rows + number) for number in range(rows)]
        for name, lane in lanes.items():
            began = time.process_time()
            asyncio.run(_work(lane, records))
            best[name] = min(best[name], (time.process_time() - began) * 1e6 / rows)
    for name, microseconds in best.items():
        print(f"  a lane, {name:34} {microseconds:8.2f} µs a row")
    added = best["profiled"] - best["without"]
    return {
        "lane": {name: round(each, 3) for name, each in best.items()},
        "a lane's profile, µs a row": round(added, 3),
        "a lane's profile / all of its work": round(added / best["profiled"], 3),
    }


async def _work(lane: LaneProcessor, records: list[Record]) -> None:
    while records:
        records = records[(await lane.handle(records)).settled :]


def _record(named: list[Header], number: int) -> Record:
    """Return a record as a client reads it: no two of them share a header."""
    id_ = ("ce_id", b"feed/0/%d/0" % number)
    headers = encode_headers([*named, id_, attribute_header(RUN_ID, _RUN)])
    return SimulatedRecord("bench.line.0", 0, number, line(number), None, decode_headers(headers))


def _lane(asked: Profiled) -> LaneProcessor:
    version = _version(asked)

    async def read_again() -> Mapping[int, Version]:
        return versions

    versions = {1: version}
    invoker = Invoker(
        pipeline="bench",
        stage="price",
        settings=version.stages["price"],
        function=price,
        signature=read_signature(price),
        threads=None,
        call_started=lambda seconds: seconds,
        call_ended=lambda _: None,
    )
    return make_lane_processor(
        invoker, 0, versions, read_again, KafkaNames(), None, None,
        on_committed=lambda _: None,
        parked_memory=ParkedMemory(),
        controls=ControlState(None, "bench").of_stage("price"),
    )  # fmt: skip


def _version(asked: Profiled) -> Version:
    event = partial(EventSpec, partitions=1)
    return Version(
        format=QUALITY_FORMAT,
        pipeline="bench",
        version=1,
        installation=UUID(int=1),
        published=datetime(2026, 1, 1, tzinfo=UTC),
        published_by="bench",
        ledger=4,
        events={
            "feed": event(topic="bench.feed", boundaries=(0,)),
            "line.0": event(
                topic="bench.line.0",
                boundaries=(0,),
                data_schema=SCHEMA,
                profile=ProfileSpec() if asked.profile else None,
                checks=RULES if asked.rules else {},
            ),
            "line.1": event(topic="bench.line.1", boundaries=(0,)),
        },
        stages={
            "read": StageSpec(run="m:read", subscribes=("feed",), emits=("line.0",)),
            "price": StageSpec(
                run="benchmarks.profiled_lane:price", subscribes=("line.0",), emits=("line.1",)
            ),
        },
    )
