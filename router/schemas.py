"""Which JSON does a stage's schema stand for, and does what one writes fit what another takes?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union, get_origin

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from router.fitting import Alternatives, compare
from router.fitting import Schema as Schema
from router.form import StageForm
from stages.signature import Signature


class NoSchema(TypeError):  # noqa: N818 -- what the type has
    """Pydantic can make no JSON Schema of a type; the message is its reason in one line."""


class _AsWritten(GenerateJsonSchema):
    """A field with a default is always written, so a reader may require it."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "serialization" and field["type"] != "typed-dict-field":
            return True
        return super().field_is_required(field, total)

    def decimal_schema(self, schema: Any) -> dict[str, Any]:
        """Not every text is a number."""
        made = super().decimal_schema(schema)
        for option in made.get("anyOf", [made]):
            if option["type"] == "string":
                option["format"] = "decimal"
        return made


def title(type_: Any) -> str:
    """What a person calls the type: `Line`, `list[int]`."""
    if get_origin(type_) is None and isinstance(type_, type):
        return type_.__name__
    return str(type_).replace("typing.", "")


def written(type_: Any) -> Schema:
    """The JSON Schema of what is written for the type. Raises NoSchema."""
    return _schema(type_, "serialization")


def accepted(type_: Any) -> Schema:
    """The JSON Schema of what the type is read from. Raises NoSchema."""
    return _schema(type_, "validation")


def _schema(type_: Any, mode: Literal["serialization", "validation"]) -> Schema:
    try:
        return TypeAdapter(type_).json_schema(mode=mode, schema_generator=_AsWritten)
    except Exception as error:  # noqa: BLE001 -- a schema may run anyone's code
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise NoSchema(reason.rstrip(".")) from None


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
