"""Does a stage handle what its version's filters let through, with that version's parameters?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar

import pytest
from pydantic import BaseModel

from farandole.events.outcome import Outcome
from farandole.events.topology_version import EventSpec, StageSpec
from farandole.lanes.lane_port import OutcomeUnknownError
from farandole.stages.contract import Context, Reject, To
from farandole.stages.generic.log import log
from farandole.stages.generic.mask import mask
from farandole.stages.generic.sample import sample
from farandole.stages.json_schema import written_schema
from tests.worker.made import (
    ONCE,
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
BIG = {"in": "data.n >= 3"}


class Times(BaseModel):
    factor: int
    plus: int = 0


class Counted(Times):
    built: ClassVar[int] = 0

    def model_post_init(self, _: Any) -> None:
        Counted.built += 1


def counted(event: In, params: Counted) -> Out:
    return Out(n=event.n)


def doubled(event: In) -> Out:
    return Out(n=2 * event.n)


async def doubled_later(event: In) -> Out:
    return Out(n=2 * event.n)


def doubled_all(events: list[In]) -> list[Out]:
    return [Out(n=2 * event.n) for event in events]


def times(event: In, params: Times) -> Out:
    return Out(n=event.n * params.factor + params.plus)


def passed(event: T) -> T:
    return event


def stage(function: str = "m:f", **more: Any) -> StageSpec:
    return StageSpec(
        run=function, **{"subscribes": ("in",), "emits": ("out",), "retry": ONCE, **more}
    )


def asked(data: Any) -> Any:
    return bare(data)._replace(topic="p.asked")


# -- when:


@pytest.mark.parametrize("function", [doubled, doubled_later, doubled_all])
async def test_what_is_filtered_is_consumed_and_handled_no_further(function: Any) -> None:
    outcome = await Lane(function, when=BIG).handle(*(emitted(n) for n in range(5)))
    assert [data["n"] for data in outcome.data()] == [6, 8]
    counters = outcome.counters
    assert (counters.consumed, counters.outcomes[Outcome.FILTERED], counters.emitted) == (5, 3, 2)
    assert (counters.outcomes[Outcome.DROPPED], counters.outcomes[Outcome.DEAD]) == (0, 0)


async def test_bare_records_are_filtered_too() -> None:
    outcome = await Lane(doubled, when=BIG).handle(*(bare(offset=n) for n in range(5)))
    assert outcome.count(Outcome.FILTERED) == 3


async def test_what_is_filtered_need_not_be_what_the_function_takes() -> None:
    """The filter stands before the schema."""
    records = [bare({"kind": "other"}, 0), bare({"kind": "in", "n": 1}, 1)]
    outcome = await Lane(doubled, when={"in": "data.kind == 'in'"}).handle(*records)
    assert (
        outcome.count(Outcome.FILTERED),
        outcome.count(Outcome.DEAD),
        outcome.counters.emitted,
    ) == (1, 0, 1)


async def test_attributes_decide_as_well() -> None:
    when = {"in": "attributes.runid.startsWith('b')"}
    outcome = await Lane(doubled, when=when).handle(emitted(1), emitted(2, run="b" * 13))
    assert [data["n"] for data in outcome.data()] == [4]


async def test_a_bare_record_has_no_attributes() -> None:
    outcome = await Lane(doubled, when={"in": "size(attributes) == 0"}).handle(bare(), emitted(1))
    assert (outcome.counters.emitted, outcome.count(Outcome.FILTERED)) == (1, 1)


async def test_structured_events_are_filtered_by_their_own_data_and_attributes() -> None:
    event = b'{"specversion":"1.0","id":"1","source":"me","type":"in","data":{"n":3}}'
    headers = [("content-type", b"application/cloudevents+json")]
    when = {"in": "data.n == 3 && attributes.source == 'me'"}
    outcome = await Lane(doubled, when=when).handle(bare(event, headers=headers))
    assert [data["n"] for data in outcome.data()] == [6]


@pytest.mark.parametrize("function", [doubled, doubled_later, doubled_all])
async def test_an_event_that_the_filter_cannot_decide_dies_with_a_reason(function: Any) -> None:
    lane = Lane(function, when={"in": "data.m > 1"}, retry=PATIENT)
    outcome = await lane.handle(bare({"n": 1}))
    (dead,) = outcome.dead
    assert (dead["error"], dead["attempts"]) == ("Undecided", "1")
    assert "`data.m > 1`" in dead["message"]
    assert "there is no 'm'" in dead["message"]
    assert "traceback" not in dead or not dead["traceback"]
    assert (
        outcome.count(Outcome.FILTERED),
        outcome.count(Outcome.DEAD),
    ) == (0, 1)


async def test_an_event_that_is_no_json_dies_at_the_filter() -> None:
    outcome = await Lane(doubled, when=BIG).handle(
        bare(b"{", 0), bare(b"NaN", 1), bare({"n": 3}, 2)
    )
    assert [dead["error"] for dead in outcome.dead] == ["Unreadable", "Unreadable"]
    assert outcome.counters.emitted == 1


async def test_each_event_type_has_its_own_filter() -> None:
    lane = Lane(doubled, subscribes=("in", "asked"), when=BIG)
    outcome = await lane.handle(bare({"n": 1}), asked({"n": 1}))
    assert (outcome.count(Outcome.FILTERED), outcome.counters.emitted) == (1, 1)


async def test_an_event_is_filtered_by_the_version_that_wires_it() -> None:
    versions = [
        version(1, stages={"stage": stage(when={"in": "data.n > 100"})}),
        version(2, stages={"stage": stage(when={"in": "data.n < 100"})}),
        version(3, stages={"stage": stage()}),
    ]
    lane = Lane(doubled, versions=versions)
    outcome = await lane.handle(*(emitted(n, of=f"p@{n}") for n in (1, 2, 3)))
    assert [data["n"] for data in outcome.data()] == [4, 6]


async def test_an_expression_is_compiled_once_for_all_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from farandole.worker import output_routing

    made: list[str] = []

    def compiled(source: str) -> Any:
        made.append(source)
        return lambda data, attributes: True

    monkeypatch.setattr(output_routing, "compile_expression", compiled)
    await Lane(doubled, when=BIG).handle(*(bare(offset=n) for n in range(50)))
    assert made == ["data.n >= 3"]


# -- with:


async def test_a_function_gets_its_parameters() -> None:
    outcome = await Lane(times, parameters={"factor": 7}).handle(bare({"n": 3}), emitted(2))
    assert [data["n"] for data in outcome.data()] == [21, 14]


async def test_parameters_and_context_come_together() -> None:
    def both(event: In, context: Context, params: Times) -> Out:
        return Out(n=event.n * params.factor + context.attempt)

    outcome = await Lane(both, parameters={"factor": 7}).handle(bare({"n": 3}))
    assert [data["n"] for data in outcome.data()] == [22]


async def test_a_batch_and_a_thread_get_parameters_too() -> None:
    def batch(events: list[In], params: Times) -> list[Out]:
        return [Out(n=event.n * params.factor) for event in events]

    outcome = await Lane(batch, parameters={"factor": 7}).handle(emitted(1), emitted(2))
    assert [data["n"] for data in outcome.data()] == [7, 14]
    with ThreadPoolExecutor(1) as threads:
        lane = Lane(times, parameters={"factor": 7}, threads=threads)
        assert [data["n"] for data in (await lane.handle(emitted(3))).data()] == [21]


async def test_parameters_are_those_of_the_version_that_wires_the_event() -> None:
    versions = [version(n, stages={"stage": stage(parameters={"factor": n})}) for n in (1, 2, 3)]
    lane = Lane(times, versions=versions)
    outcome = await lane.handle(*(emitted(10, of=f"p@{n}") for n in (3, 1, 2)))
    assert [data["n"] for data in outcome.data()] == [30, 10, 20]


async def test_one_batch_has_the_parameters_of_one_version() -> None:
    calls: list[tuple[int, int]] = []

    def load(events: list[In], params: Times) -> None:
        calls.append((len(events), params.factor))

    versions = [
        version(n, stages={"stage": stage(parameters={"factor": n}, emits=())}) for n in (1, 2)
    ]
    lane = Lane(load, versions=versions, emits=())
    await lane.handle(*(emitted(i, of=f"p@{n}") for i, n in enumerate([1, 1, 2, 2, 2, 1])))
    assert calls == [(2, 1), (3, 2), (1, 1)]


async def test_parameters_are_built_once_for_all_events() -> None:
    Counted.built = 0
    lane = Lane(counted, parameters={"factor": 1})
    await lane.handle(*(bare(offset=n) for n in range(50)))
    assert Counted.built == 1


async def test_parameters_that_do_not_fit_the_code_kill_no_event() -> None:
    """The version was made for other code, which will work it: the lane ends."""
    with pytest.raises(OutcomeUnknownError, match="factor"):
        await Lane(times).handle(bare())


# -- any event


async def test_a_passed_through_event_is_written_unchanged() -> None:
    data = {"a": [1, None, {"é": 1.5}], "large": 2**70, "text": "\u2028"}
    outcome = await Lane(passed).handle(bare(data), bare(b'"text"', 1), bare(b"7", 2))
    assert outcome.data() == [data, "text", 7]


async def test_a_passed_through_event_gets_its_declared_key() -> None:
    outcome = await Lane(passed, emits=("keyed",)).handle(
        bare({"n": 1, "household": 12}, key=b"in"),
        bare({"n": 1}, key=b"in"),
        bare(b"[1]", key=b"in"),
    )
    assert sorted(str(o.key) for o in outcome.of("p.keyed")) == ["None", "None", "b'12'"]


async def test_bytes_that_are_no_json_do_not_pass() -> None:
    outcome = await Lane(passed).handle(bare(b"{"), bare(b"\xff", 1), bare(b"Infinity", 2))
    assert [dead["error"] for dead in outcome.dead] == ["Unreadable"] * 3


async def test_a_passing_stage_may_name_its_output() -> None:
    def split(event: T) -> To[T]:
        return To("out" if event["n"] > 1 else "other", event)  # type: ignore[index]

    outcome = await Lane(split, emits=("out", "other")).handle(bare({"n": 1}), bare({"n": 2}))
    assert (outcome.data("p.out"), outcome.data("p.other")) == ([{"n": 2}], [{"n": 1}])


@pytest.mark.parametrize("threads", [0, 1])
async def test_a_passing_stage_without_outputs_is_the_last(threads: int) -> None:
    pool = ThreadPoolExecutor(1) if threads else None
    outcome = await Lane(log, emits=(), threads=pool).handle(bare(), emitted(1))
    counters = outcome.counters
    assert (
        counters.consumed,
        counters.emitted,
        counters.outcomes[Outcome.DROPPED],
        counters.outcomes[Outcome.DEAD],
    ) == (2, 0, 0, 0)
    assert outcome.writes == {}


async def test_a_sample_drops_the_rest() -> None:
    lane = Lane(sample, parameters={"share": 0.5})
    counters = (await lane.handle(*(bare(offset=n) for n in range(200)))).counters
    assert counters.emitted + counters.outcomes[Outcome.DROPPED] == 200
    assert 60 < counters.emitted < 140


async def test_a_mask_hides_before_anyone_else_reads() -> None:
    lane = Lane(mask, parameters={"fields": {"name": "redact"}})
    assert (await lane.handle(bare({"n": 1, "name": "Ada"}))).data() == [{"n": 1, "name": "***"}]


# -- several inputs, several outputs


class Left(BaseModel):
    n: int


class Right(BaseModel):
    n: int
    side: str = "right"


def sided(event: Left | Right) -> Out:
    return Out(n=event.n, household=1 if type(event) is Left else 2)


def two_inputs(left: Any, right: Any) -> list[Any]:
    events = {
        "in": EventSpec(topic="p.in", partitions=4, boundaries=(0,) * 4, data_schema=left),
        "asked": EventSpec(topic="p.asked", partitions=4, boundaries=(0,) * 4, data_schema=right),
    }
    return [version(stages={"stage": stage(subscribes=("in", "asked"))}, events=events)]


async def test_each_input_is_read_by_its_own_schema() -> None:
    """What would fit both is what its event type says, and not what fits better."""
    lane = Lane(sided, versions=two_inputs(dict(written_schema(Left)), dict(written_schema(Right))))
    outcome = await lane.handle(bare({"n": 1, "side": "left"}), asked({"n": 2}))
    assert [(d["n"], d["household"]) for d in outcome.data()] == [(1, 1), (2, 2)]


async def test_an_input_without_a_schema_is_what_fits_best() -> None:
    lane = Lane(sided, versions=two_inputs(None, None))
    outcome = await lane.handle(bare({"n": 1, "side": "left"}), asked({"n": 2}))
    assert [(d["n"], d["household"]) for d in outcome.data()] == [(1, 2), (2, 1)]


async def test_an_input_that_is_not_its_own_schema_dies() -> None:
    lane = Lane(sided, versions=two_inputs(dict(written_schema(Left)), dict(written_schema(Right))))
    (dead,) = (await lane.handle(asked({"side": "right"}))).dead
    assert dead["message"] == "n: Field required"


async def test_several_outputs_and_several_inputs_at_once() -> None:
    def both(event: Left | Right) -> Out | Other | None:
        if event.n == 0:
            return None
        return Other(said=event.side) if isinstance(event, Right) else Out(n=event.n)

    versions = two_inputs(dict(written_schema(Left)), dict(written_schema(Right)))
    both_emit = {
        **versions[0].stages,
        "stage": stage(subscribes=("in", "asked"), emits=("out", "other")),
    }
    lane = Lane(both, versions=[versions[0].model_copy(update={"stages": both_emit})])
    outcome = await lane.handle(bare({"n": 1}), asked({"n": 2}), bare({"n": 0}, 3))
    assert (outcome.data("p.out")[0]["n"], outcome.data("p.other")[0]["said"]) == (1, "right")
    assert (outcome.counters.emitted, outcome.count(Outcome.DROPPED)) == (2, 1)


async def test_one_function_in_two_stages_has_the_options_of_each() -> None:
    """Fan-out: both stages get each event, each under its own filter and parameters."""
    wired = version(
        stages={
            "stage": stage(parameters={"factor": 2}, when={"in": "data.n > 1"}),
            "twin": stage(parameters={"factor": 3}, when={"in": "data.n < 3"}),
        }
    )
    seen = {}
    for name in ("stage", "twin"):
        lane = Lane(times, versions=[wired], name=name)
        outcome = await lane.handle(*(emitted(n) for n in (1, 2, 3)))
        sources = {text_headers(o)["ce_source"].rpartition("/")[2] for o in outcome.of("p.out")}
        assert sources == {name}
        seen[name] = [data["n"] for data in outcome.data()]
    assert seen == {"stage": [4, 6], "twin": [3, 6]}


async def test_a_reject_after_the_filter_is_still_one() -> None:
    def refuses(event: In) -> Out:
        raise Reject("no")

    outcome = await Lane(refuses, when=BIG).handle(bare({"n": 1}), bare({"n": 3}))
    assert (outcome.count(Outcome.FILTERED), [d["error"] for d in outcome.dead]) == (
        1,
        ["Reject"],
    )
