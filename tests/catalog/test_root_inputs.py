"""Which records of an input can only be roots, and which roots have begun their run?"""

from __future__ import annotations

from math import inf

from farandole.catalog.root_inputs import begun_before, is_mixed, other_subscribers, roots_end
from farandole.catalog.version_boundaries import version_starts
from farandole.events.topology_version import EventSpec, StageSpec, Version
from tests.catalog.made import version


def made(number: int, stages: dict[str, tuple[str, str]], boundary: int = 0) -> Version:
    """A version whose stages read one type and emit another, and that begins at one offset of every
    partition."""
    types = {each for wired in stages.values() for each in wired}
    events = {t: EventSpec(topic=f"p.{t}", partitions=1, boundaries=(boundary,)) for t in types}
    specs = {
        name: StageSpec(run="m:f", subscribes=(read,), emits=(emitted,))
        for name, (read, emitted) in stages.items()
    }
    return version(number, events, specs)


FIRST = made(1, {"s": ("a", "b"), "t": ("a", "c")})


def end(topic: str, *versions: Version) -> float:
    return roots_end({each.version: each for each in versions}, f"p.{topic}", 0)


def test_roots_wait_where_no_stage_emits_the_type() -> None:
    assert (end("a", FIRST), end("b", FIRST), end("unknown", FIRST)) == (inf, 0, 0)


def test_what_a_later_version_emits_was_a_root_before_it() -> None:
    second = made(2, {"new": ("x", "a"), "s": ("a", "b")}, boundary=7)
    assert (end("a", FIRST, second), end("x", FIRST, second)) == (7, inf)
    assert is_mixed({1: FIRST, 2: second}, "p.a")
    assert not is_mixed({1: FIRST}, "p.a")


def test_events_of_a_retired_version_are_no_roots() -> None:
    retired = FIRST.model_copy(update={"retired": FIRST.published})
    second = made(2, {"s": ("a", "b"), "thank": ("b", "d")}, boundary=7)
    assert (end("b", FIRST, second), end("b", retired, second)) == (0, 0)
    assert end("c", retired, second) == 0
    was_root = made(1, {"s": ("b", "d")}).model_copy(update={"retired": FIRST.published})
    assert end("b", was_root, second) == 7


def test_what_is_a_root_now_waits_although_an_older_version_emits_it() -> None:
    older = made(1, {"old": ("x", "a")})
    second = made(2, {"s": ("a", "b")}, boundary=7)
    assert end("a", older, second) == inf
    assert is_mixed({1: older, 2: second}, "p.a")
    retired = older.model_copy(update={"retired": older.published})
    assert not is_mixed({1: retired, 2: second}, "p.a")


def test_a_root_has_begun_its_run_where_another_stage_has_settled_it() -> None:
    starts = version_starts([FIRST], "p.a", 0)
    assert begun_before(starts, 3, "s", {}) == 3
    assert begun_before(starts, 3, "s", {"s": 9, "t": 2}) == 3
    assert begun_before(starts, 3, "s", {"t": 5}) == 5


def test_a_stage_that_a_later_version_adds_has_begun_no_earlier_root() -> None:
    later = made(2, {"s": ("a", "b"), "t": ("a", "c"), "u": ("a", "d")}, boundary=10)
    starts = version_starts([FIRST, later], "p.a", 0)
    assert begun_before(starts, 3, "s", {"u": 10, "t": 3}) == 3
    assert begun_before(starts, 3, "s", {"u": 12, "t": 10}) == 12
    assert begun_before(starts, 10, "s", {"u": 12}) == 12
    assert begun_before(starts, 3, "s", {"u": 11, "t": 9}) == 11  # also past 9, which nobody began


def test_the_other_readers_are_those_of_every_version() -> None:
    later = made(2, {"s": ("a", "b"), "u": ("a", "d"), "v": ("b", "e")})
    assert other_subscribers([FIRST, later], "s", ["p.a"]) == ["t", "u"]
    assert other_subscribers([FIRST, later], "v", ["p.b"]) == []
