"""Which schema does an event have, and do writers and readers fit each other?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Union

from farandole.router.file_model import StageSection
from farandole.stages.function_signature import StageSignature
from farandole.stages.json_schema import JsonSchema, accepted_schema, written_schema
from farandole.stages.json_schema_compatibility import Misfit, compare_schemas
from farandole.stages.schema_alternatives import UnionAlternatives


def emitted_types(
    stage: StageSection, signature: StageSignature, event_type: str
) -> tuple[Any, ...]:
    """Return the types that a stage may emit as `event_type`. The i-th result belongs to the i-th
    of `emits`, unless the results name their event type (`To`)."""
    if signature.names_outputs:
        return signature.output_schemas
    index = stage.emits.index(event_type)
    return signature.output_schemas[index : index + 1]


def published_schema(
    outputs: Iterable[tuple[Any, ...]], inputs: Iterable[Any]
) -> Mapping[str, Any] | None:
    """Return the one JSON Schema of an event: what its emitters write and its subscribers can read.
    If no stage emits it, what the first subscriber reads; None if there is none. Raises
    NoSchemaError."""
    readers = list(inputs)
    candidates: list[Any] = []
    for options in outputs:
        fitting = [o for o in options if all(not type_misfits(o, r) for r in readers)]
        candidates += [o for o in fitting or options if o not in candidates]
    if candidates:
        return written_schema(Union[tuple(candidates)])  # noqa: UP007 -- made from a tuple
    return accepted_schema(readers[0]) if readers else None


def type_misfits(producer: Any, consumer: Any) -> list[Misfit]:
    """Return why events written as `producer` cannot be read as `consumer`; empty if they can.
    Raises NoSchemaError."""
    if producer is consumer or producer == consumer:
        return []
    return compare_schemas(written_schema(producer), accepted_schema(consumer))


def common_fields(schema: JsonSchema) -> frozenset[str] | None:
    """Return the names of the fields that every event of the schema may have; None if it may have
    others."""
    names: frozenset[str] | None = None
    for option in UnionAlternatives(schema.get("$defs", {})).of(schema):
        if option.get("type") not in ("object", None):
            fields: frozenset[str] = frozenset()
        elif "properties" not in option or option.get("additionalProperties"):
            continue
        else:
            fields = frozenset(option["properties"])
        names = fields if names is None else names & fields
    return names
