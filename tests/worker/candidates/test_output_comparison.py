"""Where do the results of two calls differ?"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from farandole.events.personal_data_masking import PERSONAL_MASK
from farandole.events.topology_version import EventSpec
from farandole.stages.function_signature import read_signature
from farandole.stages.json_schema import written_schema
from farandole.worker.candidates.candidate_messages import (
    CallResult,
    CandidateEvent,
    CandidateOutput,
)
from farandole.worker.candidates.output_comparison import (
    MAX_PATHS,
    OutputComparison,
    differences,
    path_text,
)
from tests.worker.made import In, version

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def paths(first: str, second: str) -> list[str]:
    found = differences(first.encode(), second.encode())
    return [path_text("e", each.path, indexed=True).removeprefix("e: ") for each in found]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('{"a":1,"b":2}', '{ "b": 2, "a": 1 }'),
        ("[1, 1.50, 2e3]", "[1.0, 1.5, 2000]"),
        ("0", "-0.0"),
        ('"\\u00e9"', '"é"'),
        ("12345678901234567890123", "1.2345678901234567890123e22"),
        ('{"a":1,"a":2}', '{"a":2}'),
    ],
)
def test_the_same_json_in_another_spelling(first: str, second: str) -> None:
    assert paths(first, second) == []


@pytest.mark.parametrize(
    ("first", "second", "where"),
    [
        ('{"a":1}', '{"a":true}', ["a"]),
        ('{"a":1}', '{"a":"1"}', ["a"]),
        ('{"a":null}', "{}", ["a"]),
        ('{"a":{"b":[1,{"c":2}]}}', '{"a":{"b":[1,{"c":3}],"d":1}}', ["a.b[1].c", "a.d"]),
        ("[1,2]", "[2]", ["[0]", "[1]"]),
        ("12345678901234567890123", "12345678901234567890124", ["e"]),
        ("0.1", "0.10000000000000001", ["e"]),
        ("{", "[", ["e"]),
        ("[" * 5000, "[", ["e"]),
    ],
)
def test_where_they_differ(first: str, second: str, where: list[str]) -> None:
    assert paths(first, second) == where


@given(values, values)
def test_values_differ_exactly_if_python_says_so(first: Any, second: Any) -> None:
    assert paths(json.dumps(first), json.dumps(first, indent=2)) == []
    typed = _typed(first) != _typed(second)
    assert bool(paths(json.dumps(first), json.dumps(second))) == typed


def _typed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _typed(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_typed(each) for each in value]
    return (isinstance(value, bool), value)


# -- whole calls


class Customer(BaseModel):
    name: str = Field(json_schema_extra={"personal": True})
    city: str
    tags: dict[str, int] = Field(default={}, json_schema_extra={"personal": True})


class Candidates(Customer):
    mail: str = Field(default="", json_schema_extra={"personal": True})


def candidate(event: In) -> Candidates:
    raise AssertionError


KNOWN = version(
    events={
        "out": EventSpec(topic="p.out", partitions=4, data_schema=dict(written_schema(Customer))),
        "in": EventSpec(topic="p.in", partitions=4, data_schema=dict(written_schema(Customer))),
    }
)
EVENT = CandidateEvent(
    1, "in", "in", "p.in", 3, 9, 0, b"run", True, None, b'{"name":"Ada L","city":"Ulm","tags":{}}'
)


def handled(*data: Any, type_: str = "out") -> CallResult:
    outputs = [CandidateOutput(type_, None, json.dumps(each).encode()) for each in data]
    return CallResult("handled", outputs)


def compared(stable: CallResult, other: CallResult) -> dict[str, Any]:
    return OutputComparison(read_signature(candidate)).compare(KNOWN, [EVENT], stable, other)


def customer(**more: Any) -> dict[str, Any]:
    return {"name": "Ada", "city": "Ulm", "tags": {}, **more}


def test_the_same_results_say_nothing() -> None:
    assert compared(handled(customer()), handled(customer())) == {}
    dead = CallResult("dead", error="Reject")
    assert compared(dead, CallResult("dead", error="KeyError")) == {}


def test_a_sample_names_the_event_and_both_values() -> None:
    told = compared(handled(customer()), handled(customer(city="Jena")))
    assert told == {
        "differs": ["out: city"],
        "sample": {
            "path": "out: city",
            "stable": '"Ulm"',
            "candidate": '"Jena"',
            "event": "p.in/3/9",
        },
    }


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": "Grace"}, "out: name"),
        ({"mail": "ada@example.com"}, "out: mail"),
        ({"tags": {"Ada's secret": 1}}, "out: tags"),
    ],
)
def test_what_is_personal_is_masked(change: dict[str, Any], path: str) -> None:
    told = compared(handled(customer()), handled(customer(**change)))
    assert told["differs"] == [path]
    assert told["sample"]["candidate"] == f'"{PERSONAL_MASK}"'
    assert "Ada" not in json.dumps(told)


def test_an_error_says_nothing_personal() -> None:
    dead = CallResult("dead", error="KeyError", message="no price for Ada L")
    told = compared(handled(customer()), dead)
    assert told["differs"] == ["(outcome)"]
    assert told["sample"]["stable"] == "handled"
    assert told["sample"]["candidate"] == f"dead: KeyError: no price for {PERSONAL_MASK}"


@pytest.mark.parametrize(
    ("other", "path", "shown"),
    [
        (CallResult("dropped"), "(outcome)", "dropped"),
        (handled(), "(number of events)", "0"),
        (handled(customer(), customer()), "(number of events)", "2"),
        (handled(customer(), type_="other"), "(event type)", "other"),
    ],
)
def test_outcomes_numbers_and_types(other: CallResult, path: str, shown: str) -> None:
    told = compared(handled(customer()), other)
    assert told["differs"] == [path]
    assert told["sample"]["candidate"] == shown


def test_items_of_a_list_are_counted_as_one_path() -> None:
    def lists(event: In) -> list[int]:
        raise AssertionError

    comparison = OutputComparison(read_signature(lists))
    stable, other = handled({"lines": [1, 2, 3]}), handled({"lines": [1, 4, 5]})
    told = comparison.compare(version(), [EVENT], stable, other)
    assert told["differs"] == ["out: lines[]"]
    assert told["sample"]["path"] == "out: lines[1]"


def test_many_paths_are_capped() -> None:
    first, second = ({f"f{n}": n + more for n in range(200)} for more in (0, 1))
    told = compared(handled(customer(**first)), handled(customer(**second)))
    assert len(told["differs"]) == MAX_PATHS
