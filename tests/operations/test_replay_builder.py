"""Which letters can be replayed, and are the others refused with a reason?"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events import retry_record
from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.envelope import REPEATED_RUN_HEADER
from farandole.events.header_codec import decode_headers
from farandole.events.ledger_entry import ledger_partition
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.ledger.entry_validation import parse_entry as sound
from farandole.operations.dead_letters.replay_builder import (
    NotReplayableError,
    Replay,
    StageTopic,
    ledger_entries,
    new_run_roots,
    parse_letter,
    prepare_replay,
    replay_as_new_run,
    replay_by_newest,
    retry_rows,
)
from tests.notifier.letters import START

RUN = "a" * 13
TO = StageTopic("load", 2, 2_000_000)


def version(number: int, **more: Any) -> Version:
    return Version(
        pipeline="p", version=number, installation=UUID(int=1), published=START,
        published_by="me",
        events={"asked": EventSpec(topic="p.asked", partitions=2),
                "read": EventSpec(topic="p.read", partitions=2)},
        stages={"load": StageSpec(run="a:b", subscribes=("asked",))} | more.pop("stages", {}),
        **more,
    )  # fmt: skip


VERSIONS = {
    "p@1": version(1, retired=START + timedelta(days=1)),
    "p@2": version(2, ledger=4),
    "p@3": version(3, stages={"load": StageSpec(run="a:b", subscribes=("read",))}),
}


def record(**more: Any) -> SimulatedRecord:
    original: dict[str, Any] = {
        "value": b"{}", "topic": "p.asked", "partition": 1, "headers": [], "timestamp": 123,
    }  # fmt: skip
    original |= {name: more.pop(name) for name in original.keys() & more.keys()}
    largest = more.pop("largest", 1_000_000)
    fields: dict[str, Any] = {"version": "p@2", "run": RUN, "attempts": 4, "replays": 2} | more
    it = SimulatedRecord(
        original["topic"], original["partition"], 7, original["value"], b"k",
        original["headers"], original["timestamp"],
    )  # fmt: skip
    out = build_dead_letter(
        it, FailureAccount("load", error="E", message="m", **fields), largest=largest
    )
    return SimulatedRecord("p.load.dead", 0, 5, out.value, out.key, decode_headers(out.headers), 9)


def test_a_letter_becomes_the_event_that_died() -> None:
    made = prepare_replay(record(headers=[("ce_id", b"x"), ("dead_reason", b"x")]), TO, VERSIONS)
    assert (made.letter_offset, made.lane) == (5, 1)
    assert (made.run, made.event_type) == (RUN.encode(), "asked")
    event = made.event
    assert (event.topic, event.partition, event.offset) == ("p.asked", 1, 7)
    assert (event.key, event.value, event.headers) == (b"k", b"{}", (("ce_id", b"x"),))
    assert (event.timestamp, event.before, event.replays) == (123, 4, 3)
    assert retry_record.parse_retry_row(made.retry_row.value or b"") == event


def test_a_letter_without_the_newer_headers_is_replayed() -> None:
    its = record()
    names = {"dead_timestamp", "dead_replays", "dead_fingerprint", "dead_first_failed"}
    old = its._replace(headers=[h for h in its.headers if h[0] not in names])
    event = prepare_replay(old, TO, VERSIONS).event
    assert (event.timestamp, event.replays, event.first_failed) == (9, 1, 0)


@pytest.mark.parametrize("timestamp", [-1, 1_700_000_000_000_000, -(2**63), 2**63 - 1])
def test_a_letter_of_an_event_with_any_time_becomes_a_row_that_can_be_read(timestamp: int) -> None:
    its = record(timestamp=timestamp)._replace(timestamp=timestamp)
    row = prepare_replay(its, TO, VERSIONS).retry_row
    assert retry_record.parse_retry_row(row.value or b"").timestamp == 0


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (record(value=b"x" * 3_000_000), "it was cut to fit"),
        (record(value=None), "it has no value"),
        (record(run=""), "its run is not known"),
        (record(run="../etc"), "its run is not known"),
        (record(version="p@9"), "its version was never published"),
        (record(version=""), "its version was never published"),
        (record(version="p@3"), "it stood in a topic that load does not take in p@3"),
        (record(topic="p.elsewhere"), "it stood in a topic that load does not take in p@2"),
        (record(partition=2), "its lane is gone: load has 2"),
        (record(headers=[("h", b"\x00" * 100_000)]), "too large for the retry topic"),
        (SimulatedRecord("p.load.dead", 0, 5, b"{}"), "it does not say where the event stood"),
        (record(attempts=10**17), "a row that no lane can read: no row of a retry topic: before"),
    ],
)
def test_what_cannot_be_replayed_says_why(letter: SimulatedRecord, why: str) -> None:
    with pytest.raises(NotReplayableError, match=why):
        prepare_replay(letter, TO, VERSIONS)


def test_a_stage_that_is_gone_is_a_reason() -> None:
    with pytest.raises(NotReplayableError, match="other is no stage of p@2"):
        prepare_replay(record(), TO._replace(stage="other"), VERSIONS)


def test_a_value_larger_than_the_retry_topic_takes_is_a_reason() -> None:
    with pytest.raises(NotReplayableError, match="too large"):
        prepare_replay(record(value=b"x" * 900_000), TO._replace(largest=900_000), VERSIONS)


def its(**more: Any) -> Replay:
    return parse_letter(record(version="p@1", **more), "load", VERSIONS)


def test_a_root_of_a_retired_version_opens_a_new_run_linked_to_the_old() -> None:
    headers = [("ce_id", b"x"), ("ce_source", b"urn:till"), (REPEATED_RUN_HEADER, b"b" * 13)]
    made = replay_as_new_run(its(headers=headers), VERSIONS["p@2"])
    assert made.new_root is not None
    assert made.new_root[:2] == ("p.asked", 1)
    assert (made.new_root.record.key, made.new_root.record.value) == (b"k", b"{}")
    assert decode_headers(made.new_root.record.headers) == [
        *headers[:2],
        (REPEATED_RUN_HEADER, RUN.encode()),
    ]
    assert retry_rows([made]) == {}
    assert ledger_entries([made], "p", "load", 0) == {}
    assert new_run_roots([made]) == {("p.asked", 1): [made.new_root.record]}


def test_a_letter_of_a_retired_version_is_replayed_by_that_version() -> None:
    made = prepare_replay(record(version="p@1"), TO, VERSIONS)
    assert (made.needs_version, made.event.wired_by) == ("p@1", "")


def test_a_letter_replayed_by_the_newest_version_stays_in_the_books_of_its_own() -> None:
    booked = {**VERSIONS, "p@1": VERSIONS["p@1"].model_copy(update={"ledger": 4})}
    made = replay_by_newest(parse_letter(record(version="p@1"), "load", booked), VERSIONS["p@2"])
    assert (made.needs_version, made.event.wired_by) == ("p@2", "p@2")
    assert retry_record.parse_retry_row(made.retry_row.value or b"") == made.event
    (entry,) = ledger_entries([made], "p", "load", 0).values()
    assert sound(entry.value)["runs"][0]["version"] == 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("newest", "why"),
    [
        (VERSIONS["p@3"], "load does not take asked in p@3"),
        (version(4).model_copy(update={"stages": {}}), "load does not take asked in p@4"),
        (
            version(4).model_copy(update={"events": {"asked": EventSpec(topic="q", partitions=1)}}),
            "it stood in p.asked, and asked has another topic in p@4",
        ),
    ],
)
def test_a_letter_that_the_newest_version_does_not_take_says_why(newest: Version, why: str) -> None:
    with pytest.raises(NotReplayableError, match=why):
        replay_by_newest(its(), newest)


def test_in_a_narrower_topic_a_root_takes_another_partition() -> None:
    narrow = version(4).model_copy(update={"events": {"asked": EventSpec(topic="q", partitions=1)}})
    made = replay_as_new_run(its(), narrow)
    assert made.new_root is not None
    assert made.new_root[:2] == ("q", 0)


@pytest.mark.parametrize(
    ("made", "newest", "why"),
    [
        (its(), VERSIONS["p@3"], "p@1 is retired, and asked is no root of p@3"),
        (
            its(),
            version(
                4, stages={"ask": StageSpec(run="a:b", subscribes=("read",), emits=("asked",))}
            ),
            "p@1 is retired, and asked is no root of p@4",
        ),
        (its(headers=[("ce_source", b"farandole://x/p/ask")]), VERSIONS["p@2"],
         "a stage has emitted the event"),
        (its(value=b"x" * (1024 * 1024 - 50), largest=2_000_000), VERSIONS["p@2"],
         "too large to be linked"),
    ],
)  # fmt: skip
def test_a_letter_that_can_open_no_run_says_why(made: Replay, newest: Version, why: str) -> None:
    with pytest.raises(NotReplayableError, match=why):
        replay_as_new_run(made, newest)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["p@0", "p@2"])), max_size=30))
def test_each_letter_is_entered_once_in_the_ledger(of: list[tuple[str, str]]) -> None:
    known = VERSIONS | {"p@0": version(5)}  # from before there were books
    made = [prepare_replay(record(run=run * 13, version=of), TO, known) for run, of in of]
    parts = [
        (part["run"], part["in"]["asked"], partition)
        for partition, out in ledger_entries(made, "p", "load", 9).items()
        for part in (sound(out.value) or {"runs": []})["runs"]
    ]
    booked = Counter(run * 13 for run, of in of if of == "p@2")
    assert {run: -settled["dead"] for run, settled, _ in parts} == booked
    for run, settled, partition in parts:
        assert settled["parked"] == booked[run]
        assert (settled["n"], settled["hash"], settled["oldest"]) == (0, 0, 9)
        assert partition == ledger_partition(run.encode(), 4)
