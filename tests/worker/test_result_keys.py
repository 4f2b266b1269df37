"""Is the key of a result as in its JSON?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, TypeVar
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, PlainSerializer, RootModel, field_serializer
from typing_extensions import TypedDict

from farandole.events.event_key import event_key
from farandole.events.key_partitioner import partition_for_key
from farandole.events.topology_version import StageSpec
from farandole.stages.generic.log import log
from tests.worker.made import In, Lane, Out, bare, version

T = TypeVar("T")
NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


class Colour(Enum):
    RED = "red"


class Whole(BaseModel):
    household: Any


class Loud(BaseModel):
    household: str

    @field_serializer("household")
    def _loud(self, value: str) -> str:
        return value.upper()


class Shouted(BaseModel):
    household: Annotated[str, PlainSerializer(str.upper)]


class Renamed(BaseModel):
    house: int = Field(serialization_alias="household")


class Precise(BaseModel):
    household: Decimal


class When(BaseModel):
    household: datetime


class Typed(TypedDict):
    household: bool


@dataclass
class Data:
    household: UUID


RESULTS: list[tuple[Any, bytes | None]] = [
    (Out(n=1, household=7), b"7"),
    (Out(n=1), None),
    (Loud(household="ann"), b"ANN"),
    (Shouted(household="ann"), b"ANN"),
    (Renamed(house=3), b"3"),
    (Precise(household=Decimal("1.50")), b"1.50"),
    (When(household=NOON), b"2026-11-29T12:00:00Z"),
    (Typed(household=True), b"true"),
    (Data(UUID(int=1)), b"00000000-0000-0000-0000-000000000001"),
    (Whole(household=True), b"true"),
    (Whole(household=1.0), b"1.0"),
    (Whole(household=Colour.RED), b"red"),
    (Whole(household={"b": 1, "a": [True]}), b'{"a":[true],"b":1}'),
    (RootModel[list[int]]([1]), None),
]


def _returning(result: Any) -> Callable[[In], Any]:
    def give(event: In) -> Any:
        return result

    give.__annotations__ = {"event": In, "return": type(result)}
    if isinstance(result, dict):
        give.__annotations__["return"] = Typed
    return give


@pytest.mark.parametrize(("result", "key"), RESULTS)
async def test_a_key_is_as_in_the_json_of_the_result(result: Any, key: bytes | None) -> None:
    outcome = await Lane(_returning(result), emits=["keyed"]).handle(bare(offset=1))
    assert outcome.dead == []
    assert [o.key for o in outcome.of("p.keyed")] == [key]
    (out,) = outcome.of("p.keyed")
    assert event_key(out.value or b"", "household", 2) == key


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b'{"household":"ann"}', b"ann"),
        (b'{"household":1.50}', b"1.50"),
        (b'{"household":false}', b"false"),
        (b'{"household":null}', None),
        (b"[1]", None),
    ],
)
async def test_a_pass_through_reads_the_key_in_the_text(data: bytes, key: bytes | None) -> None:
    def changes(event: T) -> T:
        return event

    for function in (changes, log):
        outcome = await Lane(function, emits=["keyed"]).handle(bare(data))
        assert [o.key for o in outcome.of("p.keyed")] == [key]


async def test_a_version_of_release_0_1_keeps_its_keys() -> None:
    stage = StageSpec(run="m:f", subscribes=("in",), emits=("keyed",))
    old = version(stages={"stage": stage}, format=1)
    for result, key in [
        (Whole(household=True), b"True"),
        (When(household=NOON), b"2026-11-29 12:00:00+00:00"),
    ]:
        outcome = await Lane(_returning(result), versions=[old]).handle(bare(offset=1))
        assert [o.key for o in outcome.of("p.keyed")] == [key]


def gathers(events: list[In]) -> Iterator[Out]:
    yield Out(n=sum(event.n for event in events))


async def test_the_result_of_a_list_of_events_has_no_key_of_one_of_them() -> None:
    records = [bare(offset=n, key=b"k%d" % n) for n in (1, 2)]
    assert [o.key for o in (await Lane(gathers).handle(*records)).of("p.out")] == [None, None]
    # Nor has that of a list with one event: how many are in it is a matter of chance.
    assert [o.key for o in (await Lane(gathers).handle(records[0])).of("p.out")] == [None]


async def test_under_a_version_of_release_0_1_a_list_hands_down_its_first_key() -> None:
    stage = StageSpec(run="m:f", subscribes=("in",), emits=("out",))
    old = version(stages={"stage": stage}, format=1)
    outcome = await Lane(gathers, versions=[old]).handle(bare(offset=1, key=b"k1"))
    ((partition, (out,)),) = [(p, o) for p, o in outcome.writes.items() if p.topic == "p.out"]
    assert (out.key, partition.partition) == (b"k1", partition_for_key(b"k1", 4))
