"""Are numbers read and written digit for digit, and only those that JSON has?"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from farandole.worker.exact_numbers import NotFiniteError, number_reader, number_writer

LONG = "12345678901234567890.123456789"
NUMBER_TEXTS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
).filter(lambda text: text != "-0")  # the integer 0


class Kind(Enum):
    A = "a"


class Inner(BaseModel):
    tax: Decimal | None = None


class Amounts(BaseModel):
    amount: Decimal
    when: date | None = None
    ratio: float = 0.0
    loose: Any = None
    n: int = 0
    kind: Kind | Literal["x"] | None = None
    text: str | Decimal = ""
    of: dict[str, Decimal] = {}
    more: list[Inner] = []


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    amount: Decimal
    when: date


class Own(BaseModel):
    amount: Annotated[Decimal, BeforeValidator(lambda v: v)]


@dataclass
class Data:
    amount: Decimal


class Typed(TypedDict):
    amount: Decimal


class Node(BaseModel):
    amount: Decimal
    next: Node | None = None


def read(type_: Any, text: str) -> Any:
    return number_reader(TypeAdapter(type_))(text.encode())


def write(value: Any, type_: Any = None, *, as_numbers: bool = True) -> str:
    adapter = TypeAdapter(type_ or type(value))
    return number_writer(adapter, decimals_are_numbers=as_numbers)(value).decode()


@pytest.mark.parametrize("type_", [Amounts, Own, Data, Typed, Node])
@settings(max_examples=50)
@given(number=NUMBER_TEXTS)
def test_a_decimal_is_read_and_written_digit_for_digit(type_: Any, number: str) -> None:
    value = read(type_, f'{{"amount":{number}}}')
    amount = value["amount"] if isinstance(value, dict) else value.amount
    assert amount.as_tuple() == Decimal(number).as_tuple()
    written = json.loads(write(value, type_), parse_float=Decimal, parse_int=Decimal)
    assert written["amount"].as_tuple() == Decimal(number).as_tuple()


@settings(max_examples=50)
@given(number=NUMBER_TEXTS)
def test_beside_a_decimal_all_else_is_read_as_ever(number: str) -> None:
    text = f'{{"amount":{number},"ratio":{number},"loose":[{number}],"text":"{number}"}}'
    try:
        value = read(Amounts, text)
    except ValidationError:
        assert float(number) in (float("inf"), float("-inf"))
        return
    plain = Amounts.model_validate_json(text)
    assert (value.ratio, value.loose, value.text) == (plain.ratio, plain.loose, plain.text)
    assert type(value.ratio) is type(plain.ratio)
    assert type(value.loose[0]) is type(plain.loose[0])


def test_each_part_of_an_event_is_read_beside_a_long_number() -> None:
    text = (
        f'{{"amount":{LONG},"when":"2026-11-29","n":2.0,"kind":"a","text":1.50,'
        f'"of":{{"a":19.990}},"more":[{{"tax":0.10}},{{}}],"ratio":1e2}}'
    )
    value = read(Amounts, text)
    assert (value.amount, value.when, value.n) == (Decimal(LONG), date(2026, 11, 29), 2)
    assert (value.kind, value.text, value.ratio) == (Kind.A, Decimal("1.50"), 100.0)
    assert str(value.of["a"]) == "19.990"
    assert str(value.more[0].tax) == "0.10"


def test_a_strict_model_reads_text_as_json_has_it() -> None:
    value = read(Strict, f'{{"amount":{LONG},"when":"2026-11-29"}}')
    assert value == Strict(amount=Decimal(LONG), when=date(2026, 11, 29))


def test_a_decimal_in_a_model_of_itself_is_exact() -> None:
    value = read(Node, f'{{"amount":1.10,"next":{{"amount":{LONG}}}}}')
    assert write(value) == f'{{"amount":1.10,"next":{{"amount":{LONG},"next":null}}}}'


def test_a_decimal_that_is_a_key_stays_text() -> None:
    assert write({Decimal("1.10"): Decimal("2.20")}, dict[Decimal, Decimal]) == '{"1.10":2.20}'


class Pair(NamedTuple):
    amount: Decimal
    n: int


class Leaf(BaseModel):
    kind: Literal["leaf"] = "leaf"
    amount: Decimal


class Tree(BaseModel):
    kind: Literal["tree"] = "tree"
    parts: list[Annotated[Tree | Leaf, Field(discriminator="kind")]]


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (Pair, f"[{LONG},2]"),
        (dict[str, Decimal | list[Decimal]], f'{{"a":[{LONG}],"b":1.10}}'),
        (dict[str, list[Decimal] | Decimal], f'{{"a":[{LONG}],"b":1.10}}'),
        (
            Tree,
            f'{{"kind":"tree","parts":[{{"kind":"leaf","amount":{LONG}}},'
            '{"kind":"tree","parts":[{"kind":"leaf","amount":1.10}]}]}',
        ),
        (Decimal | None, LONG),
        (tuple[Decimal, str, float], f'[{LONG},"a",1.5]'),
    ],
)
def test_a_decimal_is_exact_wherever_it_stands(type_: Any, text: str) -> None:
    assert write(read(type_, text), type_) == text


def test_release_0_1_wrote_a_decimal_as_text() -> None:
    assert write(Inner(tax=Decimal("1.10")), as_numbers=False) == '{"tax":"1.10"}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'{{"amount":{LONG}x}}', r"column 41|column 4\d"),
        (f'{{"amount":{LONG},"n":1.5}}', "valid integer"),
        ('{"amount":1E99999999999999999999}', "amount"),
        (f'{{"amount":1,"of":{LONG}}}', "of"),
        ('{"amount":"NaN"}', "finite"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_field(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read(Amounts, text)


class Floats(BaseModel):
    ratio: float | None = None
    loose: Any = None
    many: list[float] = []
    free: dict[str, Any] = {}


class Extra(BaseModel):
    model_config = ConfigDict(extra="allow")


class Texts(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="strings")

    ratio: float


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1E400", "-1E400"])
@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (Floats, '{{"ratio":{}}}'),
        (Floats, '{{"loose":{}}}'),
        (Floats, '{{"loose":{{"a":[1,{}]}}}}'),
        (Floats, '{{"many":[1,{}]}}'),
        (Floats, '{{"free":{{"a":{}}}}}'),
        (Extra, '{{"a":{}}}'),
        (float, "{}"),
        (list[float], "[{}]"),
        (dict[str, Any], '{{"a":{}}}'),
        (Any, "[{}]"),
        (Data | Floats, '{{"ratio":{}}}'),
    ],
)
def test_a_number_that_a_float_cannot_hold_is_refused(type_: Any, text: str, number: str) -> None:
    with pytest.raises(ValidationError):
        read(type_, text.format(number))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda n: Floats(ratio=n), "ratio"),
        (lambda n: Floats(loose={"a": [1, n]}), "loose.a.1"),
        (lambda n: Floats(many=[1, n]), "many.1"),
        (lambda n: Floats(free={"a": n}), "free.a"),
        (lambda n: Extra.model_validate({"a": n}), "a"),
        (lambda n: {"a": n}, "a"),
        (lambda n: n, "its result"),
        (lambda n: Inner.model_construct(tax=Decimal(n)), "tax"),
    ],
)
def test_what_json_cannot_hold_is_not_written(
    make: Callable[[float], Any], field: str, number: float
) -> None:
    value = make(number)
    type_ = dict[str, Any] if isinstance(value, dict) else type(value)
    with pytest.raises(NotFiniteError, match=rf"^{field}: JSON has no number for"):
        write(value, type_)


def test_text_that_looks_like_such_a_number_is_written() -> None:
    assert write(Floats(loose="NaN Infinity")).startswith('{"ratio":null,"loose":"NaN Infinity"')


def test_a_model_that_writes_such_numbers_as_text_does_so() -> None:
    value = read(Texts, '{"ratio":"NaN"}')
    assert write(value) == '{"ratio":"NaN"}'


@pytest.mark.parametrize("type_", [int, list[str], Inner])
def test_pydantic_alone_writes_what_cannot_be_wrong(type_: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(type_)
    assert number_writer(adapter, decimals_are_numbers=False) == adapter.serializer.to_json


def test_events_of_integers_and_text_are_read_by_pydantic_alone() -> None:
    class Line(BaseModel):
        n: Annotated[int, Field(ge=0)]
        text: str | None

    adapter = TypeAdapter(Line)
    assert number_reader(adapter) == adapter.validator.validate_json
