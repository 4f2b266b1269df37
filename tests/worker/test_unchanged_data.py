"""Does what a pass-through leaves alone keep its bytes?"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from pydantic import BaseModel

from farandole.events.topology_version import Version
from farandole.stages.contract import To, Unchanged
from farandole.stages.generic.filter import filter as filter_events
from farandole.stages.generic.log import log
from farandole.stages.generic.mask import mask
from farandole.stages.generic.sample import sample
from tests.worker.made import Lane, bare, version

T = TypeVar("T")
EXACT = (
    b'{ "n": 1, "amount": 1234.123456789012345678, "price": 19.990, "id": 123456789012345678901,'
    b' "big": 1E400, "s": "\\u00e9", "n": 2, "in": {"mail": "ann@x", "tax": 0.10} }'
)
STRUCTURED = [("content-type", b"application/cloudevents+json")]


async def _value(function: Any, data: bytes = EXACT, **lane: Any) -> bytes | None:
    outcome = await Lane(function, **lane).handle(bare(data))
    assert outcome.dead == []
    (out,) = outcome.of("p.out")
    return out.value


@pytest.mark.parametrize(
    ("function", "parameters"),
    [(filter_events, {"when": "data.n == 2"}), (sample, {"share": 1}), (log, {})],
)
async def test_a_generic_stage_that_changes_nothing_passes_the_bytes_on(
    function: Any, parameters: dict[str, Any]
) -> None:
    assert await _value(function, parameters=parameters) == EXACT


async def test_mask_changes_the_text_of_its_fields_alone() -> None:
    parameters = {"fields": {"in.mail": "redact"}}
    # Of two members with one name the first goes: it might be the secret.
    expected = EXACT.replace(b' "n": 1,', b"", 1).replace(b"ann@x", b"***")
    assert await _value(mask, parameters=parameters) == expected


async def test_a_pass_through_changes_what_it_changes_alone() -> None:
    def copies(event: T) -> T:
        return {**event, "price": 5, "new": None}  # type: ignore[dict-item, return-value]

    def changes_in_place(event: T) -> T:
        event["price"], event["new"] = 5, None  # type: ignore[index]
        return event

    async def awaited(event: T) -> T:
        await asyncio.sleep(0)
        return copies(event)

    def tells(event: T) -> To[T]:
        return To("out", copies(event))

    expected = EXACT.replace(b' "n": 1,', b"", 1).replace(b"19.990", b"5")
    expected = expected.replace(b"} }", b'},"new":null }')
    for function in (copies, changes_in_place, awaited, tells):
        assert await _value(function) == expected


async def test_an_event_that_is_passed_on_unchanged_keeps_its_bytes_whatever_was_done() -> None:
    def tells(event: T) -> To[Unchanged[T]]:
        event["price"] = 5  # type: ignore[index]
        return To("out", event)

    assert await _value(tells) == EXACT


async def test_the_data_of_an_event_in_structured_mode_keep_their_bytes() -> None:
    value = b'{"specversion":"1.0","id":"1","source":"me","type":"in","data":' + EXACT + b"}"
    outcome = await Lane(log).handle(bare(value, headers=STRUCTURED))
    assert [o.value for o in outcome.of("p.out")] == [EXACT]


async def test_an_event_that_is_null_is_passed_on() -> None:
    assert await _value(log, b" null") == b" null"


@pytest.mark.parametrize("data", [b"NaN", b'{"n": Infinity}', b'{"n": 1', b"\xff", b""])
async def test_what_is_no_json_is_not_passed_on(data: bytes) -> None:
    outcome = await Lane(log).handle(bare(data))
    assert [letter["error"] for letter in outcome.dead] == ["Unreadable"]
    assert outcome.of("p.out") == []


class Amount(BaseModel):
    amount: Decimal
    n: int = 0
    ratio: float | None = None
    loose: Any = None


def same(event: Amount) -> Amount:
    return event


def divides_by_nothing(event: Amount) -> Amount:
    return Amount(amount=event.amount, ratio=float("nan"))


def divides_inside(event: Amount) -> dict[str, Any]:
    return {"of": [{"ratio": float("inf")}]}


def divides_any(event: T) -> T:
    return {**event, "ratio": float("-inf")}  # type: ignore[dict-item, return-value]


def _in_format(number: int) -> Version:
    return version(stages={"stage": Lane(same).stage}, format=number)


@pytest.mark.parametrize(
    "number", ["1234.123456789012345678", "19.990", "12345678901234567890.123456789", "1E+400"]
)
async def test_a_decimal_goes_through_a_stage_digit_for_digit(number: str) -> None:
    data = b'{"amount":%b,"n":123456789012345678901234567890}' % number.encode()
    value = await _value(same, data, versions=[_in_format(2)])
    assert value == data[:-1] + b',"ratio":null,"loose":null}'


async def test_a_version_of_release_0_1_gets_decimals_as_text() -> None:
    value = await _value(same, b'{"amount":19.990}', versions=[_in_format(1)])
    assert value == b'{"amount":"19.990","n":0,"ratio":null,"loose":null}'


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1E400"])
@pytest.mark.parametrize("field", ["ratio", "loose"])
async def test_a_number_that_a_float_cannot_hold_is_unreadable(field: str, number: str) -> None:
    data = f'{{"amount":1,"{field}":{number}}}'.encode()
    outcome = await Lane(same).handle(bare(data))
    assert [letter["error"] for letter in outcome.dead] == ["Unreadable"]
    assert outcome.dead[0]["message"].startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("function", "field"),
    [(divides_by_nothing, "ratio"), (divides_inside, "of.0.ratio"), (divides_any, "ratio")],
)
async def test_a_result_that_json_cannot_hold_is_an_error_of_its_stage(
    function: Any, field: str
) -> None:
    outcome = await Lane(function).handle(bare(b'{"amount":1}'))
    assert [letter["error"] for letter in outcome.dead] == ["WrongResult"]
    assert outcome.dead[0]["message"].startswith(f"{field}: JSON has no number for ")
    assert outcome.of("p.out") == []
