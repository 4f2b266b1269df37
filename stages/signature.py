"""What does a stage function take, and what does it give?"""

from __future__ import annotations

import inspect
import types
import typing
from collections import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from stages.contract import Context, To

Kind = Literal["plain", "generator", "async", "async generator"]

_MANY = {
    list, tuple, set, frozenset,
    abc.Iterable, abc.Iterator, abc.Generator, abc.Sequence, abc.Collection,
    abc.AsyncIterable, abc.AsyncIterator, abc.AsyncGenerator,
}  # fmt: skip


class Unbindable(TypeError):  # noqa: N818 -- the message is a whole sentence about the function
    """The function cannot be a stage; the message says why and what to write instead."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A stage function, read once."""

    takes: Any
    """The schema of one event, whatever its container."""
    batch: bool
    """It takes a `list` of events."""
    context: str | None
    """The name of the parameter that takes the Context."""
    gives: tuple[Any, ...]
    """The schemas that it may return or yield, in the order of the annotation; () for none."""
    many: bool
    """It gives an iterable of events."""
    named: bool
    """It gives `To(event type, data)`."""
    kind: Kind


def read(function: Callable[..., Any]) -> Signature:
    """The signature of a stage function. Raises Unbindable."""
    name = getattr(function, "__name__", repr(function))
    if not callable(function):
        raise Unbindable(f"{name} is not a function")
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:  # noqa: BLE001 -- whatever an annotation raises, the answer is the same
        raise Unbindable(f"{name}: its annotations cannot be resolved: {error}") from None
    parameters = list(inspect.signature(function).parameters.values())
    contexts = [p.name for p in parameters if hints.get(p.name) is Context]
    events = [
        p
        for p in parameters
        if p.name not in contexts
        and p.default is p.empty
        and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    if len(events) != 1 or parameters.index(events[0]) != 0 or len(contexts) > 1:
        raise Unbindable(
            f"{name}: a stage takes the event first and, if it wants, `context: Context`"
        )
    parameter = events[0].name
    if parameter not in hints:
        raise Unbindable(f"{name}: annotate `{parameter}` with the event's schema")
    if "return" not in hints:
        raise Unbindable(f"{name}: annotate what it returns (`-> None` where it emits nothing)")
    takes = hints[parameter]
    batch = get_origin(takes) is list
    if batch:
        (takes,) = get_args(takes)
    elif takes is list:
        raise Unbindable(f"{name}: say of what: `{parameter}: list[Line]`")
    gives, many, named = _given(name, hints["return"])
    return Signature(
        takes=takes,
        batch=batch,
        context=contexts[0] if contexts else None,
        gives=gives,
        many=many,
        named=named,
        kind=_kind(function),
    )


def _kind(function: Callable[..., Any]) -> Kind:
    if inspect.isasyncgenfunction(function):
        return "async generator"
    if inspect.iscoroutinefunction(function):
        return "async"
    if inspect.isgeneratorfunction(function):
        return "generator"
    return "plain"


def _given(name: str, annotation: Any) -> tuple[tuple[Any, ...], bool, bool]:
    members = [m for m in _members(annotation) if m is not type(None)]
    many = bool(members) and get_origin(members[0]) in _MANY
    if many:
        if len(members) > 1:
            raise Unbindable(f"{name}: return one iterable, of a union: `Iterator[A | B]`")
        inner = get_args(members[0])[0]
        members = [m for m in _members(inner) if m is not type(None)]
    if any(m in _MANY for m in members):
        raise Unbindable(f"{name}: say of what its result is made: `Iterator[Line]`")
    named = [m for m in members if m is To or get_origin(m) is To]
    if not named:
        return tuple(members), many, False
    if len(named) != len(members):
        raise Unbindable(f"{name}: wrap all of its results in `To`, or none")
    gives: list[Any] = []
    for member in named:
        if not get_args(member):
            raise Unbindable(f"{name}: say what `To` holds: `To[Line]`")
        gives += [g for g in _members(get_args(member)[0]) if g not in gives]
    return tuple(gives), many, True


def _members(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)
