"""To which run and version does an event belong, and which of its headers are trusted?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.broker_errors import DeadlineExceededError
from farandole.catalog.published_versions import NothingAppliedError
from farandole.events.envelope import UnreadableEventError, attribute_header, trigger_headers
from farandole.events.header_codec import encode_headers
from farandole.events.key_partitioner import partition_for_key
from farandole.events.outcome import Outcome
from farandole.events.record import Header, Partition
from farandole.events.retry_record import REPLAY_PREFIX, make_retry_row, to_parked_event
from farandole.events.row_format import NewerFormatError
from farandole.events.run_ids import RunIdGenerator
from farandole.events.topology_version import VERSION_FORMAT, EventSpec, StageSpec, Version
from farandole.lanes.lane_port import OutcomeUnknownError
from farandole.stages.function_signature import read_signature
from farandole.worker.lineage import LineageResolver
from farandole.worker.output_routing import bind_outputs
from tests.events.made import Made
from tests.worker.made import (
    INSTALLATION,
    RETRY,
    In,
    Lane,
    Out,
    bare,
    emitted,
    text_headers,
    version,
)

NOW = datetime(2026, 11, 29, tzinfo=UTC)
RUN = RunIdGenerator(INSTALLATION, "p.in")
STAGE = StageSpec(run="m:f", subscribes=("in",), emits=("out",))
ELSEWHERE = StageSpec(run="m:f", subscribes=("in",), emits=("keyed",))
DEAF = StageSpec(run="m:f", subscribes=("asked",), emits=("out",))


def copied(event: In) -> Out:
    return Out(n=event.n, household=1)


async def headers_of(lane: Lane, *records: Made, topic: str = "p.out") -> list[dict[str, str]]:
    return [text_headers(o) for o in (await lane.handle(*records)).of(topic)]


async def test_an_event_of_a_stage_hands_its_run_down() -> None:
    more = [("ce_correlationid", b"mine"), ("traceparent", b"00-x-y-01")]
    (headers,) = await headers_of(Lane(copied), emitted(1, run="b" * 13, headers=more))
    assert headers["ce_runid"] == "b" * 13
    assert headers["ce_correlationid"] == "mine"
    assert headers["traceparent"] == "00-x-y-01"


async def test_a_bare_record_opens_a_run() -> None:
    one, other = await headers_of(Lane(copied), bare(offset=1), bare(offset=2))
    assert (one["ce_runid"], other["ce_runid"]) == (
        RUN.run_id(0, 1, VERSION_FORMAT),
        RUN.run_id(0, 2, VERSION_FORMAT),
    )
    assert "ce_correlationid" not in one


def _foreign(source: str, **attributes: str) -> Made:
    headers = trigger_headers(source, "in", "1", datetime.now(UTC))
    return bare(offset=1, headers=[*headers, *(attribute_header(*a) for a in attributes.items())])


OURS = f"farandole://{INSTALLATION}/p/"


@pytest.mark.parametrize(
    "source", ["/them", OURS + "stage", OURS + "nobody", OURS, OURS.replace("7c", "8c") + "before"]
)
async def test_a_forged_run_id_is_only_a_correlation(source: str) -> None:
    record = _foreign(source, runid="forged", topologyversion="p@1")
    (headers,) = await headers_of(Lane(copied), record)
    assert headers["ce_runid"] == RUN.run_id(0, 1, VERSION_FORMAT)
    assert headers["ce_correlationid"] == "forged"
    assert headers["ce_topologyversion"] == "p@1"


async def test_a_foreign_correlation_and_trace_go_on() -> None:
    record = _foreign("/them", correlationid="mine", runid="forged")
    record = record._replace(headers=[*record.headers, ("traceparent", b"00-x-y-01")])
    (headers,) = await headers_of(Lane(copied), record)
    assert (headers["ce_correlationid"], headers["traceparent"]) == ("mine", "00-x-y-01")


async def test_the_data_of_a_structured_event_are_handled() -> None:
    value = b'{"specversion":"1.0","id":"1","source":"s","type":"in","data":{"n":42}}'
    record = bare(value, headers=[("content-type", b"application/cloudevents+json")])
    assert (await Lane(copied).handle(record)).data() == [{"n": 42, "household": 1}]


async def test_a_foreign_event_of_another_type_opens_no_run() -> None:
    record = bare(offset=1, headers=trigger_headers("/them", "com.acme.order", "1", NOW))
    outcome = await Lane(copied).handle(record)
    assert not outcome.of("p.out")
    assert [d["message"] for d in outcome.dead] == [
        "its CloudEvents type is 'com.acme.order', and this is the topic of 'in'; send it with that"
        " type, or without CloudEvents attributes"
    ]
    assert [d["run"] for d in outcome.dead] == [RUN.run_id(0, 1, VERSION_FORMAT)]


async def test_an_event_of_another_type_that_was_let_in_is_handled() -> None:
    """A person has replayed it, or a release has parked it that did not compare types."""
    record = bare(offset=1, headers=trigger_headers("/them", "com.acme.order", "1", NOW))
    lane = Lane(copied, clock=lambda: 1_700_000_000.0)
    row = make_retry_row(to_parked_event(record), REPLAY_PREFIX)
    await lane.work.handle([Made(row.value, key=row.key, topic=RETRY, partition=0, offset=0)])
    assert lane.work.deferred is not None
    done = await lane.work.handle(lane.work.deferred.due())
    assert [len(done.writes[Partition("p.out", 0)])] == [1]


@pytest.mark.parametrize("content_type", [[], [("content-type", b"application/json")]])
async def test_a_structured_event_without_its_content_type_is_told_as_such(
    content_type: list[Header],
) -> None:
    value = b'{"specversion":"1.0","id":"1","source":"s","type":"in","data":{"n":42}}'
    outcome = await Lane(copied).handle(bare(value, headers=content_type))
    (letter,) = outcome.dead
    has = "application/json" if content_type else "none"
    assert letter["message"] == (
        "n: Field required; the value is a CloudEvent in structured mode, which needs the header"
        f" content-type: application/cloudevents+json (it has {has})"
    )


async def test_data_that_is_no_json_is_refused_by_its_content_type() -> None:
    outcome = await Lane(copied).handle(bare(offset=1, headers=[("content-type", b"text/csv")]))
    assert [d["message"] for d in outcome.dead] == ["content-type 'text/csv' is not JSON"]


async def test_an_event_is_wired_by_the_version_that_it_carries() -> None:
    versions = [version(1, stages={"stage": STAGE}), version(2, stages={"stage": ELSEWHERE})]
    outcome = await Lane(copied, versions=versions).handle(
        emitted(1, of="p@1"), emitted(2, of="p@2"), emitted(3, of="p@1")
    )
    assert [d["n"] for d in outcome.data("p.out")] == [1, 3]
    assert [d["n"] for d in outcome.data("p.keyed")] == [2]
    carried = [text_headers(o)["ce_topologyversion"] for o in outcome.of("p.out")]
    assert carried == ["p@1", "p@1"]


async def test_an_event_is_skipped_if_its_version_does_not_send_it_to_the_stage() -> None:
    versions = [
        version(1),  # the stage is not in it
        version(2, stages={"stage": DEAF}),  # it listens to something else
        version(3, stages={"stage": STAGE}),
    ]
    outcome = await Lane(copied, versions=versions).handle(
        emitted(1, of="p@1"), emitted(2, of="p@2"), emitted(3, of="p@3")
    )
    assert [d["n"] for d in outcome.data()] == [3]
    assert outcome.dead == []


async def test_a_root_is_of_the_newest_version_at_whose_boundary_it_stands() -> None:
    bounded = EventSpec(topic="p.in", partitions=4, boundaries=(10, 20, 0, 0))
    versions = [
        version(1, stages={"stage": STAGE}),
        version(2, stages={"stage": STAGE}, events={"in": bounded}),
    ]
    records = [bare(offset=9), bare(offset=10), bare(offset=19, partition=1), bare(offset=11)]
    headers = await headers_of(Lane(copied, versions=versions), *records)
    by_id = {h["ce_id"]: h["ce_topologyversion"] for h in headers}
    assert by_id == {
        "in/0/9/0": "p@1", "in/0/10/0": "p@2", "in/1/19/0": "p@1", "in/0/11/0": "p@2",
    }  # fmt: skip


async def test_a_root_gets_its_own_edge_whatever_was_read_before() -> None:
    """Bare records are looked up by neighbourhoods; here one is left and entered in every way."""
    bounded = EventSpec(topic="p.in", partitions=4, boundaries=(10, 0, 0, 0))
    both = StageSpec(run="m:f", subscribes=("in", "asked"), emits=("out",))
    lane = Lane(
        copied,
        subscribes=("in", "asked"),
        versions=[
            version(1, stages={"stage": both}, format=2),
            version(2, stages={"stage": both}, events={"in": bounded}),
        ],
    )
    records = [
        bare({"n": n}, offset, partition=partition)._replace(topic=topic)
        for n, (topic, partition, offset) in enumerate(
            (topic, partition, offset)
            for offset in (9, 10, 9, 265, 266, 9 + 256, 10 + 256, 700, 9)
            for partition, topic in (
                (0, "p.in"),
                (0, "p.asked"),
                (1, "p.asked"),
                (1, "p.in"),
                (0, "p.asked"),
            )
        )
    ]
    outcome = await lane.handle(*records)
    found = {
        d["n"]: text_headers(o) for d, o in zip(outcome.data(), outcome.of("p.out"), strict=True)
    }
    assert len(found) == len(records)
    for n, record in enumerate(records):
        old = record.topic == "p.in" and record.partition == 0 and record.offset < 10
        run_id = RunIdGenerator(INSTALLATION, record.topic).run_id
        run = run_id(record.partition, record.offset, 2 if old else 3)
        run_and_version = found[n]["ce_runid"], found[n]["ce_topologyversion"]
        assert run_and_version == (run, "p@1" if old else "p@2"), record


async def test_a_version_is_bound_once_an_event_of_it_is_met() -> None:
    bound = []

    def bind(version: Version, event_type: str) -> None:
        bound.append((version.version, event_type))

    async def again() -> dict[int, Version]:
        return versions

    versions = {n: version(n, events={"in": _since(10 * n)}) for n in (1, 2, 3)}
    wiring = LineageResolver(versions, again, bind)
    assert bound == []
    await wiring.refresh()
    assert wiring.lineage(bare(offset=25)).edge.version.version == 2
    assert wiring.lineage(bare(offset=26)).edge.version.version == 2
    assert bound == [(2, "in")]
    assert wiring.lineage(emitted(27, of="p@1")).edge.version.version == 1
    assert bound == [(2, "in"), (1, "in")]


async def test_an_event_of_a_version_that_the_code_does_not_fit_is_a_dead_letter() -> None:
    def bind(asked: Version, event_type: str) -> Any:
        if asked.version == 1:
            raise ValueError("no field `limit`")
        return bind_outputs(asked, event_type, "stage", read_signature(copied), STAGE)

    versions = [version(1, stages={"stage": STAGE}), version(2, stages={"stage": STAGE})]
    lane = Lane(copied, versions=versions, bind=bind)
    for _ in range(2):  # its answer is remembered
        outcome = await lane.handle(emitted(1, of="p@1"), emitted(2, of="p@2"))
        assert [d["n"] for d in outcome.data()] == [2]
        assert [(d["version"], d["message"]) for d in outcome.dead] == [
            ("p@1", "the code of the stage does not fit p@1: no field `limit`")
        ]
    assert (await lane.work.give_up(emitted(1, of="p@1"), 5)).settled == 1


def _since(boundary: int) -> EventSpec:
    return EventSpec(topic="p.in", partitions=4, boundaries=(boundary,) * 4)


async def test_a_topic_that_grew_between_versions_takes_the_events_of_both() -> None:
    wider = EventSpec(topic="p.out", partitions=8)
    versions = [
        version(1, stages={"stage": STAGE}),
        version(2, stages={"stage": STAGE}, events={"out": wider}),
    ]
    records = [emitted(n, of="p@1", key=b"%d" % n) for n in range(8)]
    records += [emitted(n, of="p@2", key=b"%d" % n) for n in range(8, 40)]
    outcome = await Lane(copied, versions=versions).handle(*records)
    assert outcome.dead == []
    assert len(outcome.of("p.out")) == 40


async def test_an_unknown_version_is_looked_up() -> None:
    later = [version(2, stages={"stage": ELSEWHERE})]
    lane = Lane(copied, versions=[version(1, stages={"stage": STAGE})], later=later)
    outcome = await lane.handle(emitted(1), emitted(2, of="p@2"), emitted(3, of="p@2"))
    assert [d["n"] for d in outcome.data("p.keyed")] == [2, 3]
    assert lane.read_again == 1


async def test_a_version_that_was_never_published_is_looked_up_once() -> None:
    lane = Lane(copied)
    outcome = await lane.handle(
        emitted(1), *(emitted(n, of="p@9") for n in range(2, 50)), emitted(50)
    )
    assert [d["n"] for d in outcome.data()] == [1, 50]
    assert {d["message"] for d in outcome.dead} == {
        "topology version 'p@9' was never published here"
    }
    assert len(outcome.dead) == 48
    assert lane.read_again == 1


async def test_many_versions_that_were_never_published_are_not_looked_up_one_by_one() -> None:
    lane = Lane(copied)
    names = ["p@9", "p@10", "p@11"] * 20
    outcome = await lane.handle(*(emitted(n, of=name) for n, name in enumerate(names)))
    assert len(outcome.dead) == 60
    assert lane.read_again <= 3


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(
    "why",
    [
        DeadlineExceededError("no answer within 8 s"),
        NothingAppliedError("no answer"),
        NewerFormatError("version p@2", 9, 2),
    ],
)
async def test_no_event_dies_because_versions_could_not_be_read(
    batched: bool, why: Exception
) -> None:
    """The lane is born again and asks once more."""

    def each(event: In) -> Out:
        return copied(event)

    def every(events: list[In]) -> list[Out]:
        return [copied(e) for e in events]

    lane = Lane(every if batched else each, later=why)
    with pytest.raises(OutcomeUnknownError, match=str(why)):
        await lane.work.handle([emitted(1, of="p@2")])


KEYED = EventSpec(topic="p.in", partitions=4, key="n", boundaries=(0, 0, 0, 0))


def elsewhere(key: bytes) -> int:
    """A partition that is not the key's own."""
    return (partition_for_key(key, 4) + 1) % 4


async def test_a_root_in_the_wrong_partition_is_sent_to_its_own_untouched() -> None:
    lane = Lane(copied, versions=[version(stages={"stage": STAGE}, events={"in": KEYED})])
    record = bare({"n": 1}, partition=elsewhere(b"k"), key=b"k", headers=[("theirs", b"1")])
    outcome = await lane.handle(record)
    (where,) = outcome.writes
    assert where == ("p.in", partition_for_key(b"k", 4))
    (sent,) = outcome.writes[where]
    assert sent == (b"k", record.value, encode_headers([("theirs", b"1")]))
    assert (
        outcome.counters.forwarded,
        outcome.counters.emitted,
        outcome.count(Outcome.DEAD),
    ) == (1, 0, 0)


async def test_only_the_first_of_two_subscribers_forwards_it() -> None:
    stages = {"first": STAGE.model_copy(update={"emits": ("other",)}), "stage": STAGE}
    lane = Lane(copied, versions=[version(stages=stages, events={"in": KEYED})])
    outcome = await lane.handle(bare({"n": 1}, partition=elsewhere(b"k"), key=b"k"))
    assert outcome.writes == {}
    assert outcome.counters.forwarded == 1


async def test_a_root_where_it_belongs_or_without_a_key_stays() -> None:
    lane = Lane(copied, versions=[version(stages={"stage": STAGE}, events={"in": KEYED})])
    home = partition_for_key(b"k", 4)
    outcome = await lane.handle(
        bare({"n": 1}, partition=home, key=b"k"), bare({"n": 2}, 1, partition=home)
    )
    assert (outcome.counters.forwarded, outcome.counters.emitted) == (0, 2)


async def test_an_event_of_a_stage_is_not_moved_to_another_partition() -> None:
    """An event without a declared key keeps its cause's, in a topic where others declare one."""
    lane = Lane(copied, versions=[version(stages={"stage": STAGE}, events={"in": KEYED})])
    outcome = await lane.handle(emitted(1, partition=elsewhere(b"k"), key=b"k"))
    assert (outcome.counters.forwarded, outcome.counters.emitted) == (0, 1)


async def test_a_root_belongs_to_a_version_that_came_after_the_lane_began() -> None:
    """It can be read only after its version can: the lane asks before it wires the first root."""
    later = version(2, stages={"stage": STAGE}, events={"in": _since(10)})
    lane = Lane(copied, versions=[version(1, stages={"stage": STAGE})], later=[later])
    (before, after) = await headers_of(lane, bare(offset=9), bare(offset=10))
    assert before["ce_topologyversion"] == "p@1"
    assert after["ce_topologyversion"] == "p@2"


async def test_the_versions_are_read_once_for_all_roots_of_a_batch() -> None:
    lane = Lane(copied, versions=[version(1, stages={"stage": STAGE})])
    await lane.handle(*(bare(offset=n) for n in range(100)))
    assert lane.read_again == 1


async def test_an_event_of_a_stage_needs_no_reading_of_versions() -> None:
    lane = Lane(copied, versions=[version(1, stages={"stage": STAGE})])
    await lane.handle(*(emitted(n) for n in range(100)))
    assert lane.read_again == 0


def laid_out(n: int, at_id: str = "ce_id", run: str = "a", of: str = "p@1", *more: Header) -> Made:
    """A record with its headers in the order in which a stage of ours writes them."""
    source = f"farandole://{INSTALLATION}/p/before".encode()
    names = ("ce_specversion", "ce_source", "ce_type", "ce_time", "content-type")
    values = (b"1.0", source, b"in", b"2026-11-23T00:00:00Z", b"application/json")
    own = [("ce_topologyversion", of.encode()), (at_id, b"b" * 13)]
    headers = [*zip(names, values, strict=True), *own, ("ce_runid", run.encode() * 13), *more]
    return bare(offset=n)._replace(headers=headers)


KINDS: dict[str, Callable[[int], Made]] = {
    "plain": laid_out,
    "other run": lambda n: laid_out(n, run="b"),
    "other version": lambda n: laid_out(n, of="p@2"),
    "correlated": lambda n: laid_out(n, "ce_id", "a", "p@1", ("ce_correlationid", b"c")),
    "other topic": lambda n: laid_out(n)._replace(topic="p.in2"),
    "a source in the id's place": lambda n: laid_out(n, "ce_source"),
    "a version in the id's place": lambda n: laid_out(n, "ce_runid"),
    "root": lambda n: bare(offset=n),
}


@given(st.lists(st.sampled_from([*KINDS]), max_size=12))
def test_the_lineage_of_an_event_does_not_depend_on_the_ones_before_it(kinds: list[str]) -> None:
    stage = StageSpec(run="m:f", subscribes=("in", "in2"), emits=("out",))
    versions = {n: version(n, stages={"stage": stage}) for n in (1, 2)}

    async def again() -> dict[int, Version]:
        return versions

    def resolver() -> LineageResolver:
        made = LineageResolver(versions, again, lambda version, event_type: None)
        asyncio.run(made.refresh())
        return made

    def found(lineages: LineageResolver, record: Any) -> Any:
        try:
            lineage = lineages.lineage(record)
        except UnreadableEventError as error:
            return str(error)
        edge = lineage.edge
        return edge.version.name, edge.event_type, lineage.run, lineage.inherited, lineage.is_root

    one = resolver()
    for n, kind in enumerate(kinds):
        record = KINDS[kind](n)
        assert found(one, record) == found(resolver(), record), kind


AGAIN = EventSpec(topic="p.in", partitions=4, boundaries=(0, 0, 0, 0), life=2)


async def test_events_of_a_topic_that_was_created_again_repeat_no_id() -> None:
    """The old versions still exist, and events of their runs may be written into the new topic."""
    first = version(1, stages={"stage": STAGE})
    second = version(2, stages={"stage": STAGE}, events={"in": AGAIN})
    old = await headers_of(Lane(copied, versions=[first]), bare(offset=3), emitted(4))
    new = await headers_of(Lane(copied, versions=[first, second]), bare(offset=3), emitted(4))
    assert [headers["ce_id"] for headers in old] == ["in/0/3/0", "in/0/4/0"]
    assert [headers["ce_id"] for headers in new] == ["in~2/0/3/0", "in~2/0/4/0"]
    assert old[0]["ce_runid"] == RUN.run_id(0, 3, VERSION_FORMAT)
    assert new[0]["ce_runid"] == RunIdGenerator(INSTALLATION, "p.in", 2).run_id(
        0, 3, VERSION_FORMAT
    )
    assert new[1]["ce_runid"] == old[1]["ce_runid"]


async def test_a_lane_that_learns_of_another_life_names_events_by_it() -> None:
    first = version(1, stages={"stage": STAGE})
    second = version(2, stages={"stage": STAGE}, events={"in": AGAIN})
    lane = Lane(copied, versions=[first], later=[second])
    assert [h["ce_id"] for h in await headers_of(lane, emitted(4))] == ["in/0/4/0"]
    later = await headers_of(lane, emitted(5, of="p@2"), emitted(6))
    assert [headers["ce_id"] for headers in later] == ["in~2/0/5/0", "in~2/0/6/0"]


async def test_a_lane_that_opens_asks_first_which_life_of_its_topic_it_reads() -> None:
    """The topic was created again while the lane was closed; its events still have the old version,
    so that nothing else would let it ask."""
    first = version(1, stages={"stage": STAGE})
    second = version(2, stages={"stage": STAGE}, events={"in": AGAIN})
    lane = Lane(copied, versions=[first], later=[second])
    lane.work.open({})
    asked = [h["ce_id"] for h in await headers_of(lane, emitted(0), emitted(1))]
    assert asked == ["in~2/0/0/0", "in~2/0/1/0"]
    await headers_of(lane, emitted(2))
    assert lane.read_again == 1
