"""Which stages can be bypassed, and what is said of the others?"""

from __future__ import annotations

from typing import Any

import pytest

from farandole.catalog.stage_bypass import bypass_obstacle
from farandole.events.topology_version import EventSpec, StageSpec, Version
from tests.catalog.made import version


def schema(**fields: str) -> dict[str, Any]:
    properties = {name: {"type": kind} for name, kind in fields.items()}
    return {"type": "object", "properties": properties, "required": [*properties]}


def made(wanted: dict[str, Any] | None = None, key: str | None = None, **stage: Any) -> Version:
    events = {
        "line": EventSpec(topic="p.line", partitions=1, data_schema=schema(n="integer")),
        "other": EventSpec(topic="p.other", partitions=1),
        "priced": EventSpec(topic="p.priced", partitions=1, data_schema=wanted, key=key),
    }
    spec = {"run": "m:f", "subscribes": ("line",), "emits": ("priced",)} | stage
    return version(1, events).model_copy(update={"stages": {"price": StageSpec(**spec)}})


@pytest.mark.parametrize(
    ("wired", "code", "text"),
    [
        (made(external=True), "external", "a program of somebody else"),
        (made(takes_batch=True), "batched", "takes a list of events"),
        (made(subscribes=("line", "other")), "several_inputs", "subscribes to 2 event types"),
        (made(emits=()), "no_output", "it emits nothing"),
        (made(emits=("priced", "other")), "several_outputs", "it emits 2 event types"),
        (
            made(schema(n="integer", cents="integer")),
            "other_schema",
            "who reads priced could not read what it takes: field 'cents' is missing",
        ),
        (made(schema(n="string")), "other_schema", "field 'n' is integer, not string"),
        (made(key="household"), "key_missing", "lacks 'household', the key of priced"),
    ],
)
def test_a_stage_that_cannot_be_bypassed_says_why(wired: Version, code: str, text: str) -> None:
    found = bypass_obstacle(wired, "price")
    assert found is not None
    assert found.code == code
    assert text in found.text


@pytest.mark.parametrize(
    "wired",
    [
        made(),
        made(schema(n="integer")),
        made({"type": "object", "properties": {"n": {"type": "number"}}}, key="n"),
        made(takes_batch=False, effects=True),
    ],
)
def test_a_stage_whose_input_is_a_valid_output_can_be_bypassed(wired: Version) -> None:
    assert bypass_obstacle(wired, "price") is None


def test_stages_behind_need_what_they_read_and_not_what_is_always_written() -> None:
    """Also behind a stage that takes anything, and in a circle of such stages."""
    wired = made(schema(n="integer", cents="integer"))

    def read_by(**stages: StageSpec) -> str:
        found = wired.model_copy(update={"stages": {**wired.stages, **stages}})
        obstacle = bypass_obstacle(found, "price")
        return "" if obstacle is None else obstacle.text

    optional = schema(n="integer") | {"properties": {"cents": {"type": "integer"}}}
    passes = StageSpec(run="m:f", subscribes=("priced",), emits=("other",))
    load = StageSpec(run="m:f", subscribes=("priced",), accepts=optional)
    behind = load.model_copy(update={"subscribes": ("other",), "accepts": schema(cents="integer")})
    circle = StageSpec(run="m:f", subscribes=("other",), emits=("priced",))
    assert read_by(load=load) == ""
    assert "behind could not read what it takes" in read_by(load=load, passes=passes, behind=behind)
    assert read_by(load=load, passes=passes, circle=circle) == ""


def test_who_has_the_function_knows_better_than_the_version() -> None:
    found = bypass_obstacle(made(), "price", takes_batch=True)
    assert found is not None
    assert found.code == "batched"
    assert bypass_obstacle(made(takes_batch=True), "price", takes_batch=False) is None


def test_a_stage_that_a_version_does_not_have_cannot_be_bypassed() -> None:
    found = bypass_obstacle(made(), "load")
    assert found == ("unknown_stage", "p@1 has no such stage")
