"""Where do the results of each kind of function go, and what do they carry?"""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.bindings.kafka import KafkaMessage
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from farandole.events.event_position import EventPosition
from farandole.events.header_codec import decode_headers
from farandole.events.key_partitioner import partition_for_key
from farandole.events.outcome import Outcome
from farandole.events.run_ids import RunIdGenerator
from farandole.events.topology_version import VERSION_FORMAT, EventSpec, StageSpec
from farandole.stages.contract import Context, EventInfo, To
from farandole.worker.stage_context import EventView, StageContext
from farandole.worker.transaction_buffer import TransactionBuffer
from tests.worker.made import (
    INSTALLATION,
    PATIENT,
    In,
    Lane,
    Other,
    Out,
    bare,
    emitted,
    text_headers,
    version,
)

T = TypeVar("T")
RUN = RunIdGenerator(INSTALLATION, "p.in")


def plain(event: In) -> Out:
    return Out(n=event.n)


async def awaited(event: In) -> Out:
    await asyncio.sleep(0)
    return Out(n=event.n)


def generator(event: In) -> Iterator[Out]:
    yield Out(n=event.n)
    yield Out(n=-event.n)


async def async_generator(event: In) -> AsyncIterator[Out]:
    yield Out(n=event.n)
    await asyncio.sleep(0)
    yield Out(n=-event.n)


def listed(event: In) -> list[Out]:
    return [Out(n=event.n), Out(n=-event.n)]


async def awaited_list(event: In) -> list[Out]:
    return listed(event)


@pytest.mark.parametrize(
    ("function", "results"),
    [
        (plain, [5]),
        (awaited, [5]),
        (generator, [5, -5]),
        (async_generator, [5, -5]),
        (listed, [5, -5]),
        (awaited_list, [5, -5]),
    ],
)
async def test_a_function_of_each_kind_is_called(
    function: Callable[..., Any], results: list[int]
) -> None:
    outcome = await Lane(function).handle(bare(offset=5))
    assert sorted(d["n"] for d in outcome.data()) == sorted(results)
    assert (outcome.counters.emitted, outcome.dead) == (len(results), [])


async def test_results_carry_the_envelope_that_everyone_can_read() -> None:
    outcome = await Lane(plain).handle(bare(offset=7, partition=2))
    (out,) = outcome.of("p.out")
    headers = text_headers(out)
    run = RUN.run_id(2, 7, VERSION_FORMAT)
    time = datetime.fromisoformat(headers.pop("ce_time"))
    assert abs((datetime.now(UTC) - time).total_seconds()) < 60
    assert headers == {
        "ce_specversion": "1.0",
        "ce_source": f"farandole://{INSTALLATION}/p/stage",
        "ce_type": "out",
        "ce_id": "in/2/7/0",
        "ce_runid": run,
        "ce_topologyversion": "p@1",
        "content-type": "application/json",
    }
    event: Any = kafka.from_binary_event(
        KafkaMessage(dict(decode_headers(out.headers)), None, out.value or b"")
    )
    assert event.get_data() == {"n": 7, "household": None}


async def test_ids_are_the_causes_position_and_an_index() -> None:
    outcome = await Lane(generator).handle(bare(offset=7, partition=2), bare(offset=9))
    ids = {text_headers(o)["ce_id"] for o in outcome.of("p.out")}
    assert ids == {"in/2/7/0", "in/2/7/1", "in/0/9/0", "in/0/9/1"}
    assert {EventPosition.parse(i).offset for i in ids} == {7, 9}


@pytest.mark.parametrize("emits", ["out", "keyed", "other"])
@pytest.mark.parametrize("key", [None, b"k"])
@pytest.mark.parametrize("household", [None, 5])
async def test_an_only_result_is_the_same_record_as_the_first_of_several(
    emits: str, key: bytes | None, household: int | None
) -> None:
    def one(event: In) -> Out:
        return Out(n=event.n, household=household)

    def several(event: In) -> list[Out]:
        return [one(event)]

    records = [bare(offset=7, partition=2, key=key), emitted(9, key=key)]
    a, b = [await Lane(f, emits=(emits,)).handle(*records) for f in (one, several)]

    def untimed(writes: Any) -> Any:
        return {
            partition: [
                (o.key, o.value, [h for h in decode_headers(o.headers) if h[0] != "ce_time"])
                for o in out
            ]
            for partition, out in writes.items()
        }

    assert untimed(a.writes) == untimed(b.writes)
    assert a.counters == b.counters


async def test_handling_an_event_twice_gives_the_same_ids() -> None:
    lane, records = Lane(generator), [bare(offset=n) for n in range(9)]
    one, other = await lane.handle(*records), await lane.handle(*records)
    ids = [[text_headers(o)["ce_id"] for o in x.of("p.out")] for x in (one, other)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 18


async def test_a_keyed_result_lands_where_every_kafka_client_puts_it() -> None:
    def keyed(event: In) -> Out:
        return Out(n=event.n, household=event.n)

    outcome = await Lane(keyed, emits=["keyed"]).handle(*(bare(offset=n) for n in range(50)))
    placed = {o.key: p.partition for p, out in outcome.writes.items() for o in out}
    assert placed == {b"%d" % n: partition_for_key(b"%d" % n, 4) for n in range(50)}
    assert set(placed.values()) == {0, 1, 2, 3}


async def test_the_partitioner_is_javas() -> None:
    """The vectors of Kafka's own UtilsTest."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, hashed in known.items():
        assert partition_for_key(key, 2**31) == hashed & 0x7FFFFFFF


async def test_a_result_whose_key_is_null_has_none() -> None:
    outcome = await Lane(plain, emits=["keyed"]).handle(bare(offset=1, key=b"k"))
    assert [o.key for o in outcome.of("p.keyed")] == [None]


async def test_a_result_without_a_key_inherits_its_causes() -> None:
    outcome = await Lane(plain).handle(bare(offset=1, key=b"k"))
    ((partition, out),) = outcome.writes.items()
    assert [o.key for o in out] == [b"k"]
    assert partition.partition == partition_for_key(b"k", 4)


async def test_a_path_without_keys_stays_in_its_lane() -> None:
    outcome = await Lane(plain).handle(*(bare(offset=n, partition=3) for n in range(9)))
    assert [p.partition for p in outcome.writes] == [3]
    assert [d["n"] for d in outcome.data()] == list(range(9))


async def test_many_results_without_keys_are_spread() -> None:
    def spread(event: In) -> list[Out]:
        return [Out(n=n) for n in range(8)]

    outcome = await Lane(spread).handle(bare(offset=1))
    assert sorted(p.partition for p in outcome.writes) == [0, 1, 2, 3]


async def test_none_drops_where_outputs_are_declared() -> None:
    def dropping(event: In) -> Out | None:
        return None if event.n % 2 else Out(n=event.n)

    outcome = await Lane(dropping).handle(*(bare(offset=n) for n in range(10)))
    assert (outcome.count(Outcome.DROPPED), outcome.counters.emitted, outcome.dead) == (
        5,
        5,
        [],
    )


async def test_none_is_no_drop_where_nothing_is_declared() -> None:
    def silent(event: In) -> None: ...

    outcome = await Lane(silent, emits=[]).handle(bare(offset=1))
    assert (
        outcome.counters.consumed,
        outcome.count(Outcome.DROPPED),
        outcome.writes,
    ) == (1, 0, {})


async def test_an_empty_iterable_drops_and_none_in_it_is_skipped() -> None:
    def some(event: In) -> Iterator[Out | None]:
        yield None
        if event.n:
            yield Out(n=event.n)

    outcome = await Lane(some).handle(bare({"n": 0}), bare(offset=1))
    assert (outcome.count(Outcome.DROPPED), outcome.counters.emitted) == (1, 1)
    assert [text_headers(o)["ce_id"] for o in outcome.of("p.out")] == ["in/0/1/0"]


async def test_a_union_names_an_output_by_each_of_its_classes() -> None:
    def either(event: In) -> Out | Other:
        return Out(n=event.n) if event.n % 2 else Other(said="even")

    outcome = await Lane(either, emits=["out", "other"]).handle(bare(offset=1), bare(offset=2))
    assert outcome.data() == [{"n": 1, "household": None}]
    assert outcome.data("p.other") == [{"said": "even"}]
    assert {text_headers(o)["ce_type"] for o in outcome.of("p.other")} == {"other"}


async def test_one_output_may_be_of_several_schemas() -> None:
    def either(event: In) -> Out | Other:
        return Out(n=event.n) if event.n % 2 else Other(said="even")

    outcome = await Lane(either).handle(bare(offset=1), bare(offset=2))
    assert outcome.data() == [{"n": 1, "household": None}, {"said": "even"}]


async def test_to_names_the_output_where_schemas_are_shared() -> None:
    def named(event: In) -> To[Out]:
        return To("keyed" if event.n % 2 else "out", Out(n=event.n, household=7))

    outcome = await Lane(named, emits=["out", "keyed"]).handle(bare(offset=1), bare(offset=2))
    assert [d["n"] for d in outcome.data()] == [2]
    assert [d["n"] for d in outcome.data("p.keyed")] == [1]
    assert [o.key for o in outcome.of("p.keyed")] == [b"7"]


async def test_a_subclass_is_written_as_what_was_declared() -> None:
    class More(Out):
        more: int = 1

    def sub(event: In) -> Out:
        return More(n=event.n)

    assert (await Lane(sub).handle(bare(offset=1))).data() == [{"n": 1, "household": None}]


class Row(TypedDict):
    n: int


class Aliased(BaseModel):
    household: int = Field(alias="householdId")


class Colour(str, Enum):  # noqa: UP042 -- str() of it is not its value, unlike a StrEnum's
    RED = "red"


class Coloured(BaseModel):
    household: Colour


async def test_a_typed_dict_is_checked_as_it_is_written() -> None:
    def row(event: In) -> Row:
        return {"n": event.n} if event.n else {"n": "none"}  # type: ignore[typeddict-item]

    outcome = await Lane(row).handle(bare({"n": 0}), bare(offset=1))
    assert outcome.data() == [{"n": 1}]
    assert [d["error"] for d in outcome.dead] == ["WrongResult"]


async def test_anything_may_be_declared_and_is_written_as_it_is() -> None:
    def anything(event: In) -> Any:
        return {"n": event.n}

    assert (await Lane(anything).handle(bare(offset=1))).data() == [{"n": 1}]


async def test_a_field_is_written_under_the_name_that_it_is_read_by() -> None:
    def renamed(event: In) -> Aliased:
        return Aliased(householdId=event.n)

    (data,) = (await Lane(renamed).handle(bare(offset=1))).data()
    assert Aliased.model_validate(data) == Aliased(householdId=1)


async def test_a_key_is_the_field_that_the_json_calls_so() -> None:
    def renamed(event: In) -> Aliased:
        return Aliased(householdId=event.n)

    stage = StageSpec(run="m:f", subscribes=("in",), emits=("keyed",))
    keyed = EventSpec(topic="p.keyed", partitions=4, key="householdId")
    lane = Lane(renamed, versions=[version(stages={"stage": stage}, events={"keyed": keyed})])
    assert [o.key for o in (await lane.handle(bare(offset=7))).of("p.keyed")] == [b"7"]


async def test_the_key_of_an_enumeration_is_its_value() -> None:
    def coloured(event: In) -> Coloured:
        return Coloured(household=Colour.RED)

    outcome = await Lane(coloured, emits=["keyed"]).handle(bare(offset=1))
    assert [o.key for o in outcome.of("p.keyed")] == [b"red"]


async def test_to_may_name_any_of_its_outputs_with_any_of_its_schemas() -> None:
    def named(event: In) -> To[Out] | To[Other]:
        data = Out(n=event.n) if event.n % 2 else Other(said="even")
        return To(("out", "other", "keyed")[event.n % 3], data)  # type: ignore[return-value]

    outcome = await Lane(named, emits=["out", "other", "keyed"]).handle(
        *(bare({"n": n}, offset=n) for n in range(6))
    )
    assert outcome.dead == []
    assert outcome.data("p.out") == [{"said": "even"}, {"n": 3, "household": None}]
    assert len(outcome.data("p.other")) == len(outcome.data("p.keyed")) == 2


async def test_the_context_tells_what_is_known() -> None:
    seen: list[Context] = []

    def curious(event: In, context: Context) -> None:
        seen.append(context)

    await Lane(curious, emits=[]).handle(bare(offset=1), emitted(2, run="b" * 13), emitted(3))
    one, two, three = seen
    assert (one.pipeline, one.stage, one.attempt) == ("p", "stage", 1)
    assert (one.run, one.attributes) == (RUN.run_id(0, 1, VERSION_FORMAT), {})
    assert (two.run, two.attributes["type"]) == ("b" * 13, "in")
    assert [c.attributes["id"] for c in (two, three)] == ["asked/0/1/2", "asked/0/1/3"]
    one.log.info("stage.said", n=1)


async def test_the_context_of_one_event_tells_of_that_event() -> None:
    seen: list[EventInfo] = []

    def curious(event: In, context: Context) -> None:
        (info,) = context.events
        seen.append(info)

    structured = json.dumps(
        {"specversion": "1.0", "id": "shop-7", "source": "/shop", "type": "in",
         "time": "2026-11-24T09:00:00+01:00", "data": {"n": 3}}
    ).encode()  # fmt: skip
    told = [("content-type", b"application/cloudevents+json")]
    await Lane(curious, emits=[]).handle(
        bare(offset=1, key=b"7", timestamp=1_795_000_000_000),
        emitted(2, run="b" * 13, headers=[("ce_time", b"no time at all")]),
        bare(structured, offset=3, headers=told),
    )
    assert [info.id for info in seen] == ["in/0/1", "asked/0/1/2", "shop-7"]
    assert [info.key for info in seen] == ["7", None, None]
    assert [info.type for info in seen] == ["in"] * 3
    assert [info.run for info in seen] == [
        RUN.run_id(0, 1, VERSION_FORMAT),
        "b" * 13,
        RUN.run_id(0, 3, VERSION_FORMAT),
    ]
    assert [info.time and info.time.isoformat() for info in seen] == [
        "2026-11-18T11:06:40+00:00", None, "2026-11-24T09:00:00+01:00",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["straight", "awaited", "retried"])
async def test_a_function_of_a_list_knows_each_of_its_events(kind: str) -> None:
    seen: list[list[tuple[str, str | None, str]]] = []

    def look(context: Context) -> None:
        seen.append([(info.id, info.key, info.run) for info in context.events])
        if kind == "retried" and context.attempt == 1:
            raise ConnectionError

    def curious(events: list[In], context: Context) -> None:
        look(context)

    async def curious_awaited(events: list[In], context: Context) -> None:
        look(context)

    lane = Lane(curious_awaited if kind == "awaited" else curious, emits=[], retry=PATIENT)
    await lane.handle(bare(offset=1, key=b"7"), emitted(2, run="b" * 13), emitted(3))
    assert seen[-1] == [
        ("in/0/1", "7", RUN.run_id(0, 1, VERSION_FORMAT)),
        ("asked/0/1/2", None, "b" * 13),
        ("asked/0/1/3", None, "a" * 13),
    ]


async def test_the_events_of_a_context_are_a_sequence() -> None:
    seen: list[Context] = []

    def curious(events: list[In], context: Context) -> None:
        seen.append(context)

    await Lane(curious, emits=[]).handle(emitted(1), emitted(2), emitted(3))
    (context,) = seen
    assert len(context.events) == 3
    assert [info.id[-1] for info in context.events[1:]] == ["2", "3"]
    assert context.events[-1].id == "asked/0/1/3"
    assert (context.run, context.attributes) == ("a" * 13, {})


async def test_a_field_that_a_context_does_not_have_is_named_in_the_users_words() -> None:
    def curious(event: In, context: Context) -> None:
        context.atempt  # type: ignore[attr-defined]  # noqa: B018

    def more_curious(event: In, context: Context) -> None:
        context.offset  # type: ignore[attr-defined]  # noqa: B018

    (dead,) = (await Lane(curious, emits=[]).handle(bare())).dead
    assert dead["message"] == "a Context has no 'atempt'; did you mean 'attempt'?"
    (dead,) = (await Lane(more_curious, emits=[]).handle(bare())).dead
    assert dead["message"] == (
        "a Context has no 'offset'; it has attempt, attributes, deadline, events, flag, limit, "
        "log, pipeline, run, stage"
    )


def test_a_context_has_all_that_is_promised() -> None:
    promised = {name for name in vars(Context) if not name.startswith("_")}
    assert promised <= set(dir(StageContext))
    assert {name for name in vars(EventInfo) if not name.startswith("_")} <= set(dir(EventView))


async def test_two_events_of_one_run_keep_their_own_attributes() -> None:
    seen: list[str] = []

    def curious(event: In, context: Context) -> None:
        seen.append(context.attributes["id"])

    await Lane(curious, emits=[]).handle(emitted(1), emitted(2), emitted(3))
    assert seen == ["asked/0/1/1", "asked/0/1/2", "asked/0/1/3"]


async def test_only_committed_work_is_counted() -> None:
    lane = Lane(plain)
    done = await lane.work.handle([bare(offset=1), bare(offset=2)])
    assert lane.committed == []
    lane.work.on_commit(done, {})
    assert [(t.consumed, t.emitted) for t in lane.committed] == [(2, 2)]


async def test_a_transactions_records_are_freed_without_the_garbage_collector() -> None:
    lane = Lane(plain)
    gc.collect()
    # Errors in the parameters of other tests keep the buffers that their tracebacks refer to.
    others = [each for each in gc.get_objects() if isinstance(each, TransactionBuffer)]
    known = {id(each) for each in others}
    gc.disable()
    try:
        for _ in range(3):
            await lane.work.handle([bare(offset=1)])
            await lane.work.handle([emitted(2)])
        buffers = [each for each in gc.get_objects() if isinstance(each, TransactionBuffer)]
        left = [each for each in buffers if id(each) not in known]
    finally:
        gc.enable()
    assert left == []


def forgets(event: In) -> Out:  # type: ignore[return]
    Out(n=event.n)


async def forgets_awaited(event: In) -> Out:  # type: ignore[return]
    Out(n=event.n)


def forgets_all(event: In) -> list[Out]:  # type: ignore[return]
    listed(event)


def forgets_of_batch(events: list[In]) -> Out:  # type: ignore[return]
    Out(n=events[0].n)


def forgets_some(event: In) -> list[Out]:
    return [Out(n=event.n), None]  # type: ignore[list-item]


def forgets_to_yield(event: In) -> Iterator[Out]:
    yield Out(n=event.n)
    yield  # type: ignore[misc]


def forgets_any(event: T) -> T:  # type: ignore[return]
    str(event)


@pytest.mark.parametrize(
    "function",
    [
        forgets,
        forgets_awaited,
        forgets_all,
        forgets_of_batch,
        forgets_some,
        forgets_to_yield,
        forgets_any,
    ],
)
async def test_a_forgotten_return_is_an_error(function: Callable[..., Any]) -> None:
    outcome = await Lane(function).handle(bare(offset=5))
    assert [letter["error"] for letter in outcome.dead] == ["WrongResult"]
    assert "it gave nothing, where it says that it gives" in outcome.dead[0]["message"]
    assert outcome.of("p.out") == []


def may_forget(event: In) -> Out | None:
    return None


def may_forget_some(event: In) -> list[Out | None]:
    return [None]


def may_forget_all(event: In) -> list[Out] | None:
    return None


def yields_nothing(event: In) -> Iterator[Out]:
    yield from ()


@pytest.mark.parametrize("function", [may_forget, may_forget_some, may_forget_all, yields_nothing])
async def test_nothing_is_dropped_where_the_annotation_allows_it(
    function: Callable[..., Any],
) -> None:
    outcome = await Lane(function).handle(bare(offset=5))
    assert (outcome.dead, outcome.count(Outcome.DROPPED)) == ([], 1)
