"""Under which documents does a stage work, and do lists of them stay bounded?"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.catalog.generations_in_force import generations_in_force
from farandole.events.control_documents import ControlDocument, PauseDocument
from farandole.events.control_generations import (
    MAX_GENERATIONS,
    are_generations,
    generation_name,
    united_generations,
)
from farandole.events.controls_in_force import TimedDocument
from farandole.events.drain_document import DrainDocument
from farandole.events.switch_document import SwitchDocument
from farandole.events.throttle_document import ThrottleDocument
from farandole.events.throttle_spec import ThrottleSpec
from farandole.events.topology_version import EventSpec, StageSpec, Version

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=1)


def version(**fields: Any) -> Version:
    return Version.model_validate(
        {
            "pipeline": "p",
            "version": 1,
            "installation": UUID(int=1),
            "published": BEFORE,
            "published_by": "me",
            "events": {name: EventSpec(topic=f"p.{name}", partitions=1) for name in "ab"},
            "stages": {
                "price": StageSpec(run="m:f", subscribes=("a",), emits=("b",)),
                "load": StageSpec(run="m:g", subscribes=("b",)),
            },
            "limits": {"crm": "50/s"},
            **fields,
        }
    )


THROTTLED = version(
    stages={
        "price": StageSpec(
            run="m:f", subscribes=("a",), throttle=ThrottleSpec(rate="9/s", per_key="2/s")
        )
    },
    throttle="7/s",
)


def in_force(
    *documents: ControlDocument, stage: str = "price", file: Version | None = None
) -> list[str]:
    timed = [TimedDocument(each, BEFORE, 100 + n) for n, each in enumerate(documents)]
    return generations_in_force(timed, "p", stage, {1: file or version()}, NOW)


def test_what_changes_how_a_stage_works_is_named_with_its_generation() -> None:
    assert in_force(
        SwitchDocument(pipeline="p", stage="price", mode="bypass"),
        ThrottleDocument(pipeline="p", stage="price", rate="10/s"),
        ThrottleDocument(pipeline="p", rate="5/s"),
        ThrottleDocument(pipeline="p", limit="crm", rate="5/s"),
        DrainDocument(pipeline="p"),
    ) == ["switch/price=bypass@100", "throttle/price@101", "throttle@102", "limit/crm@103",
          "drain@104"]  # fmt: skip


@pytest.mark.parametrize(
    "document",
    [
        SwitchDocument(pipeline="p", stage="price", mode="on"),
        SwitchDocument(pipeline="p", stage="load", mode="bypass"),
        SwitchDocument(pipeline="p", stage="price", mode="bypass", until=BEFORE),
        ThrottleDocument(pipeline="p", stage="load", rate="10/s"),
        ThrottleDocument(pipeline="p", stage="price", rate="10/s", until=BEFORE),
        DrainDocument(pipeline="p", until=BEFORE),
        PauseDocument(pipeline="p", stage="load"),
        ThrottleDocument(pipeline="p", limit="gone", rate="5/s"),
        ThrottleDocument(pipeline="p", limit="crm", rate="file"),
        ThrottleDocument(pipeline="p", limit="crm", rate="50/s"),
        ThrottleDocument(pipeline="p", stage="price", rate="off"),
        ThrottleDocument(pipeline="p", stage="price", per_key="off"),
        ThrottleDocument(pipeline="p", stage="price", rate="file"),
        ThrottleDocument(pipeline="p", rate="off"),
    ],
)
def test_what_changes_nothing_for_the_stage_is_not_named(document: ControlDocument) -> None:
    assert in_force(document) == []


def test_a_switch_to_what_the_stage_cannot_be_is_not_named() -> None:
    assert in_force(SwitchDocument(pipeline="p", stage="load", mode="bypass"), stage="load") == []


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (ThrottleDocument(pipeline="p", stage="price", rate="off"), "throttle/price@100"),
        (ThrottleDocument(pipeline="p", stage="price", per_key="off"), "throttle/price@100"),
        (ThrottleDocument(pipeline="p", rate="off"), "throttle@100"),
        (ThrottleDocument(pipeline="p", limit="crm", rate="off"), "limit/crm@100"),
    ],
)
def test_what_lifts_a_rate_of_the_file_is_named(document: ControlDocument, name: str) -> None:
    assert in_force(document, file=THROTTLED) == [name]


@given(
    names=st.lists(st.integers(0, 200).map(lambda n: generation_name("flag", "vip", n))),
    die=st.randoms(use_true_random=False),
)
def test_however_lists_are_united_the_newest_are_left(names: list[str], die: random.Random) -> None:
    united: list[str] = []
    left = [*names]
    die.shuffle(left)
    while left:
        cut = die.randint(1, 9)
        some, left = left[:cut], left[cut:]
        united = united_generations(some, united)
        assert are_generations(united)
    assert united == united_generations(names)
    newest = sorted({int(name.rpartition("@")[2]) for name in names})[-MAX_GENERATIONS:]
    assert [int(name.rpartition("@")[2]) for name in united] == newest


@pytest.mark.parametrize(
    "found",
    [None, "drain@1", ["drain"], ["drain@x"], ["drain@-1"], [1], ["a b@1"], ["d@1"] * 33,
     [f"flag/{'x' * 301}@1"], {"drain@1": 1}],
)  # fmt: skip
def test_what_no_lane_wrote_is_no_list_of_them(found: Any) -> None:
    assert not are_generations(found)
