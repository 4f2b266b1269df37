"""How does a worker handle versions for which its code was not made?"""

from __future__ import annotations

from datetime import UTC, datetime

from farandole.catalog.active_stages import active_stages
from farandole.events.outcome import Outcome
from farandole.events.topology_version import EventSpec, StageSpec, StageTopic, Version
from farandole.stages.contract import To
from farandole.stages.function_signature import read_signature
from farandole.worker.output_routing import signature_mismatch
from farandole.worker.stage_host import without_wiring
from tests.worker.made import In, Lane, Other, Out, bare, version

ONE = StageSpec(run="m:f", subscribes=("in",), emits=("out",))
TWO = StageSpec(run="m:f", subscribes=("in",), emits=("other", "out"))
RENAMED = StageSpec(run="m:f", subscribes=("in",), emits=("keyed",))
LATER = EventSpec(topic="p.in", partitions=4, boundaries=(10, 10, 10, 10))


def since_ten(first: StageSpec, then: StageSpec) -> list[Version]:
    """Two versions of a stage; the second holds from offset 10 on."""
    return [
        version(1, stages={"stage": first}),
        version(2, stages={"stage": then}, events={"in": LATER}),
    ]


def either(event: In) -> Other | Out:
    return Out(n=event.n) if event.n % 2 else Other(said="even")


def named(event: In) -> To[Out]:
    return To("out" if event.n % 2 else "keyed", Out(n=event.n, household=1))


def one(event: In) -> Out:
    return Out(n=event.n, household=1)


async def test_a_result_goes_by_its_name_under_a_version_with_fewer_outputs() -> None:
    versions = [
        version(1, stages={"stage": ONE}),
        version(2, stages={"stage": TWO}, events={"in": LATER}),
    ]
    outcome = await Lane(either, versions=versions).handle(bare({"n": 1}, 1))
    assert outcome.data("p.out") == [{"n": 1, "household": None}]
    assert outcome.dead == []


async def test_a_result_that_an_older_version_does_not_know_is_dropped() -> None:
    versions = [
        version(1, stages={"stage": ONE}),
        version(2, stages={"stage": TWO}, events={"in": LATER}),
    ]
    outcome = await Lane(either, versions=versions).handle(bare({"n": 2}, 1), bare({"n": 2}, 11))
    assert (outcome.count(Outcome.DROPPED), outcome.counters.emitted, outcome.dead) == (
        1,
        1,
        [],
    )
    assert outcome.data("p.other") == [{"said": "even"}]


async def test_the_function_is_called_once_for_a_result_that_is_dropped() -> None:
    called: list[int] = []

    def counting(event: In) -> Other | Out:
        called.append(event.n)
        return Other(said="even")

    await Lane(counting, versions=since_ten(ONE, TWO)).handle(bare({"n": 2}, 1), bare({"n": 4}, 2))
    assert called == [2, 4]


async def test_a_result_with_to_that_an_older_version_does_not_know_is_dropped() -> None:
    both = ONE.model_copy(update={"emits": ("out", "keyed")})
    versions = [
        version(1, stages={"stage": ONE}),
        version(2, stages={"stage": both}, events={"in": LATER}),
    ]
    outcome = await Lane(named, versions=versions).handle(bare({"n": 2}, 1), bare({"n": 2}, 11))
    assert (outcome.count(Outcome.DROPPED), outcome.counters.emitted, outcome.dead) == (
        1,
        1,
        [],
    )


async def test_an_output_that_was_renamed_goes_where_the_version_of_its_event_sends_it() -> None:
    versions = since_ten(ONE, RENAMED)
    outcome = await Lane(one, versions=versions).handle(bare({"n": 1}, 1), bare({"n": 1}, 11))
    assert len(outcome.of("p.out")) == len(outcome.of("p.keyed")) == 1


def test_a_stage_that_the_newest_version_no_longer_has_is_still_hosted() -> None:
    versions = {1: version(1, stages={"gone": ONE}), 2: version(2)}
    assert set(active_stages(versions)) == {"before", "gone"}


def test_a_stage_of_retired_versions_only_is_not_hosted() -> None:
    first = version(1, stages={"gone": ONE}).model_copy(update={"retired": datetime.now(UTC)})
    assert set(active_stages({1: first, 2: version(2)})) == {"before"}


def test_a_stage_reads_its_inputs_of_all_versions_and_is_worked_as_the_newest_says() -> None:
    moved = ONE.model_copy(update={"subscribes": ("asked",), "timeout": 5})
    versions = {1: version(1, stages={"stage": ONE}), 2: version(2, stages={"stage": moved})}
    assert active_stages(versions)["stage"].topics == ("p.asked", "p.in")
    assert active_stages(versions)["stage"].stage.timeout == 5


def test_code_with_other_outputs_than_the_version_says_does_not_fit() -> None:
    assert signature_mismatch(TWO, read_signature(either)) is None
    assert signature_mismatch(TWO, read_signature(one))
    assert signature_mismatch(StageSpec(run="m:f", subscribes=("in",)), read_signature(one))
    three = ONE.model_copy(update={"emits": ("a", "b", "c")})
    assert signature_mismatch(three, read_signature(either))


def test_a_new_alert_age_restarts_no_lane() -> None:
    assert without_wiring(ONE.model_copy(update={"age": 30.0})) == without_wiring(ONE)
    assert without_wiring(ONE.model_copy(update={"timeout": 5})) != without_wiring(ONE)


def test_a_wider_topic_of_states_restarts_no_lane_and_the_first_one_does() -> None:
    narrow, wide = (
        ONE.model_copy(update={"state": StageTopic(topic="p.stage.state", partitions=n)})
        for n in (4, 8)
    )
    assert without_wiring(narrow) == without_wiring(wide) != without_wiring(ONE)
    versions = {1: version(1, stages={"stage": wide}), 2: version(2, stages={"stage": ONE})}
    found = active_stages(versions)["stage"]
    assert (found.state, found.topics) == (wide.state, ("p.in",))
