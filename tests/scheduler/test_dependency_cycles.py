"""Are circles of schedules that wait for each other found, and no others?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.scheduler.dependency_cycles import dependency_cycles

Pipelines = dict[str, dict[str, ScheduleSpec]]


def after(pipeline: str, event: str | None = None) -> DependencySpec:
    return DependencySpec(pipeline=pipeline, event=event, status=("completed",))


def untimed(triggers: str, *dependencies: DependencySpec) -> ScheduleSpec:
    return ScheduleSpec(triggers=triggers, after=dependencies)


def cycles(pipelines: Pipelines) -> list[str]:
    return [str(each) for each in dependency_cycles(pipelines)]


def test_a_schedule_that_waits_for_its_own_runs_is_a_circle() -> None:
    assert cycles({"p": {"s": untimed("a", after("p", "a"))}}) == ["p/a → p/a"]
    assert cycles({"p": {"s": untimed("a", after("p"))}}) == ["p/a → p/a"]


def test_another_root_of_the_same_pipeline_is_none() -> None:
    assert cycles({"p": {"s": untimed("a", after("p", "b"))}}) == []


def test_a_circle_through_several_pipelines_is_found_once() -> None:
    found = cycles(
        {
            "p": {"s": untimed("a", after("r"))},
            "q": {"s": untimed("b", after("p", "a"))},
            "r": {"s": untimed("c", after("x"), after("q", "b"))},
        }
    )
    assert found == ["p/a → q/b → r/c → p/a"]


def test_two_circles_are_both_found() -> None:
    found = cycles(
        {
            "p": {"s": untimed("a", after("p", "a")), "t": untimed("b", after("q"))},
            "q": {"s": untimed("c", after("p", "b"))},
        }
    )
    assert found == ["p/a → p/a", "p/b → q/c → p/b"]


def test_a_chain_and_files_are_no_circle() -> None:
    file = DependencySpec(file="in/*.csv")
    assert (
        cycles({"p": {"s": untimed("a", file)}, "q": {"s": untimed("b", after("p"), after("x"))}})
        == []
    )


def test_a_circle_says_whether_one_of_it_has_planned_times() -> None:
    timed = ScheduleSpec(triggers="a", cron="@daily", after=(after("q"),))
    pipelines = {"p": {"s": timed}, "q": {"s": untimed("b", after("p"))}}
    assert [each.is_timed for each in dependency_cycles(pipelines)] == [True]


EDGES = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde")), max_size=8)


@given(EDGES)
def test_there_is_a_circle_exactly_if_the_schedules_cannot_be_put_in_order(
    edges: list[tuple[str, str]],
) -> None:
    """Each letter is a pipeline with one schedule; an edge: the second waits for the first."""
    waits = {letter: {first for first, second in edges if second == letter} for letter in "abcde"}
    pipelines = {
        letter: {"s": untimed("x", *map(after, sorted(firsts)))} for letter, firsts in waits.items()
    }
    left = dict(waits)
    while ready := [letter for letter, firsts in left.items() if firsts.isdisjoint(left)]:
        for letter in ready:
            del left[letter]
    assert bool(dependency_cycles(pipelines)) is bool(left)
