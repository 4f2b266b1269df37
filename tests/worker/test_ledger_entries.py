"""Do the ledger entries of a transaction count exactly what it consumed and emitted?"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.envelope import trigger_headers
from farandole.events.header_codec import decode_headers
from farandole.events.ledger_entry import hash_event_ids, ledger_partition, parse_ledger_entry
from farandole.events.outcome import Outcome
from farandole.events.record import Record
from farandole.events.root_record import SCHEDULE_SOURCE
from farandole.events.run_ids import RunIdGenerator
from farandole.events.schedule_origin import origin_headers
from farandole.events.topology_version import (
    VERSION_FORMAT,
    EventSpec,
    RunExpectation,
    StageSpec,
    Version,
)
from farandole.stages.contract import Reject
from farandole.worker.ledger_entries import MAX_ENTRY_BYTES
from tests.worker.made import INSTALLATION, In, Lane, LaneResult, Out, bare, emitted, version

LEDGER = 3
RUNS = RunIdGenerator(INSTALLATION, "p.in")
AFTER = StageSpec(run="m:after", subscribes=("out",))
STAGE = StageSpec(run="m:f", subscribes=("in",), emits=("out",), when={"in": "data.n != 5"})


def booked(**changed: Any) -> Version:
    made = version(stages={"stage": STAGE, "after": AFTER, "other": AFTER})
    return made.model_copy(update={"ledger": LEDGER, **changed})


def straight(event: In) -> Out | None:
    if event.n == 1:
        raise Reject("one")
    return None if event.n == 2 else Out(n=event.n)


async def awaited(event: In) -> Out | None:
    return straight(event)


def several(event: In) -> Iterator[Out]:
    if event.n == 1:
        raise Reject("one")
    yield from (Out(n=n) for n in range(0 if event.n == 2 else event.n))


async def several_awaited(event: In) -> AsyncIterator[Out]:
    for each in several(event):
        yield each


def batch(events: list[In]) -> Iterator[Out]:
    if any(event.n == 1 for event in events):
        raise Reject("one among them")
    yield from (Out(n=e.n) for e in events if e.n != 2)


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    made: list[Record] = []
    for offset in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["root", "a", "b", "nonsense", "nothing", "unknown version"]))
        data = {"n": draw(st.integers(0, 5))}
        if kind == "root":
            made.append(bare(data, offset))
        elif kind == "nonsense":
            made.append(bare(b"{", offset))
        elif kind == "nothing":
            made.append(bare(offset=offset)._replace(value=None))
        elif kind == "unknown version":
            made.append(emitted(offset, of="p@99"))
        else:
            value = orjson.dumps(data)
            made.append(emitted(offset, run=kind * 13)._replace(value=value))
    return made


def consumed_by(given_: Sequence[Record]) -> dict[str, list[bytes]]:
    """By run, the ids of what was given; of a root, and of what is no better, its run's."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for record in given_:
        headers = dict(record.headers)
        if headers.get("ce_topologyversion") == b"p@1" and record.value is not None:
            found[headers["ce_runid"].decode()].append(headers["ce_id"])
        else:
            run = RUNS.run_id(record.partition, record.offset, VERSION_FORMAT)
            found[run].append(run.encode())
    return found


def emitted_in(outcome: LaneResult) -> dict[str, list[bytes]]:
    """By run, the ids of what stands among the results."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for outgoing in outcome.of("p.out"):
        headers = dict(decode_headers(outgoing.headers))
        found[headers["ce_runid"].decode()].append(headers["ce_id"])
    return found


def parts(outcome: LaneResult) -> list[tuple[int, Any]]:
    """With the partition of the ledger in which each stands."""
    found = []
    for place, out in outcome.writes.items():
        for outgoing in out if place.topic == "ledger" else ():
            entry = parse_ledger_entry(outgoing.value)
            assert entry is not None
            assert (entry["pipeline"], entry["stage"], entry["lane"]) == ("p", "stage", 0)
            found += [(place.partition, part) for part in entry["runs"]]
    return found


def summed(outcome: LaneResult, side: str, kind: str) -> dict[str, tuple[int, int]]:
    totals: dict[str, tuple[int, int]] = {}
    for _, part in parts(outcome):
        if kind in part[side]:
            n, total = totals.get(part["run"], (0, 0))
            counts = part[side][kind]
            totals[part["run"]] = n + counts["n"], (total + counts["hash"]) % 2**64
    return totals


def counted(ids: dict[str, list[bytes]]) -> dict[str, tuple[int, int]]:
    return {run: (len(each), hash_event_ids(each)) for run, each in ids.items()}


def worked(function: Callable[..., Any], given_: Sequence[Record], **changed: Any) -> LaneResult:
    lane = Lane(function, versions=[booked(**changed)])
    return asyncio.run(lane.handle(*given_))


FUNCTIONS = pytest.mark.parametrize(
    "function", [straight, awaited, several, several_awaited, batch], ids=lambda f: f.__name__
)


@FUNCTIONS
@settings(max_examples=40)
@given(given_=records())
def test_consumed_events_are_in_the_entries_by_run_count_and_hash(
    function: Callable[..., Any], given_: list[Record]
) -> None:
    assert summed(worked(function, given_), "in", "in") == counted(consumed_by(given_))


@FUNCTIONS
@settings(max_examples=40)
@given(given_=records())
def test_emitted_events_are_in_the_entries_by_run_count_and_hash(
    function: Callable[..., Any], given_: list[Record]
) -> None:
    outcome = worked(function, given_)
    assert summed(outcome, "out", "out") == counted(emitted_in(outcome))


@FUNCTIONS
@settings(max_examples=40)
@given(given_=records())
def test_dead_dropped_and_filtered_events_are_counted_as_such(
    function: Callable[..., Any], given_: list[Record]
) -> None:
    outcome = worked(function, given_)
    counts = [part["in"]["in"] for _, part in parts(outcome)]
    for kind in (Outcome.DEAD, Outcome.DROPPED, Outcome.FILTERED):
        assert sum(each.get(kind.value, 0) for each in counts) == outcome.count(kind), kind
    assert len(outcome.dead) == outcome.count(Outcome.DEAD)


@FUNCTIONS
@settings(max_examples=40)
@given(given_=records())
def test_the_entries_of_a_run_are_in_its_partition_of_the_ledger(
    function: Callable[..., Any], given_: list[Record]
) -> None:
    for partition, part in parts(worked(function, given_)):
        assert partition == ledger_partition(part["run"].encode(), LEDGER)


def test_each_consumer_of_a_root_names_all_of_its_subscribers() -> None:
    expect = RunExpectation(complete_within=60, fail_above=0.1)
    ((_, part),) = parts(worked(straight, [bare({"n": 3}, 7)._replace(timestamp=5)], expect=expect))
    assert part["root"] == {
        "type": "in",
        "topic": "p.in",
        "partition": 0,
        "offset": 7,
        "at": 5,
        "to": ["stage"],
        "within": 60,
        "fail_above": 0.1,
    }


def test_a_root_that_a_schedule_published_says_so_in_the_books() -> None:
    planned = datetime(2026, 11, 30, 2, 30, tzinfo=UTC)
    headers = trigger_headers(SCHEDULE_SOURCE, "in", "nightly/2026-11-30T02:30:00Z", planned)
    record = bare({"n": 3}, headers=[*headers, *origin_headers("nightly", planned)])
    ((_, part),) = parts(worked(straight, [record]))
    root = part["root"]
    assert (root["schedule"], root["planned"]) == ("nightly", "2026-11-30T02:30:00Z")


def test_an_event_that_a_stage_emitted_opens_no_run() -> None:
    ((_, part),) = parts(worked(straight, [emitted(3)]))
    assert "root" not in part
    assert part["out"]["out"]["to"] == ["after", "other"]


def test_a_dead_letter_names_the_run_in_which_the_ledger_counts_it() -> None:
    outcome = worked(straight, [bare(b"{", 4)])
    ((_, part),) = parts(outcome)
    assert outcome.dead[0]["run"] == part["run"] == RUNS.run_id(0, 4, VERSION_FORMAT)


def test_a_version_from_before_the_ledger_has_no_entries() -> None:
    assert parts(worked(straight, [emitted(3)], ledger=0)) == []


def test_many_runs_are_split_over_records_and_no_run_is_split() -> None:
    given_ = [bare({"n": 3}, offset) for offset in range(6000)]
    outcome = worked(straight, given_)
    entries = [o for p, out in outcome.writes.items() if p.topic == "ledger" for o in out]
    assert max(len(o.value or b"") for o in entries) <= MAX_ENTRY_BYTES
    assert len(parts(outcome)) == len(given_)
    assert summed(outcome, "in", "in") == counted(consumed_by(given_))


def test_the_lines_of_an_event_that_is_a_list_are_counted() -> None:
    listed = EventSpec(
        topic="p.in", partitions=4, data_schema={"type": "array"}, boundaries=(0,) * 4
    )
    made = booked()
    made = made.model_copy(update={"events": {**made.events, "in": listed}})
    stage = STAGE.model_copy(update={"when": {}})
    made = made.model_copy(update={"stages": {**made.stages, "stage": stage}})

    def first(lines: list[In]) -> Out:  # one event of many lines is told by its schema
        return Out(n=len(lines))

    lane = Lane(first, versions=[made])
    outcome = asyncio.run(lane.handle(bare({"n": 1}, 1), bare({"n": 2}, 2)))
    assert len(parts(outcome)) == 2
