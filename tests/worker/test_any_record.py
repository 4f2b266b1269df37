"""Can any record stop a lane, and can everything be read that a lane writes about one?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.event_position import EventPosition
from farandole.events.header_codec import decode_headers
from farandole.events.record import Header, Record, UndecodableRecord
from farandole.events.retry_record import PARKED_PREFIX, REPLAY_PREFIX, parse_retry_row
from farandole.events.run_row import parse_run_row
from farandole.events.topology_version import EventSpec, StageSpec
from farandole.ledger.entry_validation import parse_entry
from farandole.ledger.run_fold import count_settled_events
from farandole.ledger.run_store import RunStore
from farandole.operations.dead_letters.replay_builder import NotReplayableError, parse_letter
from farandole.stages.contract import Context
from tests.events.made import Made, header_values
from tests.worker.made import (
    INSTALLATION,
    PATIENT,
    RETRY,
    In,
    Lane,
    LaneResult,
    Out,
    text_headers,
    version,
)  # fmt: skip

MANY = {"type": "array"}
Passed = TypeVar("Passed")
Position = tuple[str, int, int]
EVENTS = {
    "in": EventSpec(topic="p.in", partitions=4, key="n", boundaries=(0, 5, 9, 0)),
    "in2": EventSpec(topic="p.in2", partitions=4, boundaries=(0,) * 4, data_schema=MANY),
    "out": EventSpec(topic="p.out", partitions=4, data_schema=MANY),
}


def plain(event: In) -> Out:
    return Out(n=event.n)


def several(event: In) -> Iterator[Out]:
    yield Out(n=event.n)
    if event.n > 1:
        raise OSError("after the first")


def batch(events: list[In]) -> Iterator[Out]:
    for event in events:
        yield from several(event)


def told(event: In, context: Context) -> Out | None:
    if event.n > 1:
        raise OSError(str(context.attributes))
    return None


def passed(event: Passed) -> Passed:
    return event


def given_to(function: Callable[..., Any], *, parks: bool) -> Lane:
    stage = StageSpec(
        run="m:f", subscribes=("in", "in2"), emits=("keyed",) if function is plain else ("out",)
    )
    known = version(stages={"stage": stage}, events=EVENTS).model_copy(update={"ledger": 2})
    clock = (lambda: 1_700_000_000.0) if parks else None
    return Lane(function, versions=[known], retry=PATIENT, clock=clock)


OURS = f"farandole://{INSTALLATION}/p/before".encode()
LIKELY = {
    "ce_specversion": b"1.0",
    "ce_id": b"asked/0/1/0",
    "ce_source": OURS,
    "ce_type": b"in",
    "ce_topologyversion": b"p@1",
    "ce_runid": b"a" * 13,
}
ODD: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys([*LIKELY, "ce_correlationid", "traceparent", "farandole-again"], header_values),
    "ce_runid": st.sampled_from([b"\xff\xfe", b"a" * 65, b"", None, b"b" * 13]),
    "content-type": header_values,
    "dead_message": header_values,
    "ce_topologyversion": st.sampled_from([b"p@9", b"q@1", b"\xff", None]),
}
TIMES = st.sampled_from(
    [-1, 0, 5, -(2**63), 2**63 - 1, 1_700_000_000_000, 1_700_000_000_000_000, 253_402_300_799_001]
) | st.integers(-(2**63), 2**63 - 1)
VALUES = st.sampled_from(
    [b'{"n":1}', b'{"n":2}', b'[{"n":1}]', b"7", b'"text"', b"null", b"", None, b"\xff"]
) | st.binary(max_size=8)


@st.composite
def any_headers(draw: st.DrawFn) -> Sequence[Header]:
    """The headers of a copy of a stage's event, with some of them changed; or none."""
    if draw(st.integers(0, 3)) == 0:
        return []
    changed = draw(st.sets(st.sampled_from(sorted(ODD)), max_size=2))
    found: dict[str, Any] = {**LIKELY, **{name: draw(ODD[name]) for name in sorted(changed)}}
    for name in draw(st.sets(st.sampled_from(sorted(LIKELY)), max_size=1)):
        del found[name]
    return [*found.items()]


@st.composite
def any_records(draw: st.DrawFn) -> list[Record]:
    """Records of one partition, one of them at most undecodable."""
    topic, partition = draw(st.sampled_from(["p.in", "p.in2"])), draw(st.integers(0, 5))
    found: list[Record] = [
        Made(
            draw(VALUES),
            draw(any_headers()),
            key=draw(st.none() | st.binary(max_size=2)),
            topic=topic,
            partition=partition,
            offset=offset,
            timestamp=draw(TIMES),
        )
        for offset in range(draw(st.integers(1, 5)))
    ]
    if draw(st.integers(0, 9)) == 0:
        found.append(UndecodableRecord(topic, partition, len(found)))
    return found


def caused_by(event_id: str) -> Iterator[Position]:
    """Yield the positions of the events that caused an output."""
    event_type, partition, offset, _, more, _ = EventPosition.parse(event_id)
    for cause in range(offset, offset + more + 1):
        yield f"p.{event_type}", partition, cause


def check_nothing_is_left(outcome: LaneResult) -> None:
    """Check that what failed has emitted nothing, and that the books count what was emitted."""
    outputs = [*outcome.of("p.out"), *outcome.of("p.keyed")]
    failed = {
        (letter["topic"], int(letter["partition"]), int(letter["offset"]))
        for letter in outcome.dead
    } | {
        (event.topic, event.partition, event.offset)
        for row in outcome.of(RETRY)
        if row.value is not None and row.key != b"held"
        for event in [parse_retry_row(row.value)]
    }
    for output in outputs:
        assert failed.isdisjoint(caused_by(text_headers(output)["ce_id"]))
    entries = [parse_entry(outgoing.value) for outgoing in outcome.of("ledger")]
    parts = [part for entry in entries if entry for part in entry["runs"]]
    assert sum(out["n"] for part in parts for out in part["out"].values()) == len(outputs)


def check_readable(outcome: LaneResult, lane: Lane) -> None:
    """Read everything that a lane has written as those do who read it."""
    for outgoing in outcome.of("ledger"):
        entry = parse_entry(outgoing.value, lambda: pytest.fail("a part is not valid"))
        assert entry is not None
        store = RunStore()
        for part in entry["runs"]:
            store.apply_part(part, entry, count_settled_events(entry))
        for change in store.take_changes(1):
            assert parse_run_row(change.row) is not None
    for outgoing in outcome.of(RETRY):
        if outgoing.value is not None and outgoing.key != b"held":
            assert outgoing.key == PARKED_PREFIX + parse_retry_row(outgoing.value).row_name
    for offset, outgoing in enumerate(outcome.of("p.stage.dead")):
        letter = Made(
            outgoing.value,
            decode_headers(outgoing.headers),
            key=outgoing.key,
            topic="p.stage.dead",
            offset=offset,
            timestamp=1,
        )
        try:
            replay = parse_letter(letter, "stage", {"p@1": lane.version})
        except NotReplayableError:
            continue
        row = replay.retry_row
        assert row.key == REPLAY_PREFIX + parse_retry_row(row.value or b"").row_name


@pytest.mark.parametrize("parks", [True, False], ids=["parks", "waits"])
@pytest.mark.parametrize("function", [plain, several, batch, told, passed])
@given(records=any_records())
@settings(max_examples=40)
def test_no_record_stops_a_lane_and_all_it_writes_can_be_read(
    function: Callable[..., Any], parks: bool, records: list[Record]
) -> None:
    lane = given_to(function, parks=parks)
    outcome = asyncio.run(lane.handle(*records))
    check_readable(outcome, lane)
    check_nothing_is_left(outcome)


async def test_a_value_that_is_no_list_leaves_no_output_behind() -> None:
    """In a stage that passes on whatever it gets; each attempt emitted it once."""
    lane = given_to(passed, parks=False)
    outcome = await lane.handle(Made(b"7", topic="p.in2", partition=0, offset=0, timestamp=1))
    assert outcome.of("p.out") == []
    assert [(dead["attempts"], dead["message"]) for dead in outcome.dead] == [
        ("1", "data: a int, where the schema of the event is a list")
    ]


@given(records=any_records())
def test_any_record_that_kills_its_process_can_be_given_up(records: list[Record]) -> None:
    lane = given_to(plain, parks=True)

    async def give_up() -> LaneResult:
        outcome = LaneResult()
        for record in records:
            outcome.add(await lane.work.give_up(record, 5))
        return outcome

    outcome = asyncio.run(give_up())
    assert len(outcome.dead) == len(records)
    check_readable(outcome, lane)
