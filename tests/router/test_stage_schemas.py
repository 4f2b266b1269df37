"""Does what one stage writes fit what another takes?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, NotRequired

import pytest
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from farandole.router import stage_schemas
from farandole.stages.misfit_text import render_misfit


class Line(BaseModel):
    household: int
    quantity: int = 1


class Wider(BaseModel):
    household: int
    quantity: int
    cents: int


class Floating(BaseModel):
    household: float


class Stored(BaseModel):
    household: str


class Maybe(BaseModel):
    household: int | None


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    household: int


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Leafy(BaseModel):
    name: str
    children: list[Leafy]
    leaves: int


class Partial(TypedDict):
    household: NotRequired[int]


@dataclass
class Plain:
    household: int
    quantity: int = 2


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Basket(BaseModel):
    lines: list[Line]


class WideBasket(BaseModel):
    lines: list[Wider]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]


@pytest.mark.parametrize(
    ("producer", "consumer"),
    [
        (Line, Line), (Wider, Line), (Line, Plain), (Plain, Line), (Line, Maybe),
        (Line, Floating), (Line, dict[str, Any]), (dict[str, Any], Line), (Any, Line),
        (Line, Any), (Colour, str), (Literal["red"], Colour), (Decimal, Decimal),
        (Decimal, float), (datetime, str), (Leafy, Tree), (list[int], list[float]),
        (Cat | Dog, Dog | Cat), (Cat, Cat | Dog), (WideBasket, Basket),
        (dict[str, int], dict[str, float]), (int, int | None),
    ],
)  # fmt: skip
def test_these_fit(producer: Any, consumer: Any) -> None:
    assert stage_schemas.type_misfits(producer, consumer) == []


@pytest.mark.parametrize(
    ("producer", "consumer", "reason"),
    [
        (Line, Wider, "field 'cents' is missing"),
        (Line, Stored, "field 'household' is integer, not string"),
        (Floating, Line, "field 'household' is number, not integer"),
        (Maybe, Line, "field 'household' is null, not integer"),
        (Line, Closed, "field 'quantity' is forbidden"),
        (Partial, Line, "field 'household' may be missing"),
        (Tree, Leafy, "field 'leaves' is missing"),
        (Basket, WideBasket, "field 'lines[].cents' is missing"),
        (int, Line, "the event is integer, not object"),
        (Cat | Dog, Dog, "field 'kind' may be 'cat', which is not allowed"),
        (Literal["red", "green"], Colour, "the event may be 'green', which is not allowed"),
        (dict[str, str], dict[str, int], "field '*' is string, not integer"),
    ],
)
def test_these_do_not_fit(producer: Any, consumer: Any, reason: str) -> None:
    assert reason in map(render_misfit, stage_schemas.type_misfits(producer, consumer))


def test_a_published_schema_is_that_of_the_emitter() -> None:
    schema = stage_schemas.published_schema([(Wider,)], [Line])
    assert schema is not None
    assert schema["title"] == "Wider"


def test_of_several_possible_outputs_the_one_that_fits_is_published() -> None:
    schema = stage_schemas.published_schema([(Stored, Line)], [Line])
    assert schema is not None
    assert schema["title"] == "Line"


def test_a_root_has_the_schema_of_its_reader() -> None:
    schema = stage_schemas.published_schema([], [Line])
    assert schema is not None
    assert schema["required"] == ["household"]


def test_an_event_that_no_known_function_touches_has_no_schema() -> None:
    assert stage_schemas.published_schema([], []) is None
