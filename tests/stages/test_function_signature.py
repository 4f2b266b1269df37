"""Are functions that can be stages read, and all others refused with a remedy?"""

# mypy: disable-error-code="empty-body, misc, type-arg, no-untyped-def, name-defined"

from __future__ import annotations

import functools
import typing
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Annotated, Any, NewType

import pytest
from pydantic import BaseModel

from farandole.stages.contract import Context, To, Unchanged
from farandole.stages.function_signature import StageSignature, UnbindableError, read_signature


class A(BaseModel):
    a: int


class B(BaseModel):
    b: int


Cents = NewType("Cents", int)
T = typing.TypeVar("T")
Bounded = typing.TypeVar("Bounded", bound=A)


def plain(event: A) -> B: ...
def silent(event: A) -> None: ...
def perhaps(event: A) -> B | None: ...
def either(event: A) -> A | B | None: ...
def old_union(event: A) -> typing.Optional[typing.Union[A, B]]: ...  # noqa: UP007, UP045
async def awaited(event: A) -> B: ...


def generated(event: A) -> Iterator[B]:
    yield B(b=1)


def generated_long(event: A) -> Generator[A | B, None, int]:
    yield B(b=1)
    return 1


async def streamed(event: A) -> AsyncIterator[B | None]:
    yield B(b=1)


def listed(event: A) -> list[B]: ...
def paired(event: A) -> tuple[A, B]: ...
def tupled(event: A) -> tuple[B, ...]: ...
def batched(events: list[A]) -> None: ...
def told(event: A) -> To[B]: ...
def told_many(event: A) -> Iterator[To[A] | To[B] | None]: ...
def told_union(event: A) -> To[A | B]: ...
def context_second(event: A, context: Context) -> B: ...
def context_named(event: A, *, said: Context) -> B: ...
def context_optional(event: A, context: Context | None = None) -> B: ...
def with_default(event: A, limit: int = 3, *, other: int = 4) -> B: ...
def annotated(event: Annotated[A, "x"]) -> Annotated[B, ["unhashable"]]: ...
def of_anything(event: Any) -> dict[str, Any]: ...
def alias(event: Cents) -> Cents: ...


MAYBE: Any = {"may_give_nothing": True}
GOOD: list[tuple[Callable[..., Any], StageSignature]] = [
    (plain, StageSignature(A, False, None, (B,), False, False, "plain")),
    (silent, StageSignature(A, False, None, (), False, False, "plain", **MAYBE)),
    (perhaps, StageSignature(A, False, None, (B,), False, False, "plain", **MAYBE)),
    (either, StageSignature(A, False, None, (A, B), False, False, "plain", **MAYBE)),
    (
        old_union,
        StageSignature(A, False, None, (A, B), False, False, "plain", **MAYBE),
    ),
    (awaited, StageSignature(A, False, None, (B,), False, False, "async")),
    (generated, StageSignature(A, False, None, (B,), True, False, "generator")),
    (generated_long, StageSignature(A, False, None, (A, B), True, False, "generator")),
    (streamed, StageSignature(A, False, None, (B,), True, False, "async generator", **MAYBE)),
    (listed, StageSignature(A, False, None, (B,), True, False, "plain")),
    (paired, StageSignature(A, False, None, (A, B), True, False, "plain")),
    (tupled, StageSignature(A, False, None, (B,), True, False, "plain")),
    (batched, StageSignature(A, True, None, (), False, False, "plain", **MAYBE)),
    (told, StageSignature(A, False, None, (B,), False, True, "plain")),
    (told_many, StageSignature(A, False, None, (A, B), True, True, "plain", **MAYBE)),
    (told_union, StageSignature(A, False, None, (A, B), False, True, "plain")),
    (context_second, StageSignature(A, False, "context", (B,), False, False, "plain")),
    (context_named, StageSignature(A, False, "said", (B,), False, False, "plain")),
    (context_optional, StageSignature(A, False, "context", (B,), False, False, "plain")),
    (with_default, StageSignature(A, False, None, (B,), False, False, "plain")),
    (of_anything, StageSignature(Any, False, None, (dict[str, Any],), False, False, "plain")),
    (alias, StageSignature(Cents, False, None, (Cents,), False, False, "plain")),
]


@pytest.mark.parametrize(("function", "signature"), GOOD, ids=lambda v: getattr(v, "__name__", ""))
def test_a_function_that_can_be_a_stage_is_read(
    function: Callable[..., Any], signature: StageSignature
) -> None:
    assert read_signature(function) == signature


def test_metadata_of_an_annotation_is_kept_for_pydantic() -> None:
    signature = read_signature(annotated)
    assert signature.input_schema == Annotated[A, "x"]
    assert signature.output_schemas == (Annotated[B, ["unhashable"]],)


def test_a_wrapped_function_is_read_as_what_it_wraps() -> None:
    @functools.wraps(context_second)
    def wrapper(*args: Any, **keywords: Any) -> Any:
        return context_second(*args, **keywords)

    assert read_signature(wrapper) == read_signature(context_second)


def passes(event: T, params: B, context: Context) -> T | None: ...
def keeps(event: T) -> Unchanged[T] | None: ...
def keeps_and_tells(event: T) -> To[Unchanged[T]]: ...
def ends(event: T) -> None: ...
def tells_which(event: T, *, params: B) -> To[T]: ...


@pytest.mark.parametrize(
    ("function", "gives", "params"),
    [(passes, (Any,), B), (ends, (), None), (tells_which, (Any,), B)],
)
def test_a_type_variable_makes_a_pass_through(
    function: Callable[..., Any], gives: tuple[Any, ...], params: Any
) -> None:
    signature = read_signature(function)
    assert (signature.is_passthrough, signature.input_schema) == (True, Any)
    assert (signature.output_schemas, signature.parameter_model) == (gives, params)


@pytest.mark.parametrize(
    ("function", "keeps_bytes"),
    [(keeps, True), (keeps_and_tells, True), (passes, False), (tells_which, False)],
)
def test_what_is_returned_unchanged_keeps_its_bytes(
    function: Callable[..., Any], keeps_bytes: bool
) -> None:
    signature = read_signature(function)
    assert (signature.is_passthrough, signature.keeps_bytes) == (True, keeps_bytes)


def test_params_with_a_name_of_its_own_model_are_read() -> None:
    def typed(event: A, params: B) -> None: ...

    signature = read_signature(typed)
    assert (signature.is_passthrough, signature.input_schema, signature.parameter_model) == (
        False,
        A,
        B,
    )


def test_an_event_may_be_called_params() -> None:
    def alone(params: A) -> None: ...

    assert (read_signature(alone).input_schema, read_signature(alone).parameter_model) == (A, None)


def nothing() -> B: ...
def two(event: A, other: B) -> B: ...
def context_first(context: Context, event: A) -> B: ...
def contexts(event: A, one: Context, other: Context) -> B: ...
def context_alone(context: Context) -> B: ...
def context_unnamed(event: A, context: Context, /) -> B: ...
def context_starred(event: A, *context: Context) -> B: ...
def starred(*events: A) -> B: ...
def named_only(*, event: A) -> B: ...
def one_more(event: A, *, limit: int) -> B: ...
def unannotated(event) -> B: ...
def returns_what(event: A): ...
def bare_list(events: list) -> None: ...
def bare_typing_list(events: typing.List) -> None: ...  # noqa: UP006
def gives_list(event: A) -> list: ...
def gives_typing_list(event: A) -> typing.List: ...  # noqa: UP006
def gives_iterator(event: A) -> Iterator: ...
def gives_none_or_list(event: A) -> typing.List | None: ...  # noqa: UP006
def gives_empty(event: A) -> tuple[()]: ...
def gives_lists(event: A) -> list[A] | list[B]: ...
def gives_one_or_many(event: A) -> B | list[A]: ...
def gives_many_or_one(event: A) -> list[A] | B: ...
def tells_some(event: A) -> To[A] | B: ...
def tells_nothing(event: A) -> To: ...
def passes_batches(events: list[T]) -> None: ...
def passes_many(event: T) -> Iterator[T]: ...
def passes_and_more(event: T) -> T | B: ...
def keeps_typed(event: A) -> Unchanged[A]: ...
def keeps_or_passes(event: T) -> Unchanged[T] | T: ...
def bounded(event: Bounded) -> Bounded: ...
def out_of_nowhere(event: A) -> T: ...  # type: ignore[type-var]
def untyped_params(event: A, params) -> B: ...
def plain_params(event: A, params: dict) -> B: ...
def misspelt(event: "Lien") -> B: ...  # noqa: F821, UP037


def yields_one(event: A) -> B:
    yield B(b=1)


async def streams_one(event: A) -> B:
    yield B(b=1)


class Called:
    def __call__(self, event: A) -> B: ...


BAD: list[tuple[Any, str]] = [
    (nothing, "takes the event first"),
    (two, "takes the event first"),
    (context_first, "takes the event first"),
    (contexts, "takes the event first"),
    (context_alone, "takes the event first"),
    (context_unnamed, "takes the event first"),
    (context_starred, "takes the event first"),
    (starred, "takes the event first"),
    (named_only, "takes the event first"),
    (one_more, "takes the event first"),
    (unannotated, "annotate `event` with the event's schema"),
    (returns_what, "annotate what it returns"),
    (bare_list, "say of what: `events: list"),
    (bare_typing_list, "say of what: `events: list"),
    (gives_list, "say of what its result is made"),
    (gives_typing_list, "say of what its result is made"),
    (gives_iterator, "say of what its result is made"),
    (gives_none_or_list, "say of what its result is made"),
    (gives_empty, "say of what its result is made"),
    (gives_lists, "return one iterable, of a union"),
    (gives_one_or_many, "return one iterable, of a union"),
    (gives_many_or_one, "return one iterable, of a union"),
    (tells_some, "wrap all of its results in `To`, or none"),
    (tells_nothing, "say what `To` holds"),
    (passes_batches, "`event: T`, `-> T | None`"),
    (passes_many, "`event: T`, `-> T | None`"),
    (passes_and_more, "gives that one or none"),
    (keeps_typed, "takes any event and gives nothing else"),
    (keeps_or_passes, "takes any event and gives nothing else"),
    (bounded, "Bounded has a bound"),
    (out_of_nowhere, "it gives T, but does not take it"),
    (untyped_params, "annotate `params` with a pydantic model"),
    (plain_params, "annotate `params` with a pydantic model"),
    (misspelt, "'Lien' is not defined"),
    (yields_one, "it yields: annotate `Iterator"),
    (streams_one, "it yields: annotate `AsyncIterator"),
    (max, "signature cannot be read"),
    (len, "takes the event first|annotate"),
    (Called(), "Called.*annotations cannot be resolved"),
    (functools.partial(plain), "annotations cannot be resolved"),
    (A, "takes the event first|annotate"),
    (None, "None is not a function"),
    (7, "7 is not a function"),
]


@pytest.mark.parametrize(
    ("function", "said"), BAD, ids=lambda v: getattr(v, "__name__", type(v).__name__)
)
def test_other_functions_are_refused_with_a_remedy(function: Any, said: str) -> None:
    with pytest.raises(UnbindableError, match=said) as refused:
        read_signature(function)
    assert "\n" not in str(refused.value)
