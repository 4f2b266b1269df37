"""What becomes of what a program without transactions has written?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from farandole.events.header_codec import decode_headers
from farandole.events.outcome import Outcome
from farandole.events.raw_output import CAUSE_HEADER, TYPE_HEADER
from farandole.events.record import Partition, Record
from farandole.events.topology_version import StageSpec, Version
from farandole.lanes.raw_outputs import RawOutputs
from farandole.ledger.entry_validation import parse_entry
from farandole.ledger.run_fold import count_settled_events, fold_part
from farandole.worker.invoker import Invoker
from farandole.worker.lane_processor import LaneProcessor, LaneTopics
from farandole.worker.lineage import LineageResolver
from farandole.worker.output_routing import bind_outputs
from farandole.worker.relay import RELAY_SIGNATURE, RelayWork, relay_function
from tests.events.made import Made
from tests.worker.made import (
    BEFORE,
    LaneResult,
    account,
    controls_with,
    emitted,
    text_headers,
    version,
)

RAW = Partition("p.stage.raw", 0)
INPUT = Partition("p.in", 0)


class RelayedLane:
    """Lane 0 of the stage `stage`, and what its program has written."""

    def __init__(self, emits: tuple[str, ...] = ("out",)) -> None:
        stage = StageSpec(run="", external="at-least-once", subscribes=("in",), emits=emits)
        after = StageSpec(run="m:after", subscribes=("out",))
        stages = {"before": BEFORE, "stage": stage, "after": after}
        published = version(stages=stages).model_copy(update={"ledger": 1})
        self.outputs = RawOutputs(RAW)
        self.outputs.restart({INPUT: 0, RAW: 0})
        self.written = 0
        caller = Invoker(
            "p", "stage", stage, relay_function(self.outputs, emits), RELAY_SIGNATURE,
            None, lambda _: None, lambda _: None,
        )  # fmt: skip

        async def read_again() -> Mapping[int, Version]:
            return {1: published}

        bind = partial(bind_outputs, stage="stage", signature=RELAY_SIGNATURE, latest=stage)
        lineages = LineageResolver({1: published}, read_again, bind)
        topics = LaneTopics("p.stage.dead", "ledger")
        lane = LaneProcessor(
            caller, lineages, topics, 0, on_committed=lambda _: None, controls=controls_with()
        )
        self.work = RelayWork(lane, self.outputs)

    def write(self, place: str, value: Any = None, **headers: str) -> Made:
        """Let the program write an output to the raw topic."""
        named = [(CAUSE_HEADER, place.encode()), *((n, v.encode()) for n, v in headers.items())]
        raw = value if isinstance(value, bytes) else json.dumps(value or {"n": 1}).encode()
        record = Made(raw, named, topic=RAW.topic, partition=0, offset=self.written)
        self.written += 1
        self.outputs.add(record)
        return record

    async def handle(self, *records: Record) -> LaneResult:
        result = LaneResult()
        result.add(await self.work.handle(records))
        return result


async def test_an_output_becomes_one_of_ours_whatever_headers_the_program_gave() -> None:
    lane = RelayedLane()
    lane.write("p.in/0/7/0", {"n": 2}, ce_id="mine", ce_runid="nonsense")
    done = await lane.handle(emitted(7, run="a" * 13, partition=0, key=b"k"))
    (out,) = done.of("p.out")
    headers = text_headers(out)
    assert (out.key, out.value) == (b"k", b'{"n": 2}')
    assert (headers["ce_id"], headers["ce_runid"], headers["ce_type"]) == (
        "in/0/7/0", "a" * 13, "out",
    )  # fmt: skip
    assert headers["ce_source"].endswith("/p/stage")
    assert headers["ce_topologyversion"] == "p@1"


async def test_copies_are_relayed_once_and_in_the_order_of_their_numbers() -> None:
    lane = RelayedLane()
    for number in (1, 0, 1, 0):
        lane.write(f"p.in/0/7/{number}", {"n": number})
    done = await lane.handle(emitted(7, partition=0))
    assert done.data() == [{"n": 0}, {"n": 1}]


async def test_an_event_without_outputs_is_dropped() -> None:
    done = await RelayedLane().handle(emitted(7, partition=0))
    assert (done.of("p.out"), done.count(Outcome.DROPPED)) == ([], 1)


async def test_the_books_say_that_it_is_not_proven_and_the_run_is_settled() -> None:
    lane = RelayedLane()
    lane.write("p.in/0/7/0")
    done = await lane.handle(emitted(7, run="a" * 13, partition=0))
    entries = [parse_entry(each.value) for each in done.of("ledger")]
    assert [each and (each.get("format"), each.get("proven")) for each in entries] == [(2, False)]
    (entry,) = entries
    assert entry is not None
    row, _ = fold_part(None, entry["runs"][0], entry, count_settled_events(entry))
    assert row["edges"]["in>stage"].get("proven") is False
    assert row.get("format") == 2


@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        ([("p.in/0/7/1", {"n": 1}, {})], "none with the number 0"),
        ([("p.in/0/7/0", b"{", {})], "its output at p.stage.raw/0/0 cannot be read"),
        ([("p.in/0/7/0", {"n": 1}, {TYPE_HEADER: "other"})], "To('other'), but emits out"),
    ],
)
async def test_outputs_that_cannot_be_right_make_their_event_a_dead_letter(
    outputs: list[tuple[str, Any, dict[str, str]]], why: str
) -> None:
    lane = RelayedLane()
    for place, value, headers in outputs:
        lane.write(place, value, **headers)
    done = await lane.handle(emitted(7, partition=0))
    assert done.of("p.out") == []
    assert [why in each["message"] for each in done.dead] == [True], done.dead
    assert done.count(Outcome.DEAD) == 1


async def test_a_stage_with_several_outputs_needs_the_type_of_each() -> None:
    lane = RelayedLane(emits=("out", "other"))
    lane.write("p.in/0/7/0", {"n": 1}, **{TYPE_HEADER: "other"})
    lane.write("p.in/0/8/0", {"n": 1})
    done = await lane.handle(emitted(7, partition=0), emitted(8, partition=0))
    assert done.data("p.other") == [{"n": 1}]
    assert ["names no event type" in each["message"] for each in done.dead] == [True]


async def test_a_record_that_no_event_caused_is_a_dead_letter_in_no_books() -> None:
    lane = RelayedLane()
    stray = lane.write("p.other/0/7/0")
    done = await lane.handle(stray)
    (letter,) = done.of("p.stage.dead")
    assert letter.value == stray.value
    assert dict(decode_headers(letter.headers))[CAUSE_HEADER] == b"p.other/0/7/0"
    described = account(letter)
    assert (described["run"], described["version"]) == ("", "p@1")
    assert "which is no event of this lane" in described["message"]
    assert done.of("ledger") == []
