"""Do the documents that are made of a flagd file say what flagd says?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from farandole.events.feature_flags import FlagSpec
from farandole.events.flags_in_force import FlagInForce
from farandole.operations.flags.flagd_format import FlagdImport, read_flagd_file
from farandole.stages.cel_expression import compile_attribute_condition
from farandole.worker.flag_snapshot import make_snapshot

SPECS = {
    "vip": FlagSpec(type="bool", default=False),
    "color": FlagSpec(type="text", default="none"),
    "most": FlagSpec(type="int", default=0),
    "rate": FlagSpec(type="float", default=0.0),
    "prices": FlagSpec(type="json", default={}),
}
ON_OFF = {"on": True, "off": False}
COLORS = {"red": "#F00", "blue": "#00F", "green": "#0F0"}


def imported(flags: Any, **more: Any) -> FlagdImport:
    raw = json.dumps({"flags": flags, **more}, indent="\t").encode()
    return read_flagd_file(raw, "flags.json", "shop", SPECS, "ann")


def value_of(found: FlagdImport, name: str, attributes: Mapping[str, str], key: str = "a") -> Any:
    assert found.findings == []
    in_force = {d.flag: FlagInForce(d, datetime.now(UTC), 1) for d in found.documents}
    flags = make_snapshot("shop", "price", SPECS, in_force, compile_attribute_condition)
    return flags[name].value_for(key.encode(), lambda: attributes).get()


def vip(targeting: Any, **fields: Any) -> dict[str, Any]:
    flag = {"state": "ENABLED", "variants": ON_OFF, "defaultVariant": "off", **fields}
    return {"vip": {**flag, "targeting": {"if": [targeting, "on"]}}}


def var(name: str) -> dict[str, Any]:
    return {"var": name}


@pytest.mark.parametrize(
    ("condition", "true", "false"),
    [
        ({"==": [var("tier"), "gold"]}, {"tier": "gold"}, {"tier": "tin"}),
        ({"===": ["gold", {"var": ["tier"]}]}, {"tier": "gold"}, {}),
        ({"!=": [var("tier"), "gold"]}, {}, {"tier": "gold"}),
        ({"!==": [var("tier"), "gold"]}, {"tier": "tin"}, {"tier": "gold"}),
        ({"==": [var("tier"), None]}, {}, {"tier": ""}),
        ({"==": [var("age"), 18]}, {"age": "18"}, {"age": "x18"}),
        ({"<": [var("age"), 18]}, {"age": "9"}, {"age": "18"}),
        ({"<": [18, var("age")]}, {"age": "19"}, {"age": "9"}),
        ({">=": [var("age"), 18.5]}, {"age": "18.5"}, {"age": "old"}),
        ({"<=": [1, var("age"), 3]}, {"age": "3"}, {"age": "4"}),
        ({"!": {"<": [var("age"), 18]}}, {"age": "old"}, {"age": "9"}),
        ({"in": [var("tier"), ["gold", 'a"b']]}, {"tier": 'a"b'}, {"tier": "b"}),
        ({"in": ["@faas.com", var("email")]}, {"email": "a@faas.com"}, {"email": "a@b.c"}),
        ({"starts_with": [var("email"), "a\\"]}, {"email": "a\\b"}, {"email": "ab"}),
        ({"ends_with": [var("email"), "é\n"]}, {"email": "é\n"}, {"email": "é"}),
        ({"var": "tier"}, {"tier": "x"}, {"tier": ""}),
        ({"!!": [var("tier")]}, {"tier": "x"}, {}),
        (
            {"and": [{"or": [var("a"), var("b")]}, {"!": [var("c")]}]},
            {"b": "1"},
            {"b": "1", "c": "1"},
        ),
        ({"or": [{"and": [var("a"), var("b")]}, var("c")]}, {"c": "1"}, {"b": "1"}),
        ({"==": [var("a.b"), "x"]}, {"a.b": "x"}, {"a": "x"}),
    ],
)
def test_conditions_are_true_of_the_same_events(
    condition: Any, true: dict[str, str], false: dict[str, str]
) -> None:
    found = imported(vip(condition))
    assert value_of(found, "vip", true) is True
    assert value_of(found, "vip", false) is False


def test_the_first_branch_that_fits_counts_and_null_is_the_default() -> None:
    targeting = {
        "if": [
            {"$ref": "big"},
            {"if": [{"==": [var("tier"), "gold"]}, "red"]},
            {"==": [var("tier"), "tin"]},
            "blue",
            "green",
        ]
    }
    flag = {"state": "ENABLED", "variants": COLORS, "defaultVariant": "blue"}
    found = imported(
        {"color": {**flag, "targeting": targeting}},
        **{"$evaluators": {"big": {">": [var("size"), 5]}}},
    )
    assert value_of(found, "color", {"size": "6", "tier": "gold"}) == "#F00"
    assert value_of(found, "color", {"size": "6", "tier": "tin"}) == "#00F"
    assert value_of(found, "color", {"size": "5", "tier": "tin"}) == "#00F"
    assert value_of(found, "color", {}) == "#0F0"


def test_fractions_are_shares_of_the_keys() -> None:
    targeting = {"fractional": [["red", 25], ["blue", 0], ["green", 75]]}
    flag = {"state": "ENABLED", "variants": COLORS, "defaultVariant": "blue"}
    found = imported({"color": {**flag, "targeting": targeting}})
    values = [value_of(found, "color", {}, f"key-{n}") for n in range(1000)]
    assert 200 <= values.count("#F00") <= 300
    assert values.count("#0F0") == 1000 - values.count("#F00")


def test_values_of_all_types_and_flags_that_are_off() -> None:
    flags = [
        {"key": "most", "state": "ENABLED", "variants": {"a": 7}, "defaultVariant": "a"},
        {"key": "rate", "state": "ENABLED", "variants": {"a": 2}, "defaultVariant": "a"},
        {"key": "prices", "state": "ENABLED", "variants": {"a": {"tea": 1}}, "defaultVariant": "a"},
        {"key": "color", "state": "DISABLED", "variants": COLORS, "defaultVariant": "red"},
        {"key": "vip", "state": "ENABLED", "variants": ON_OFF, "defaultVariant": None},
    ]
    found = imported(flags)
    assert [value_of(found, name, {}) for name in SPECS] == [False, "none", 7, 2.0, {"tea": 1}]
    assert [d.clear for d in found.documents] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("fields", "at", "said"),
    [
        (
            {"targeting": {"sem_ver": [var("v"), ">", "1.0.0"]}},
            '"targeting"',
            "choose a variant by `sem_ver`",
        ),
        ({"targeting": {"if": [{"+": [1, 2]}, "on"]}}, '"+"', "no rule here can say `+`"),
        (
            {"targeting": {"if": [{"==": [var("a"), var("b")]}, "on"]}},
            '"b"',
            "{'var': 'b'} is none",
        ),
        ({"targeting": {"if": [{"===": [var("a"), 5]}, "on"]}}, "5", "attributes are text, and 5"),
        ({"targeting": {"if": [{"==": [var("a"), True]}, "on"]}}, "true", "and True is none"),
        (
            {"targeting": {"if": [{"<": [var("a"), "b"]}, "on"]}},
            '"b"',
            "compares with a number here",
        ),
        (
            {"targeting": {"if": [{"==": [var("$flagd.timestamp"), "1"]}, "on"]}},
            "flagd.timestamp",
            "no attribute",
        ),
        (
            {"targeting": {"if": [{"==": [var("targetingKey"), "1"]}, "on"]}},
            "targetingKey",
            "no attribute",
        ),
        ({"targeting": {"if": [{"$ref": "gone"}, "on"]}}, '"gone"', "leads to no evaluator"),
        ({"targeting": {"if": [{"$ref": "loop"}, "on"]}}, '"loop"', "levels deep"),
        ({"targeting": {"if": [var("a"), "maybe"]}}, '"maybe"', "'maybe' is none of its variants"),
        (
            {"targeting": {"fractional": [var("email"), ["on", 1]]}},
            '"email"',
            "go by the key of the event",
        ),
        ({"targeting": {"fractional": [["on", 1.5]]}}, "1.5", "written as [variant, weight]"),
        ({"targeting": {"fractional": [["on", -1]]}}, "-1", "written as [variant, weight]"),
        ({"targeting": {"fractional": [["on", 0]]}}, '"fractional"', "add up to nothing"),
        ({"targeting": {"fractional": "on"}}, '"fractional"', "add up to nothing"),
        ({"targeting": 5}, '"targeting": 5', "choose a variant by 5"),
        (
            {"targeting": {"if": [{"==": [var("a"), "x" * 2000]}, "on"]}},
            '"targeting"',
            "at most 1000 char",
        ),
        ({"defaultVariant": "maybe"}, '"maybe"', "'maybe' is none of its variants"),
        ({"defaultVariant": ["on"]}, '"defaultVariant"', "is no name of a variant"),
        ({"variants": {"on": 1, "off": 0}, "defaultVariant": "on"}, '"variants"', "1 is no bool"),
        ({"variants": {}}, '"vip"', "it has no `variants`"),
        ({"state": "ON"}, '"ON"', "its `state` is 'ON'"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name_and_line(
    fields: dict[str, Any], at: str, said: str
) -> None:
    flag = {"state": "ENABLED", "variants": ON_OFF, "defaultVariant": "off", **fields}
    more = {"$evaluators": {"loop": {"and": [{"$ref": "loop"}, {"$ref": "loop"}]}}}
    found = imported({"vip": flag}, **more)
    (finding,) = found.findings
    assert finding.message.startswith("flag 'vip': ")
    assert said in finding.message
    lines = json.dumps({"flags": {"vip": flag}, **more}, indent=1).splitlines()
    assert at in "".join(lines[finding.line - 1 : finding.line + 5])
    assert found.documents == []


def test_a_null_before_the_end_needs_a_default() -> None:
    flag = vip(var("a"), defaultVariant=None)
    flag["vip"]["targeting"]["if"] = [var("a"), None, "on"]
    (finding,) = imported(flag).findings
    assert "without a `defaultVariant` only its last choice may be null" in finding.message


def test_other_flags_of_the_file_are_read_and_an_unknown_one_is_named() -> None:
    known = vip({"==": [var("a"), "b"]})
    found = imported({**known, "colour": {"state": "ENABLED", "variants": COLORS}})
    assert [d.flag for d in found.documents] == ["vip"]
    (finding,) = found.findings
    assert "flag 'colour': the pipeline shop has no such flag" in finding.message
    assert "did you mean 'color'?" in finding.remedy


@pytest.mark.parametrize(
    "raw", [b"", b"[1]", b"{", b"{}", b'{"flags": 5}', b'{"flags": [{}]}', b"\xff", b"flags: *a"]
)
def test_what_is_no_flagd_file_is_refused(raw: bytes) -> None:
    found = read_flagd_file(raw, "flags.json", "shop", SPECS, "ann")
    assert found.documents == []
    assert len(found.findings) == 1


def test_yaml_is_read_too() -> None:
    raw = b"flags:\n  most:\n    state: ENABLED\n    variants: {a: 5}\n    defaultVariant: a\n"
    found = read_flagd_file(raw, "flags.yaml", "shop", SPECS, "ann")
    assert value_of(found, "most", {}) == 5
    assert found.documents[0].by == "ann"


def test_references_cannot_make_a_file_explode() -> None:
    evaluators: dict[str, Any] = {"e0": {"==": [var("a"), "b"]}}
    for n in range(1, 8):
        evaluators[f"e{n}"] = {"and": [{"$ref": f"e{n - 1}"}] * 20}
    (finding,) = imported(vip({"$ref": "e7"}), **{"$evaluators": evaluators}).findings
    assert "more than 10000 conditions, with references" in finding.message
