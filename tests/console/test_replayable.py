"""Which letters can be replayed, and are the others refused with a reason?"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.console.dead_letters.replayable import (
    NotReplayable,
    Replay,
    Retrying,
    as_new_run,
    entries,
    read,
    replay,
    roots,
    rows,
)
from farandole.events import retry
from farandole.events.deadletter import Death, letter
from farandole.events.envelope import AGAIN
from farandole.events.headers import decoded
from farandole.events.ledger import partition_of
from farandole.events.topology import Event, Stage, Version
from farandole.lanes.simulation import SimulatedRecord
from farandole.ledger.reading import entry as sound
from tests.notifier.letters import START

RUN = "a" * 13
TO = Retrying("load", 2, 2_000_000)


def version(number: int, **more: Any) -> Version:
    return Version(
        pipeline="p", version=number, installation=UUID(int=1), published=START,
        published_by="me",
        events={"asked": Event(topic="p.asked", partitions=2),
                "read": Event(topic="p.read", partitions=2)},
        stages={"load": Stage(run="a:b", subscribes=("asked",))} | more.pop("stages", {}),
        **more,
    )  # fmt: skip


VERSIONS = {
    "p@1": version(1, retired=START + timedelta(days=1)),
    "p@2": version(2, ledger=4),
    "p@3": version(3, stages={"load": Stage(run="a:b", subscribes=("read",))}),
}


def record(**more: Any) -> SimulatedRecord:
    original: dict[str, Any] = {"value": b"{}", "topic": "p.asked", "partition": 1, "headers": []}
    original |= {name: more.pop(name) for name in original.keys() & more.keys()}
    largest = more.pop("largest", 1_000_000)
    said = {"version": "p@2", "run": RUN, "attempts": 4, "replays": 2} | more
    it = SimulatedRecord(
        original["topic"], original["partition"], 7, original["value"], b"k",
        original["headers"], 123,
    )  # fmt: skip
    out = letter(it, Death("load", error="E", message="m", **said), largest=largest)
    return SimulatedRecord("p.load.dead", 0, 5, out.value, out.key, decoded(out.headers), 9)


def test_a_letter_becomes_the_event_that_died() -> None:
    made = replay(record(headers=[("ce_id", b"x"), ("dead_reason", b"x")]), TO, VERSIONS)
    assert (made.letter, made.lane, made.run, made.event_type) == (5, 1, RUN.encode(), "asked")
    event = made.event
    assert (event.topic, event.partition, event.offset) == ("p.asked", 1, 7)
    assert (event.key, event.value, event.headers) == (b"k", b"{}", (("ce_id", b"x"),))
    assert (event.timestamp, event.before, event.replays) == (123, 4, 3)
    assert retry.read(made.row.value or b"") == event


def test_a_letter_of_before_it_carried_these_is_replayed_too() -> None:
    its = record()
    names = {"dead_timestamp", "dead_replays", "dead_fingerprint", "dead_first_failed"}
    old = its._replace(headers=[h for h in its.headers if h[0] not in names])
    event = replay(old, TO, VERSIONS).event
    assert (event.timestamp, event.replays, event.first_failed) == (9, 1, 0)


@pytest.mark.parametrize(
    ("letter", "why"),
    [
        (record(value=b"x" * 3_000_000), "it was cut to fit"),
        (record(value=None), "it has no value"),
        (record(run=""), "its run is not known"),
        (record(run="../etc"), "its run is not known"),
        (record(version="p@1"), "p@1 is retired"),
        (record(version="p@9"), "its version was never published"),
        (record(version=""), "its version was never published"),
        (record(version="p@3"), "it stood in a topic that load does not take in p@3"),
        (record(topic="p.elsewhere"), "it stood in a topic that load does not take in p@2"),
        (record(partition=2), "its lane is gone: load has 2"),
        (record(headers=[("h", b"\x00" * 100_000)]), "too large for the retry topic"),
        (SimulatedRecord("p.load.dead", 0, 5, b"{}"), "it does not say where the event stood"),
    ],
)
def test_what_cannot_be_replayed_says_why(letter: SimulatedRecord, why: str) -> None:
    with pytest.raises(NotReplayable, match=why):
        replay(letter, TO, VERSIONS)


def test_a_stage_that_is_gone_is_a_reason() -> None:
    with pytest.raises(NotReplayable, match="other is no stage of p@2"):
        replay(record(), TO._replace(stage="other"), VERSIONS)


def test_a_value_larger_than_the_retry_topic_takes_is_a_reason() -> None:
    with pytest.raises(NotReplayable, match="too large"):
        replay(record(value=b"x" * 900_000), TO._replace(largest=900_000), VERSIONS)


def its(**more: Any) -> Replay:
    return read(record(version="p@1", **more), "load", VERSIONS)


def test_a_root_of_a_retired_version_opens_a_new_run_linked_to_the_old() -> None:
    headers = [("ce_id", b"x"), ("ce_source", b"urn:till"), (AGAIN, b"b" * 13)]
    made = as_new_run(its(headers=headers), VERSIONS["p@2"])
    assert made.anew is not None
    assert made.anew[:2] == ("p.asked", 1)
    assert (made.anew.record.key, made.anew.record.value) == (b"k", b"{}")
    assert decoded(made.anew.record.headers) == [*headers[:2], (AGAIN, RUN.encode())]
    assert rows([made]) == {}
    assert entries([made], "p", "load", 0) == {}
    assert roots([made]) == {("p.asked", 1): [made.anew.record]}


def test_of_a_topic_that_is_narrower_now_it_takes_another_partition() -> None:
    narrow = version(4).model_copy(update={"events": {"asked": Event(topic="q", partitions=1)}})
    made = as_new_run(its(), narrow)
    assert made.anew is not None
    assert made.anew[:2] == ("q", 0)


@pytest.mark.parametrize(
    ("made", "newest", "why"),
    [
        (its(), VERSIONS["p@3"], "p@1 is retired, and asked is no root of p@3"),
        (
            its(),
            version(4, stages={"ask": Stage(run="a:b", subscribes=("read",), emits=("asked",))}),
            "p@1 is retired, and asked is no root of p@4",
        ),
        (its(headers=[("ce_source", b"farandole://x/p/ask")]), VERSIONS["p@2"],
         "a stage has emitted the event"),
        (its(value=b"x" * (1024 * 1024 - 50), largest=2_000_000), VERSIONS["p@2"],
         "too large to be linked"),
    ],
)  # fmt: skip
def test_what_can_open_no_run_says_why(made: Replay, newest: Version, why: str) -> None:
    with pytest.raises(NotReplayable, match=why):
        as_new_run(made, newest)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["p@0", "p@2"])), max_size=30))
def test_the_books_hear_of_each_letter_once(of: list[tuple[str, str]]) -> None:
    known = VERSIONS | {"p@0": version(5)}  # from before there were books
    made = [replay(record(run=run * 13, version=of), TO, known) for run, of in of]
    parts = [
        (part["run"], part["in"]["asked"], partition)
        for partition, out in entries(made, "p", "load", 9).items()
        for part in (sound(out.value) or {"runs": []})["runs"]
    ]
    booked = Counter(run * 13 for run, of in of if of == "p@2")
    assert {run: -settled["dead"] for run, settled, _ in parts} == booked
    for run, settled, partition in parts:
        assert settled["parked"] == booked[run]
        assert (settled["n"], settled["hash"], settled["oldest"]) == (0, 0, 9)
        assert partition == partition_of(run.encode(), 4)
