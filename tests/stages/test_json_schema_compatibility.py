"""Does a reader really accept all that is said to fit it?"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Union
from uuid import UUID

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import UUID4, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model

from farandole.stages.json_schema import accepted_schema, written_schema
from farandole.stages.json_schema_compatibility import compare_schemas
from farandole.stages.misfit_text import render_misfit
from tests.seeds import parts

Extra = Literal["ignore", "forbid", "allow"]
EXTRAS: tuple[Extra, ...] = ("ignore", "forbid", "allow")
PATTERNS = ("^a+$", "^[0-9]+$")
NAMED: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "bool": (bool, st.booleans()),
    "null": (None, st.none()),
    "datetime": (datetime, st.datetimes()),
    "date": (date, st.dates()),
    "timedelta": (timedelta, st.timedeltas(timedelta(0), timedelta(days=9))),
    "uuid": (UUID, st.uuids()),
    "uuid4": (UUID4, st.uuids(version=4)),
    "decimal": (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    "bytes": (bytes, st.text(max_size=3).map(str.encode)),
}


@dataclass(frozen=True)
class Shape:
    """A type that can be changed a little."""

    kind: str
    low: int | None = None
    high: int | None = None
    pattern: str | None = None
    inner: tuple[Shape, ...] = ()
    names: tuple[str, ...] = ()
    required: tuple[bool, ...] = ()
    values: tuple[Any, ...] = ()
    extra: Extra = "ignore"

    @property
    def type(self) -> Any:
        inner = [shape.type for shape in self.inner]
        match self.kind:
            case "int" | "float":
                return Annotated[{"int": int, "float": float}[self.kind], Field(**self._range())]
            case "str":
                return Annotated[str, Field(pattern=self.pattern, **self._lengths())]
            case "list" | "set":
                return Annotated[
                    {"list": list, "set": set}[self.kind][inner[0]],  # type: ignore[index]
                    Field(**self._lengths()),
                ]
            case "dict":
                key = Annotated[str, Field(pattern=self.pattern)] if self.pattern else str
                return dict[key, inner[0]]  # type: ignore[valid-type]
            case "tuple":
                return tuple[tuple(inner)]  # type: ignore[misc]
            case "union":
                return Union[tuple(inner)]  # noqa: UP007 -- made of a tuple
            case "literal":
                return Literal[self.values]
            case "model":
                fields: dict[str, Any] = {
                    name: type_ if needed else (Union[type_, None], None)  # noqa: UP007
                    for name, type_, needed in zip(self.names, inner, self.required, strict=True)
                }
                return create_model("M", __config__=ConfigDict(extra=self.extra), **fields)
        return NAMED[self.kind][0]

    def _range(self) -> dict[str, Any]:
        return {"ge": self.low, "le": self.high}

    def _lengths(self) -> dict[str, Any]:
        return {"min_length": self.low, "max_length": self.high}

    def given(self) -> st.SearchStrategy[Any]:
        """What the type may be made of."""
        inner = [shape.given() for shape in self.inner]
        low, high = self.low or 0, 4 if self.high is None else self.high
        match self.kind:
            case "int":
                return st.integers(self.low, self.high)
            case "float":
                return st.floats(self.low, self.high, allow_nan=False, allow_infinity=False)
            case "str" if self.pattern:
                letters = st.sampled_from("a" if self.pattern == "^a+$" else "0123456789")
                return st.text(letters, min_size=max(low, 1), max_size=max(high, 1))
            case "str":
                return st.text(min_size=low, max_size=high)
            case "list" | "set":
                unique = self.kind == "set"
                return st.lists(inner[0], min_size=low, max_size=high, unique=unique)
            case "dict":
                letters = st.sampled_from(
                    "a0" if not self.pattern else self.pattern[1:3].strip("[")
                )
                keys = st.text(letters, min_size=1, max_size=3)
                if self.pattern:
                    keys = keys.filter(lambda key: re.search(str(self.pattern), key))
                return st.dictionaries(keys, inner[0], max_size=3)
            case "tuple":
                return st.tuples(*inner)
            case "union":
                return st.one_of(inner)
            case "literal":
                return st.sampled_from(self.values)
            case "model":
                fields = dict(zip(self.names, zip(inner, self.required, strict=True), strict=True))
                return st.fixed_dictionaries(
                    {name: value for name, (value, needed) in fields.items() if needed},
                    optional={
                        name: value for name, (value, needed) in fields.items() if not needed
                    },
                )
        return NAMED[self.kind][1]


bounds = st.tuples(st.none() | st.integers(0, 2), st.none() | st.integers(2, 4))


def ranged(kind: str, **more: Any) -> st.SearchStrategy[Shape]:
    return bounds.map(lambda b: Shape(kind, low=b[0], high=b[1], **more))


LITERALS = ("a", "aa", 1, 2, True, None)
literals = st.lists(st.sampled_from(LITERALS), min_size=1, max_size=3, unique_by=repr).map(
    lambda v: Shape("literal", values=tuple(v))
)
leaves = st.one_of(
    ranged("int"),
    ranged("float"),
    ranged("str"),
    st.sampled_from(PATTERNS).map(lambda p: Shape("str", pattern=p)),
    st.sampled_from(sorted(NAMED)).map(Shape),
    literals,
)


def larger(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    return st.one_of(
        st.builds(lambda b, i: Shape("list", low=b[0], high=b[1], inner=(i,)), bounds, inner),
        bounds.map(lambda b: Shape("set", low=b[0], high=b[1], inner=(Shape("int"),))),
        st.builds(
            lambda p, i: Shape("dict", pattern=p, inner=(i,)),
            st.sampled_from((None, "^a+$")),
            inner,
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda i: Shape("tuple", inner=tuple(i))),
        st.lists(inner, min_size=2, max_size=3).map(lambda i: Shape("union", inner=tuple(i))),
        models(inner),
    )


def models(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    fields = st.lists(st.tuples(inner, st.booleans()), min_size=1, max_size=3)
    return st.builds(model, fields, st.sampled_from(EXTRAS))


def model(fields: list[tuple[Shape, bool]], extra: Extra) -> Shape:
    return Shape(
        "model",
        inner=tuple(shape for shape, _ in fields),
        names=tuple("abc"[: len(fields)]),
        required=tuple(needed for _, needed in fields),
        extra=extra,
    )


shapes = st.recursive(leaves, larger, max_leaves=5)


@st.composite
def changed(draw: st.DrawFn, shape: Shape) -> Shape:
    """Nearly the same: what a person makes of a schema from one day to the next."""
    inner = tuple(draw(changed(i)) if draw(st.integers(0, 2)) == 0 else i for i in shape.inner)
    shape = replace(shape, inner=inner)
    ways: list[Callable[[], Shape]] = [
        lambda: shape,
        lambda: Shape("union", inner=(shape, draw(leaves))),
    ]
    match shape.kind:
        case "int" | "float" | "str" | "list" | "set":
            low, high = draw(bounds)
            ways += [lambda: replace(shape, low=low, high=high)]
            ways += [lambda: replace(shape, kind="float")] if shape.kind == "int" else []
        case "literal":
            few = st.lists(st.sampled_from(LITERALS), min_size=1, max_size=3, unique_by=repr)
            ways += [lambda: Shape("str"), lambda: replace(shape, values=tuple(draw(few)))]
        case "tuple":
            ways += [lambda: Shape("list", inner=(Shape("union", inner=inner * 2),))]
        case "union":
            ways += [lambda: draw(st.sampled_from(inner))]
        case "model":
            flags = st.tuples(*[st.booleans()] * len(shape.names))
            extras = st.sampled_from(EXTRAS)
            ways += [
                lambda: replace(shape, required=draw(flags)),
                lambda: replace(shape, extra=draw(extras)),
                lambda: replace(
                    shape,
                    inner=(*inner, draw(leaves)),
                    names=(*shape.names, "d"),
                    required=(*shape.required, draw(st.booleans())),
                    extra=draw(extras),
                ),
            ]
        case _:
            ways += [lambda: draw(leaves)]
    return draw(st.sampled_from(ways))()


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Shape, Shape]:
    shape = draw(st.one_of(shapes, models(leaves), literals))
    two = (shape, draw(changed(shape)))
    return two if draw(st.booleans()) else (two[1], two[0])


@parts(5, kept=2)
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(data=st.data(), pair=pairs())
def test_what_fits_is_accepted(part: int, data: st.DataObject, pair: tuple[Shape, Shape]) -> None:
    writer, reader = pair
    writes, reads = TypeAdapter(writer.type), TypeAdapter(reader.type)
    # A dict may turn out to be anything that a model requires: that is for run time.
    assume("dict" not in repr(writer) or "model" not in repr(reader))
    assume(compare_schemas(written_schema(writer.type), accepted_schema(reader.type)) == [])
    for _ in range(5):
        event = writes.dump_json(writes.validate_python(data.draw(writer.given(), label="event")))
        reads.validate_json(event)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shapes)
def test_a_schema_fits_itself(shape: Shape) -> None:
    assert compare_schemas(accepted_schema(shape.type), accepted_schema(shape.type)) == []


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: Annotated[int, Field(ge=1, le=9)] = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


@pytest.mark.parametrize(
    ("writer", "reader", "event", "reason"),
    [
        (int, Annotated[int, Field(ge=0)], -1, "the event may be less than 0"),
        (int, Annotated[int, Field(gt=0)], 0, "the event may be 0 or less"),
        (float, Annotated[float, Field(lt=9)], 9.0, "the event may be 9 or more"),
        (int, Annotated[int, Field(multiple_of=5)], 7, "the event may be no multiple of 5"),
        (str, Annotated[str, Field(min_length=1)], "", "may have less than 1 characters"),
        (str, Annotated[str, Field(max_length=3)], "four", "may have more than 3 characters"),
        (str, Annotated[str, Field(pattern="^a")], "b", "may not match '^a'"),
        (str, datetime, "soon", "is any text, not date-time"),
        (str, Decimal, "much", "is any text, not decimal"),
        (UUID, UUID4, "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "is uuid, not uuid4"),
        (str, Literal["a"], "b", "may be any string, not 'a' alone"),
        (list[int], tuple[int, int], [1], "may have less than 2 items"),
        (list[int], Annotated[list[int], Field(max_length=1)], [1, 2], "more than 1 items"),
        (tuple[int, str], tuple[int, int], [1, "a"], "field '[1]' is string, not integer"),
        (dict[str, int], dict[Literal["a"], int], {"b": 1}, "may be any string, not 'a' alone"),
        (dict[str, str], Cat, {"kind": "cat", "lives": "many"}, "is string, not integer"),
    ],
)  # fmt: skip
def test_a_promise_that_the_writer_does_not_make_is_a_misfit(
    writer: Any, reader: Any, event: Any, reason: str
) -> None:
    assert any(
        reason in render_misfit(misfit)
        for misfit in compare_schemas(written_schema(writer), accepted_schema(reader))
    )
    TypeAdapter(writer).validate_python(event)
    with pytest.raises(ValidationError):
        TypeAdapter(reader).validate_python(event)


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        (Annotated[int, Field(ge=1)], Annotated[int, Field(gt=0)]),
        (Annotated[int, Field(multiple_of=10)], Annotated[int, Field(multiple_of=5)]),
        (Literal["a", "b"], Literal["a"] | Literal["b", "c"]),
        (Literal["ab"], Annotated[str, Field(pattern="^a", max_length=2)]),
        (Literal[3, 4], Annotated[int, Field(ge=3, le=4)]),
        (bool, Literal[True, False]), (datetime, Annotated[str, Field(min_length=1)]),
        (Decimal, Decimal), (Decimal, float), (tuple[int, int], list[int]), (UUID4, UUID),
        (Tree, Tree), (Cat, Pet), (Pet, Cat | Dog), (set[int], list[int]),
        (dict[Literal["a"], int], dict[str, float]),
    ],
)  # fmt: skip
def test_a_promise_that_holds_fits(writer: Any, reader: Any) -> None:
    assert compare_schemas(written_schema(writer), accepted_schema(reader)) == []


def test_a_tag_must_be_written_even_where_it_has_a_default() -> None:
    class Untagged(BaseModel):
        lives: Annotated[int, Field(ge=1, le=9)]

    assert compare_schemas(written_schema(Untagged), accepted_schema(Cat)) == []
    misfits = compare_schemas(written_schema(Untagged), accepted_schema(Pet))
    assert list(map(render_misfit, misfits)) == ["field 'kind' is missing"]
