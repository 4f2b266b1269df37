"""Does what one stage writes fit what another takes?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Union

from farandole.router.file_model import StageSection
from farandole.router.json_schema_compatibility import Misfit, compare_schemas
from farandole.router.schema_alternatives import UnionAlternatives
from farandole.stages.function_signature import StageSignature
from farandole.stages.json_schema import JsonSchema, accepted_schema, written_schema


def emitted_types(
    stage: StageSection, signature: StageSignature, event_type: str
) -> tuple[Any, ...]:
    """The types that a stage may emit as `event_type`: the i-th result is the i-th of `emits`,
    unless its results say themselves what they are (`To`)."""
    if signature.names_outputs:
        return signature.output_schemas
    index = stage.emits.index(event_type)
    return signature.output_schemas[index : index + 1]


def published_schema(
    outputs: Iterable[tuple[Any, ...]], inputs: Iterable[Any]
) -> Mapping[str, Any] | None:
    """The one JSON Schema that stands for an event: of what its emitters write and its subscribers
    can read; of what is read where nobody emits it. Raises NoSchemaError."""
    readers = list(inputs)
    candidates: list[Any] = []
    for options in outputs:
        fitting = [o for o in options if all(not type_misfits(o, r) for r in readers)]
        candidates += [o for o in fitting or options if o not in candidates]
    if candidates:
        return written_schema(Union[tuple(candidates)])  # noqa: UP007 -- made of a tuple
    return accepted_schema(readers[0]) if readers else None


def type_misfits(producer: Any, consumer: Any) -> list[Misfit]:
    """Why events written as `producer` cannot be read as `consumer`; empty where they can.
    Raises NoSchemaError."""
    if producer is consumer or producer == consumer:
        return []
    return compare_schemas(written_schema(producer), accepted_schema(consumer))


def common_fields(schema: JsonSchema) -> frozenset[str] | None:
    """The names of the fields that every event of the schema may have; None where they are open."""
    names: frozenset[str] | None = None
    for option in UnionAlternatives(schema.get("$defs", {})).of(schema):
        if option.get("type") not in ("object", None):
            mine: frozenset[str] = frozenset()
        elif "properties" not in option or option.get("additionalProperties"):
            continue
        else:
            mine = frozenset(option["properties"])
        names = mine if names is None else names & mine
    return names


def possible_fields(schema: JsonSchema) -> frozenset[str] | None:
    """The names of the fields that some event of the schema may have; None where they are open."""
    names: frozenset[str] = frozenset()
    for option in UnionAlternatives(schema.get("$defs", {})).of(schema):
        if option.get("type") != "object":
            return None
        if "properties" not in option or option.get("additionalProperties"):
            return None
        names |= frozenset(option["properties"])
    return names
