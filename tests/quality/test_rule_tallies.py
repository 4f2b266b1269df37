"""How many rows have broken each rule, and which are examples of them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.check_spec import MAX_CHECKS, CheckSpec
from farandole.events.personal_data_masking import PERSONAL_MASK
from farandole.quality.checks.row_rules import compile_row_rules
from farandole.quality.checks.rule_tallies import (
    MAX_SAMPLE_TEXT,
    MAX_VALUES,
    LeftOut,
    RuleTallies,
)
from farandole.quality.checks.tallying import tally_rows
from farandole.quality.profiles.sample_ids import MAX_SAMPLES
from farandole.stages.cel_expression import compile_row_condition
from tests.quality import drawn_checks

RULES = compile_row_rules(drawn_checks.CHECKS, compile_row_condition)
PERSONAL = frozenset({"b"})


def tallied(
    rows: Sequence[Any],
    checks: Mapping[str, CheckSpec] | None = None,
    first: int = 0,
    personal: frozenset[str] = frozenset(),
) -> RuleTallies:
    ids = [b"line/0/%d" % (first + place) for place in range(len(rows))]
    rules = compile_row_rules(checks, compile_row_condition) if checks else RULES
    return tally_rows(rows, ids, rules, personal)


def merged(parts: Sequence[RuleTallies]) -> RuleTallies:
    total = RuleTallies()
    for part in parts:
        total.merge(part)
    return total


IN_RANGE = CheckSpec(rule="range", column="n", min=0)


def test_rows_that_break_a_rule_are_counted_with_their_values() -> None:
    rows = [{"n": 1}, {"n": -1}, {"n": -1.0}, {"n": "-1"}, {"n": None}, {}, [], {"n": True}]
    tallies = tallied(rows, {"good": IN_RANGE, "there": CheckSpec(rule="not-null", column="n")})
    assert (tallies.rows, tallies.passed) == (8, 1)
    good = tallies.rules["good"]
    assert (good.judged, good.failed) == (8, 4)
    assert good.values == {"-1": 2, '"-1"': 1, "true": 1}
    assert tallies.rules["there"].values == {"null": 1, "": 2}


def test_a_rule_of_a_share_does_not_count_for_a_single_row() -> None:
    mostly = CheckSpec(rule="not-null", column="n", share=0.9)
    tallies = tallied([{}, {"n": 1}], {"mostly": mostly})
    assert (tallies.passed, tallies.rules["mostly"].failed) == (2, 1)


@given(st.lists(drawn_checks.rows, max_size=12), st.data())
@settings(max_examples=100, deadline=None)
def test_merged_is_whole_in_any_order_and_grouping(rows: list[Any], data: st.DataObject) -> None:
    whole = tallied(rows, personal=PERSONAL)
    places = data.draw(st.permutations(range(len(rows))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    groups = [places[a:b] for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    parts = [
        tally_rows([rows[p] for p in group], [b"line/0/%d" % p for p in group], RULES, PERSONAL)
        for group in groups
    ]
    if len(parts) > 1 and data.draw(st.booleans()):
        parts = [parts[0], merged(parts[1:])]
    total = merged([tallied([], personal=PERSONAL), *parts])
    assert orjson.dumps(total.to_json()) == orjson.dumps(whole.to_json())
    assert RuleTallies.from_json(orjson.loads(whole.to_delta(2**20))) == whole


def test_values_overflow_whatever_part_has_them() -> None:
    rows = [{"n": -n} for n in range(1, MAX_VALUES + 2)]
    halves = [tallied(rows[:600], {"good": IN_RANGE}), tallied(rows[600:], {"good": IN_RANGE}, 600)]
    assert halves[0].rules["good"].left_out is LeftOut.NOTHING
    whole = tallied(rows, {"good": IN_RANGE})
    assert whole.rules["good"].left_out is LeftOut.MANY
    assert merged(halves) == merged(halves[::-1]) == whole
    assert len(orjson.dumps(whole.to_json())) < 1_000


def test_the_samples_are_those_of_the_least_hashes() -> None:
    rows = [{"n": -n} for n in range(100)]
    samples = tallied(rows, {"good": IN_RANGE}).rules["good"].samples
    assert len(samples) == MAX_SAMPLES
    parts = [tallied([row], {"good": IN_RANGE}, place) for place, row in enumerate(rows)]
    assert merged(parts[::-1]).rules["good"].samples == samples


def test_large_values_take_little_room() -> None:
    row = {"n": "x" * 1_000_000, "m": [["deep"] * 1_000] * 1_000}
    tallies = tallied([row], {"good": IN_RANGE})
    assert len(orjson.dumps(tallies.to_json())) < 2 * MAX_SAMPLE_TEXT


def test_a_row_that_cannot_be_written_is_still_a_sample() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    row = {"n": -1, "deep": deep, "large": 10**5000}
    assert [*tallied([row], {"good": IN_RANGE}).rules["good"].samples.values()] == [
        "(it cannot be shown)"
    ]


SECRET = "s3cret"


@pytest.mark.parametrize("column", ["a", "b", "a.b", "b.a"])
@pytest.mark.parametrize("secret", [SECRET, [SECRET], {"c": SECRET}, [{"a": {"b": SECRET}}]])
def test_nothing_personal_is_shown(column: str, secret: Any) -> None:
    """Also where a value is not of the shape in which the column would be there."""
    field, _, inside = column.partition(".")
    rows = [{"a": -1, "b": -1, "c": -1} | {field: {inside: secret} if inside else secret}]
    if not isinstance(secret, dict):
        rows += [{field: secret}, secret]
    shown = orjson.dumps(tallied(rows, personal=frozenset({column})).to_json()).decode()
    assert SECRET not in shown
    assert PERSONAL_MASK in shown


def test_a_delta_leaves_out_what_takes_too_much_room() -> None:
    checks = {f"rule-{n}": IN_RANGE for n in range(10)}
    rows = [{"n": -n - 1, "text": "x" * 400} for n in range(900)]
    whole = tallied(rows, checks)
    assert len(whole.to_delta(10**9)) > 64 * 1024
    for most in (64 * 1024, 20_000, 2_000):
        delta = whole.to_delta(most)
        assert len(delta) <= most
        read = RuleTallies.from_json(orjson.loads(delta))
        assert (read.rows, read.passed) == (whole.rows, whole.passed)
        assert {t.failed for t in read.rules.values()} == {900}
        assert any(t.left_out is LeftOut.TRIMMED for t in read.rules.values())
    assert all(t.samples_trimmed for t in read.rules.values())
    assert not any(t.samples_trimmed for t in whole.rules.values())


def test_no_more_rules_are_kept_than_a_file_may_have() -> None:
    tallies = tallied([{}], {f"rule-{n}": IN_RANGE for n in range(MAX_CHECKS)})
    with pytest.raises(ValueError, match="more than 100 rules"):
        tallies.merge(tallied([{}], {"one-more": IN_RANGE}))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
PLACES = ["rows", "passed", "rules", "judged", "failed", "left_out", "values", "samples"]


@given(st.lists(drawn_checks.rows, min_size=1, max_size=4), st.sampled_from(PLACES), JSON)
@settings(max_examples=150, deadline=None)
def test_what_is_not_ours_is_refused_or_counted(rows: list[Any], place: str, junk: Any) -> None:
    """A hostile row costs nobody more than a ValueError."""
    written = tallied(rows).to_json()
    for where in (written, written["rules"]["filled"]):
        if place in where or where is not written:
            where[place] = junk
    for each in (written, junk):
        try:
            read = RuleTallies.from_json(each)
        except ValueError:
            continue
        again = RuleTallies.from_json(orjson.loads(orjson.dumps(read.to_json())))
        assert again == read
