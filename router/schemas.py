"""Does what one stage writes fit what another takes?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Union

from farandole.router.fitting import Alternatives, compare
from farandole.router.form import StageForm
from farandole.stages.schema import NoSchema as NoSchema
from farandole.stages.schema import Schema as Schema
from farandole.stages.schema import accepted as accepted
from farandole.stages.schema import title as title
from farandole.stages.schema import written as written
from farandole.stages.signature import Signature


def given(stage: StageForm, signature: Signature, event_type: str) -> tuple[Any, ...]:
    """The types that a stage may emit as `event_type`: the i-th result is the i-th of `emits`,
    unless its results say themselves what they are (`To`)."""
    if signature.named:
        return signature.gives
    index = stage.emits.index(event_type)
    return signature.gives[index : index + 1]


def published(
    outputs: Iterable[tuple[Any, ...]], inputs: Iterable[Any]
) -> Mapping[str, Any] | None:
    """The one JSON Schema that stands for an event: of what its emitters write and its subscribers
    can read; of what is read where nobody emits it. Raises NoSchema."""
    readers = list(inputs)
    candidates: list[Any] = []
    for options in outputs:
        fitting = [o for o in options if all(not misfits(o, r) for r in readers)]
        candidates += [o for o in fitting or options if o not in candidates]
    if candidates:
        return written(Union[tuple(candidates)])  # noqa: UP007 -- made of a tuple
    return accepted(readers[0]) if readers else None


def misfits(producer: Any, consumer: Any) -> list[str]:
    """Why events written as `producer` cannot be read as `consumer`; empty where they can.
    Raises NoSchema."""
    if producer is consumer or producer == consumer:
        return []
    return compare(written(producer), accepted(consumer))


def fields(schema: Schema) -> frozenset[str] | None:
    """The names of the fields that every event of the schema may have; None where they are open."""
    names: frozenset[str] | None = None
    for option in Alternatives(schema.get("$defs", {})).of(schema):
        if option.get("type") not in ("object", None):
            mine: frozenset[str] = frozenset()
        elif "properties" not in option or option.get("additionalProperties"):
            continue
        else:
            mine = frozenset(option["properties"])
        names = mine if names is None else names & mine
    return names


def possible(schema: Schema) -> frozenset[str] | None:
    """The names of the fields that some event of the schema may have; None where they are open."""
    names: frozenset[str] = frozenset()
    for option in Alternatives(schema.get("$defs", {})).of(schema):
        if option.get("type") != "object":
            return None
        if "properties" not in option or option.get("additionalProperties"):
            return None
        names |= frozenset(option["properties"])
    return names
