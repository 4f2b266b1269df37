"""Is every profile found that is not the sum of its parts, and no other?"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.check_spec import CheckSpec
from farandole.events.profile_delta import ProfileDelta
from farandole.events.quality_row import QualityKey
from farandole.ledger.data_verification import DataVerification, KeptProfile, WholeSums
from farandole.ledger.edge_data import EdgeData
from farandole.ledger.edge_figures import (
    Place,
    edge_figures,
    figure_differences,
)
from farandole.quality.checks.row_rules import compile_row_rules
from farandole.quality.checks.rule_tallies import RuleTally
from farandole.quality.checks.tallying import tally_rows
from farandole.quality.profiles.figures import DIFFERENT_ROWS
from farandole.quality.profiles.profiling import profile_rows

RULES = compile_row_rules({"small": CheckSpec(rule="range", column="n", max=5)}, lambda _: str)
NUMBERS = st.lists(st.integers(0, 9), min_size=1, max_size=5)


def part(run: str, numbers: Sequence[int], *, room: int = 10**6) -> EdgeData:
    """What a transaction says of rows with these numbers; rows with a 9 die."""
    raws = [orjson.dumps({"n": n}) for n in numbers]
    rows = [{"n": n} for n in numbers]
    ids = [f"{run}/{at}/{n}".encode() for at, n in enumerate(numbers)]
    delta: ProfileDelta = {"version": 1, "event": "made", "stage": "load", "run": run}
    delta["profile"] = orjson.loads(profile_rows(raws, frozenset()).to_delta(room))
    delta["checks"] = orjson.loads(tally_rows(rows, ids, RULES, ()).to_delta(room))
    if died := [raw for raw, n in zip(raws, numbers, strict=True) if n == 9]:
        delta["died"] = profile_rows(died, frozenset()).to_json()
    data = EdgeData(QualityKey("shop", "made", run, None), 1, "load")
    data.add(delta)
    return data


def whole(run: str, parts: Sequence[Sequence[int]]) -> EdgeData:
    sums = WholeSums([QualityKey("shop", "made", run, None)])
    for each in parts:
        sums.add(part(run, each))
    return sums[QualityKey("shop", "made", run, None)]


def verified(
    kept: Sequence[EdgeData], parts: Sequence[EdgeData], most: int = 1_000
) -> tuple[set[str | None], set[str | None]]:
    """Return the runs that equal the sum of their parts, and those that differ."""
    left = {each.key: KeptProfile.of(each) for each in kept}
    equal: set[QualityKey] = set()
    different: set[QualityKey] = set()
    wanted: set[QualityKey] | None = None
    while True:
        verification = DataVerification(left, most)
        for each in parts:
            if wanted is None or each.key in wanted:
                verification.add(each)
        equal |= verification.equal
        different |= verification.different()
        if not verification.postponed:
            return {key.run for key in equal}, {key.run for key in different}
        wanted = {*verification.postponed}
        left = {key: each for key, each in left.items() if key in wanted}


RUNS = st.dictionaries(st.sampled_from("abcd"), st.lists(NUMBERS, min_size=1, max_size=4))


@given(RUNS, st.integers(1, 3), st.randoms())
@settings(max_examples=60, deadline=None)
def test_what_is_the_sum_of_its_parts_is_equal_however_few_are_held(
    runs: dict[str, list[list[int]]], most: int, random: Any
) -> None:
    runs = {run: parts for run, parts in runs.items() if parts}
    parts = [(run, numbers) for run, of_run in runs.items() for numbers in of_run]
    random.shuffle(parts)
    kept = [whole(run, of_run) for run, of_run in runs.items()]
    assert verified(kept, [part(*each) for each in parts], most) == (set(runs), set())


@given(st.lists(NUMBERS, min_size=1, max_size=4), st.data())
@settings(max_examples=60, deadline=None)
def test_a_part_that_is_lost_doubled_or_another_one_is_found(
    parts: list[list[int]], data: st.DataObject
) -> None:
    kept, given_ = whole("a", parts), [part("a", each) for each in parts]
    at = data.draw(st.integers(0, len(parts) - 1))
    one_more = [(n + 1) % 10 for n in parts[at]]
    assert verified([kept], [*given_[:at], *given_[at + 1 :]])[1] == {"a"}
    assert verified([kept], [*given_, part("a", parts[at])])[1] == {"a"}
    assert verified([kept], [*given_[:at], part("a", one_more), *given_[at + 1 :]])[1] == {"a"}


def test_a_profile_that_is_kept_twice_or_never_is_found() -> None:
    assert verified([whole("a", [[1]])], [])[1] == {"a"}
    assert verified([], [part("a", [1])])[1] == {"a"}


def test_the_differing_figures_are_named_with_both_values() -> None:
    kept, found = whole("a", [[1, 2, 9]]), whole("a", [[1, 3, 9]])
    differences = {
        (each.place, each.figure): (each.one, each.other)
        for each in figure_differences(edge_figures(kept), edge_figures(found))
    }
    assert differences.pop((Place("rows", DIFFERENT_ROWS), "registers"))
    assert differences == {
        (Place("rows", "n"), "sum of integers"): (12, 13),
        (Place("rows", "n"), "values"): ({"2": 1}, {"3": 1}),
    }


def test_what_lanes_remember_of_keys_is_compared_unless_it_is_left_out() -> None:
    kept, found = part("a", [1, 1]), part("a", [1, 1])
    kept.keys = RuleTally()
    kept.keys.judged, kept.keys.failed = 2, 1
    (difference, *_) = figure_differences(edge_figures(kept), edge_figures(found))
    assert difference.place == Place("keys", None)
    assert [*figure_differences(edge_figures(kept), edge_figures(found), {"keys"})] == []


def test_what_one_side_has_left_out_is_not_compared() -> None:
    numbers = Random(3).sample(range(10, 10**6), 900)
    short, long = part("a", numbers, room=1_000), part("a", numbers)
    assert short.profile is not None
    assert short.profile.columns["n"].trimmed
    assert [*figure_differences(edge_figures(short), edge_figures(long))] == []
    other = edge_figures(part("a", [n + 1 for n in numbers]))
    places = {each.place for each in figure_differences(edge_figures(short), other)}
    assert places == {Place("rows", "n")}  # its sum is never left out
