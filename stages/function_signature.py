"""Which inputs and outputs does a stage function have?"""

from __future__ import annotations

import inspect
import types
import typing
from collections import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from farandole.stages.contract import UNCHANGED_MARK, Context, To
from farandole.stages.stage_parameters import is_parameter_model

if not __name__.startswith("farandole."):
    raise ImportError("stages.function_signature is a part of farandole: import farandole.stages")

FunctionKind = Literal["plain", "generator", "async", "async generator"]

_ITERABLES = {
    list, tuple, set, frozenset,
    abc.Iterable, abc.Iterator, abc.Generator, abc.Sequence, abc.Collection,
    abc.AsyncIterable, abc.AsyncIterator, abc.AsyncGenerator,
}  # fmt: skip


PARAMS_NAME = "params"
"""The parameter that gets the values of `with:`."""


class UnbindableError(TypeError):
    """The function cannot be a stage; the message says why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class StageSignature:
    """The inputs and outputs of a stage function, read from the annotations once."""

    input_schema: Any
    """The type of one event, also if the function takes a list of them. Any for a pass-through."""
    takes_batch: bool
    """True if the function takes a `list` of events."""
    context_parameter: str | None
    """The name of the parameter that takes the Context; None if there is none."""
    output_schemas: tuple[Any, ...]
    """The types that it may return or yield, in the order of the annotation; () for none."""
    returns_many: bool
    """True if it returns an iterable of events."""
    names_outputs: bool
    """True if it returns `To(event type, data)`."""
    kind: FunctionKind
    parameter_model: Any = None
    """The model of its parameter `params`; None if it has none."""
    is_passthrough: bool = False
    """True if it returns the event that it takes, of whatever type: its annotation is a TypeVar."""
    keeps_bytes: bool = False
    """True if such an event is passed on byte for byte: the function returns `Unchanged`."""
    may_give_nothing: bool = False
    """True if its annotation allows None: of the result or, if it returns several, of each."""
    record_parameter: str | None = None
    """The name of the parameter that takes the record of the event; None for every function of a
    user."""


def read_signature(function: Callable[..., Any]) -> StageSignature:
    """Return the signature of a stage function. Raises UnbindableError."""
    name = getattr(function, "__name__", repr(function))
    if not callable(function):
        raise UnbindableError(f"{name} is not a function")
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # noqa: BLE001 -- annotations are user code
        raise UnbindableError(f"{name}: its annotations cannot be resolved: {error}") from None
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # some functions that are written in C
        raise UnbindableError(f"{name}: its signature cannot be read; wrap it in a `def`") from None
    contexts = [
        p.name
        for p in parameters
        if Context in _union_members(hints.get(p.name))
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    with_params = [p for p in parameters[1:] if p.name == PARAMS_NAME]
    events = [
        p
        for p in parameters
        if p.name not in contexts
        and p not in with_params
        and p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if (
        len(events) != 1
        or parameters.index(events[0]) != 0
        or events[0].kind is inspect.Parameter.KEYWORD_ONLY
        or len(contexts) > 1
        or any(
            Context in _union_members(hints.get(p.name))
            for p in parameters
            if p.name not in contexts
        )
    ):
        raise UnbindableError(
            f"{name}: a stage takes the event first and, if it wants, `context: Context` and "
            "`params: AModel`"
        )
    params = _parameter_model(name, with_params[0], hints) if with_params else None
    parameter = events[0].name
    if parameter not in hints:
        raise UnbindableError(f"{name}: annotate `{parameter}` with the event's schema")
    if "return" not in hints:
        raise UnbindableError(
            f"{name}: annotate what it returns (`-> None` where it emits nothing)"
        )
    takes = hints[parameter]
    batch = takes is list or get_origin(takes) is list
    if batch:
        if not get_args(takes):
            raise UnbindableError(f"{name}: say of what: `{parameter}: list[Line]`")
        (takes,) = get_args(takes)
    gives, many, named = _result_schemas(name, hints["return"])
    keeps = any(_is_unchanged(given) for given in gives)
    if keeps:
        gives = _kept_schemas(name, takes, gives)
    passes = _is_passthrough(name, takes, gives, several=batch or many)
    if passes:
        takes, gives = Any, (Any,) * len(gives)
    kind = _function_kind(function)
    if not many and kind in ("generator", "async generator"):
        iterator = "Iterator" if kind == "generator" else "AsyncIterator"
        raise UnbindableError(f"{name}: it yields: annotate `{iterator}[Line]`")
    return StageSignature(
        input_schema=takes,
        takes_batch=batch,
        context_parameter=contexts[0] if contexts else None,
        output_schemas=gives,
        returns_many=many,
        names_outputs=named,
        kind=kind,
        parameter_model=params,
        is_passthrough=passes,
        keeps_bytes=keeps,
        may_give_nothing=_may_give_nothing(hints["return"]),
    )


def _parameter_model(name: str, parameter: inspect.Parameter, hints: dict[str, Any]) -> Any:
    """Return the model of `params`. Raises UnbindableError if it is none."""
    if parameter.name not in hints or not is_parameter_model(hints[parameter.name]):
        raise UnbindableError(
            f"{name}: annotate `{PARAMS_NAME}` with a pydantic model, a dataclass or a TypedDict"
        )
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise UnbindableError(f"{name}: `{PARAMS_NAME}` is handed over by its name")
    return hints[parameter.name]


def _is_unchanged(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated and annotation.__metadata__[-1] is UNCHANGED_MARK


def _kept_schemas(name: str, takes: Any, gives: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the types in `Unchanged[...]`. Raises UnbindableError if the function also returns
    something else, or reads its event."""
    if not isinstance(takes, TypeVar) or not all(_is_unchanged(given) for given in gives):
        raise UnbindableError(
            f"{name}: only what takes any event and gives nothing else passes it on `Unchanged`: "
            "`event: T`, `-> Unchanged[T] | None`"
        )
    return tuple(given.__origin__ for given in gives)


def _is_passthrough(name: str, takes: Any, gives: tuple[Any, ...], *, several: bool) -> bool:
    """Return True if the function returns the event that it takes, of whatever type. Raises
    UnbindableError if its TypeVars say something else."""
    if not isinstance(takes, TypeVar):
        loose = [g for g in gives if isinstance(g, TypeVar)]
        if loose:
            raise UnbindableError(
                f"{name}: it gives {loose[0].__name__}, but does not take it: `event: T`"
            )
        return False
    if takes.__bound__ is not None or takes.__constraints__:
        raise UnbindableError(
            f"{name}: {takes.__name__} has a bound: annotate the event with that schema itself"
        )
    if several:
        raise UnbindableError(
            f"{name}: what takes any event takes and gives one at a time: "
            f"`event: {takes.__name__}`, `-> {takes.__name__} | None`"
        )
    if any(given is not takes for given in gives):
        raise UnbindableError(
            f"{name}: what takes any event gives that one or none: `-> {takes.__name__} | None`"
        )
    return True


def _function_kind(function: Callable[..., Any]) -> FunctionKind:
    if inspect.isasyncgenfunction(function):
        return "async generator"
    if inspect.iscoroutinefunction(function):
        return "async"
    if inspect.isgeneratorfunction(function):
        return "generator"
    return "plain"


def _result_schemas(name: str, annotation: Any) -> tuple[tuple[Any, ...], bool, bool]:
    members = [m for m in _union_members(annotation) if m is not type(None)]
    many = any(get_origin(m) in _ITERABLES for m in members)
    if many:
        if len(members) > 1:
            raise UnbindableError(f"{name}: return one iterable, of a union: `Iterator[A | B]`")
        elements = _element_schemas(members[0])
        members = [m for m in elements if m is not type(None)]
    if (many and not elements) or any(m is each for m in members for each in _ITERABLES):
        raise UnbindableError(f"{name}: say of what its result is made: `Iterator[Line]`")
    named = [m for m in members if m is To or get_origin(m) is To]
    if not named:
        return tuple(members), many, False
    if len(named) != len(members):
        raise UnbindableError(f"{name}: wrap all of its results in `To`, or none")
    gives: list[Any] = []
    for member in named:
        if not get_args(member):
            raise UnbindableError(f"{name}: say what `To` holds: `To[Line]`")
        gives += [g for g in _union_members(get_args(member)[0]) if g not in gives]
    return tuple(gives), many, True


def _may_give_nothing(annotation: Any) -> bool:
    members = _union_members(annotation)
    members += tuple(e for m in members if get_origin(m) in _ITERABLES for e in _element_schemas(m))
    return any(member in (None, type(None), Any, object) for member in members)


def _element_schemas(iterable: Any) -> list[Any]:
    """Return the types of the items of an iterable; empty if its annotation does not say."""
    arguments = get_args(iterable)
    if get_origin(iterable) is not tuple:
        arguments = arguments[:1]  # the others of a generator are what it is sent and returns
    return [m for each in arguments if each is not ... for m in _union_members(each)]


def _union_members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)
