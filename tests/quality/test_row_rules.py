"""Does a row keep the rules of its event type?"""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.check_spec import CheckSpec
from farandole.quality.checks.row_column import MISSING, column_value, parse_column
from farandole.quality.checks.row_rules import (
    RowRule,
    RuleError,
    compile_pattern,
    compile_row_rules,
)
from farandole.stages.cel_expression import compile_row_condition
from tests.quality import drawn_checks


def rule_of(**check: object) -> RowRule:
    (rule,) = compile_row_rules({"it": CheckSpec.model_validate(check)}, compile_row_condition)
    return rule


def broken(check: dict[str, object], value: object) -> bool:
    return rule_of(column="x", **check).is_broken_by({"x": value})


RANGE = {"rule": "range", "min": 0, "max": 10}


@pytest.mark.parametrize(
    ("check", "kept", "breaking"),
    [
        ({"rule": "not-null"}, [0, False, "", [], {}], [None]),
        (RANGE, [0, 10, 9.99, "0", "10.0", "1e1", None], [-1, 10.1, 2**70, "11", "ten", "1e4000"]),
        (RANGE, [], [True, False, "NaN", "Infinity", " 5", "5 ", "0x5", "٣", [5], {"x": 5}]),
        ({"rule": "range", "min": 0}, [2**70, 1e308, float("inf")], [-1e-300, -(2**70), "-1"]),
        ({"rule": "range", "max": 2**64}, [2**64], [2**64 + 1, "18446744073709551617"]),
        ({"rule": "one-of", "values": [1, "a"]}, [1, 1.0, "a", None], [True, "1", 2, "A", [1]]),
        ({"rule": "one-of", "values": [True, 0]}, [True, 0, 0.0, None], [1, False, {}, "true"]),
        ({"rule": "pattern", "matches": "a|ab"}, ["a", "ab", None], ["abc", "a\n", "", 1, ["a"]]),
        ({"rule": "pattern", "matches": r"(?i)\p{Greek}+"}, ["Αθήνα"], ["Athens", "\ud800"]),
        ({"rule": "length", "min": 1, "max": 3}, ["ü", "日本語", None], ["", "abcd", 12, ["a"]]),
        ({"rule": "length", "max": 3}, [""], ["abcd"]),
    ],
)
def test_a_value_is_judged(
    check: dict[str, object], kept: list[object], breaking: list[object]
) -> None:
    assert [value for value in kept if broken(check, value)] == []
    assert [value for value in breaking if not broken(check, value)] == []


def test_a_number_that_is_not_finite_is_in_no_range() -> None:
    assert broken(RANGE, float("nan"))
    assert broken(RANGE, float("inf"))


@pytest.mark.parametrize("row", [{}, {"x": None}, {"y": 1}, [], "x", 7, None, {"x": [{"y": 1}]}])
def test_only_not_null_is_broken_by_a_missing_value(row: object) -> None:
    assert rule_of(rule="not-null", column="x.y").is_broken_by(row)
    for check in drawn_checks.CHECKS.values():
        if check.column and check.rule != "not-null":
            assert not rule_of(**check.model_dump() | {"column": "x.y"}).is_broken_by(row)


def test_a_condition_that_cannot_be_decided_is_broken() -> None:
    rule = rule_of(rule="expression", holds="data.price * data.pieces == data.total")
    row = {"price": 2, "pieces": 3, "total": 6}
    assert not rule.is_broken_by(row)
    assert rule.is_broken_by(row | {"total": 7})
    assert rule.reason({"price": 2, "pieces": 3}).endswith(
        "there is no 'total' (ask first, for example `has(data.x) && data.x > 1`)"
    )
    assert rule.is_broken_by(row | {"price": "2"})
    assert rule.is_broken_by([])


@pytest.mark.parametrize(
    ("value", "check", "reason"),
    [
        (-1, RANGE, "the least is 0"),
        ("10.5", RANGE, "the greatest is 10"),
        ("ten", RANGE, "it is no number"),
        ("x", {"rule": "one-of", "values": ["y"]}, "it is none of the values"),
        ("abc", {"rule": "length", "max": 2}, "it has 3 characters, and the greatest is 2"),
        (3, {"rule": "length", "max": 2}, "it is no text"),
        (None, {"rule": "not-null"}, "it has no value"),
    ],
)
def test_the_reason_says_what_is_wrong(
    value: object, check: dict[str, object], reason: str
) -> None:
    assert rule_of(column="x", **check).reason(value) == reason


@pytest.mark.parametrize(
    ("pattern", "message", "position"),
    [
        ("a(b", "unclosed group", 2),
        ("a)|(b", "unopened group", 2),
        (r"(a)\1", "backreferences are not supported", 4),
        ("x(?=a)", "look-around, including look-ahead and look-behind, is not supported", 2),
        ("(.{1000}){1000}", "it is too large when compiled", 0),
    ],
)
def test_a_pattern_that_cannot_be_compiled_says_why(
    pattern: str, message: str, position: int
) -> None:
    with pytest.raises(RuleError) as error:
        compile_pattern(pattern)
    assert (error.value.key, str(error.value), error.value.position) == (
        "matches", message, position,
    )  # fmt: skip


def test_no_pattern_takes_more_than_linear_time() -> None:
    assert compile_pattern("(a+)+")("a" * 1_000_000)
    assert not compile_pattern("(a|a)*(a|aa)*c")("a" * 1_000_000)


def test_a_condition_that_cannot_be_compiled_says_why() -> None:
    with pytest.raises(RuleError, match="it names 'price', which is not data"):
        rule_of(rule="expression", holds="price > 0")
    with pytest.raises(RuleError, match="'attributes', which is not data"):
        rule_of(rule="expression", holds="attributes.type == ''")


@given(drawn_checks.rows)
@settings(max_examples=150, deadline=None)
def test_any_row_is_judged(row: object) -> None:
    for rule in compile_row_rules(drawn_checks.CHECKS, compile_row_condition):
        if rule.is_broken_by(row):
            assert rule.reason(column_value(row, rule.path))


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=4), drawn_checks.scalars)
def test_a_column_is_found_whatever_its_fields_are_called(fields: list[str], value: object) -> None:
    escaped = [f.replace("\\", r"\\").replace(".", r"\.") for f in fields]
    row: object = value
    for field in reversed(fields):
        row = {field: row}
    assert parse_column(".".join(escaped)) == tuple(fields)
    assert column_value(row, tuple(fields)) is value
    assert column_value(row, (*fields, "more")) is MISSING


@pytest.mark.parametrize("column", ["", ".", "a.", ".a", "a..b", "a\\"])
def test_what_is_no_path_is_refused(column: str) -> None:
    with pytest.raises(ValueError, match="no path of a field"):
        parse_column(column)


def test_both_readers_of_json_lead_to_one_verdict_up_to_64_bits() -> None:
    text = '{"x": 18446744073709551615}'
    rule = rule_of(rule="one-of", column="x", values=[2**64 - 1])
    assert not rule.is_broken_by(json.loads(text))
    assert not rule.is_broken_by(orjson.loads(text))
