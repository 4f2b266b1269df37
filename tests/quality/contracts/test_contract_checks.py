"""Which checks do the rules of a contract become, and which are named as left out?"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.check_spec import CHECK_NAME_PATTERN
from farandole.quality.checks.row_rules import compile_pattern
from farandole.quality.contracts.contract_checks import contract_objects
from farandole.quality.contracts.found_checks import NotExpressibleError
from farandole.quality.contracts.patterns import whole_pattern
from farandole.stages.cel_expression import compile_row_condition

NULLS = {"metric": "nullValues"}
RANGE_SQL = "select count(*) from ${table} where ${column} not between -1 and 2.5;"


def found(**obj: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """The settings of the checks of one object, and why rules were left out."""
    (only,) = contract_objects({"schema": [{"name": "orders", **obj}]})
    return [each.settings for each in only.checks], [each.why for each in only.left_out]


def of_property(**given: Any) -> tuple[list[dict[str, Any]], list[str]]:
    return found(properties=[{"name": "n", **given}])


def of_rule(rule: dict[str, Any]) -> dict[str, Any]:
    ((settings,), left_out) = of_property(quality=[rule])
    assert left_out == []
    return settings


def why_left_out(rule: dict[str, Any]) -> str:
    (checks, (why,)) = of_property(quality=[rule])
    assert checks == []
    return why


@pytest.mark.parametrize(
    ("rule", "settings"),
    [
        ({**NULLS, "mustBe": 0}, {"rule": "not-null"}),
        ({**NULLS, "mustBeLessThan": 1}, {"rule": "not-null"}),
        ({**NULLS, "mustBeLessOrEqualTo": 0.5, "unit": "percent"},
         {"rule": "not-null", "share": "99.5%"}),
        ({**NULLS, "mustBeBetween": [0, 2], "unit": "percent"},
         {"rule": "not-null", "share": "98%"}),
        ({**NULLS, "mustBe": 0, "severity": "error"},
         {"rule": "not-null", "share": "100%", "severity": "fail"}),
        ({"metric": "duplicateValues", "mustBe": 0, "severity": "error"},
         {"rule": "unique", "severity": "fail"}),
        ({"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["a", 1]}},
         {"rule": "one-of", "values": ["a", 1]}),
        ({"metric": "invalidValues", "mustBe": 0, "arguments": {"pattern": "^[a-z]+$"}},
         {"rule": "pattern", "matches": "[a-z]+"}),
        ({"type": "sql", "query": "SELECT COUNT(*)\nFROM {object} WHERE {property} IS NULL",
          "mustBe": 0}, {"rule": "not-null"}),
        ({"type": "sql", "query": RANGE_SQL, "mustBe": 0},
         {"rule": "range", "min": -1, "max": 2.5}),
        ({"type": "custom", "engine": "greatExpectations", "implementation": {
            "type": "expect_column_value_lengths_to_be_between",
            "kwargs": {"minValue": 2, "mostly": 0.9}}},
         {"rule": "length", "min": 2, "share": "90%"}),
        ({"type": "library", "rule": "validValues", "validValues": [1], "mustBe": 0},
         {"rule": "one-of", "values": [1]}),
    ],
)  # fmt: skip
def test_a_rule_of_a_property_becomes_a_check(
    rule: dict[str, Any], settings: dict[str, Any]
) -> None:
    assert of_rule(rule) == {**settings, "column": "n"}


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({**NULLS, "mustBe": 3}, "only that few rows are bad"),
        ({**NULLS, "mustBeLessThan": 3}, "no number of bad rows"),
        ({**NULLS}, "it has no operator"),
        ({**NULLS, "mustBe": 0, "mustNotBe": 1}, "mustBe and mustNotBe"),
        ({**NULLS, "mustBe": "0"}, "mustBe is a number"),
        ({"metric": "duplicateValues", "mustBeLessThan": 5, "unit": "percent"}, "comes again"),
        ({"metric": "sum", "mustBe": 0}, "no metric 'sum'"),
        ({"metric": "invalidValues", "mustBe": 0, "arguments": {"pattern": "(a)\\1"}},
         "regular expression cannot be used"),
        ({"type": "text", "description": "good"}, "a text for people"),
        ({"type": "sql", "query": "SELECT MAX({property}) FROM {object}", "mustBe": 0}, "of SQL"),
        ({"type": "custom", "engine": "soda", "implementation": "x"}, "the engine 'soda'"),
        ({"type": "custom", "engine": "farandole", "implementation": {"rule": "magic"}},
         "no rule of farandole"),
        ({"type": "custom", "engine": "farandole",
          "implementation": {"rule": "range", "most": 3}}, "a check has no most"),
        ({"type": "custom", "engine": "gx", "implementation": {}}, "the engine 'gx'"),
        ({"type": "custom", "engine": "great_expectations",
          "implementation": {"type": "expect_a_miracle"}}, "expect_a_miracle"),
        ("nothing", "it is no object"),
    ],
)  # fmt: skip
def test_a_rule_that_no_check_expresses_is_left_out_with_the_reason(
    rule: dict[str, Any], why: str
) -> None:
    assert why in why_left_out(rule)


def test_less_than_a_share_says_that_the_share_itself_is_allowed() -> None:
    rule = {**NULLS, "mustBeLessThan": 1, "unit": "percent"}
    (only,) = contract_objects(
        {"schema": [{"name": "o", "properties": [{"name": "n", "quality": [rule]}]}]}
    )
    assert [each.remark for each in only.checks] == ["exactly 1 % is allowed too"]


@pytest.mark.parametrize(
    ("comparison", "bounds"),
    [
        ({"mustBe": 5}, {"min": 5, "max": 5}),
        ({"mustBeBetween": [1, 9]}, {"min": 1, "max": 9}),
        ({"mustBeGreaterThan": 0}, {"min": 1}),
        ({"mustBeLessThan": 10}, {"max": 9}),
    ],
)
def test_a_number_of_rows_becomes_bounds(
    comparison: dict[str, Any], bounds: dict[str, int]
) -> None:
    checks, left_out = found(quality=[{"metric": "rowCount", **comparison}])
    assert (checks, left_out) == ([{"rule": "rows", **bounds}], [])


def test_the_description_of_a_property_becomes_checks() -> None:
    checks, left_out = of_property(
        logicalType="string",
        required=True,
        enum=[{"value": "a"}, {"value": "b"}],
        logicalTypeOptions={"maxLength": 3, "pattern": "b", "format": "email"},
    )
    assert checks == [
        {"rule": "not-null", "column": "n"},
        {"rule": "one-of", "column": "n", "values": ["a", "b"]},
        {"rule": "length", "column": "n", "max": 3},
        {"rule": "pattern", "column": "n", "matches": "(?s:.*)(?:b)(?s:.*)"},
    ]
    assert left_out == ["no rule of a check says that"]


def test_the_only_primary_key_is_there_and_unique() -> None:
    checks, _ = of_property(primaryKey=True)
    assert [each["rule"] for each in checks] == ["not-null", "unique"]
    both = [{"name": "a", "primaryKey": True}, {"name": "b", "primaryKey": True}]
    assert found(properties=both) == ([], ["several columns together are unique"])


@pytest.mark.parametrize(
    ("kind", "options", "good", "bad"),
    [
        ("integer", {"exclusiveMinimum": 3, "maximum": 9}, 4, 3),
        ("integer", {"minimum": 3, "exclusiveMaximum": True, "maximum": 9}, 8, 9),
        ("number", {"exclusiveMinimum": 0}, 0.001, 0),
        ("array", {"minItems": 2}, [1, 2], [1]),
    ],
)
def test_bounds_that_are_not_allowed_themselves_are_kept(
    kind: str, options: dict[str, Any], good: Any, bad: Any
) -> None:
    checks, left_out = of_property(logicalType=kind, logicalTypeOptions=options)
    assert left_out == []

    def passes(value: Any) -> bool:
        return all(
            compile_row_condition(each["holds"])({"n": value}) == ""
            if each["rule"] == "expression"
            else each.get("min", value) <= value <= each.get("max", value)
            for each in checks
        )

    assert (passes(good), passes(bad)) == (True, False)


def test_what_counts_as_missing_is_asked_of_the_row() -> None:
    rule = {"metric": "missingValues", "mustBe": 0, "arguments": {"missingValues": [None, "-"]}}
    holds = compile_row_condition(of_rule(rule)["holds"])
    rows = [{"n": "x"}, {"n": "-"}, {"n": None}, {}]
    assert [holds(row) == "" for row in rows] == [True, False, False, False]
    nested = found(
        properties=[{"name": "o", "properties": [{"name": "n", "quality": [
            {**rule, "arguments": {"missingValues": ["-"]}}]}]}]
    )  # fmt: skip
    holds = compile_row_condition(nested[0][0]["holds"])
    rows = [{"o": {"n": "x"}}, {"o": {"n": "-"}}, {"o": None}, {}]
    assert [holds(row) == "" for row in rows] == [True, False, True, True]


def test_properties_inside_are_columns_and_items_of_lists_are_not() -> None:
    checks, left_out = found(
        properties=[
            {"name": "a.b", "properties": [{"name": "c", "required": True}]},
            {"name": "l", "items": {"properties": [{"name": "x", "required": True}]}},
        ]
    )
    assert checks == [{"rule": "not-null", "column": "a\\.b.c"}]
    assert left_out == ["a rule is about items of a list, which are no column"]


def test_a_service_level_about_the_age_of_data_becomes_a_check() -> None:
    contract = {
        "schema": [{"name": "orders"}, {"name": "lines"}],
        "slaProperties": [
            {"property": "latency", "value": 4, "unit": "h", "element": "lines.at"},
            {"property": "latency", "value": 4, "unit": "moons", "element": "orders.at"},
            {"property": "retention", "value": 3, "unit": "y"},
        ],
    }
    orders, lines = contract_objects(contract)
    assert [each.settings for each in lines.checks] == [
        {"rule": "fresh", "column": "at", "within": "4h"}
    ]
    assert [each.why for each in orders.left_out] == ["4 moons is no duration"]


PATTERNS = st.text("ab|^$.*+?()[]\\d", max_size=6)


@given(PATTERNS, st.text("ab1\n", max_size=4))
def test_a_pattern_that_is_searched_for_matches_the_whole_text_afterwards(
    pattern: str, text: str
) -> None:
    try:
        matches = compile_pattern(whole_pattern(pattern))
        searched = re.compile(pattern)
    except (NotExpressibleError, re.error):
        return
    if "\n" in text or "$" in pattern[:-1]:
        return  # Python's `$` also matches before the last line break
    assert matches(text) == (searched.search(text) is not None)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "schema", "properties", "quality", "items", "metric", "mustBe", "type",
                 "arguments", "validValues", "enum", "logicalTypeOptions", "required", "column",
                 "customProperties", "engine", "implementation", "slaProperties", "kwargs"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)  # fmt: skip


@given(ANYTHING, ANYTHING)
def test_no_contract_is_too_odd_and_each_name_is_one(schema: Any, levels: Any) -> None:
    for obj in contract_objects({"schema": schema, "slaProperties": levels}):
        names = [each.name for each in obj.checks]
        assert len(set(names)) == len(names)
        assert all(CHECK_NAME_PATTERN.fullmatch(name) for name in names)
