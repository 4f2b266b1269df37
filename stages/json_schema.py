"""Which JSON does a schema stand for?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Literal, get_origin

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

if not __name__.startswith("farandole."):
    raise ImportError("stages.json_schema is a part of farandole: import farandole.stages")

JsonSchema = Mapping[str, Any]


class NoSchemaError(TypeError):
    """Pydantic can make no JSON Schema of a type; the message is its reason in one line."""


class _WriterSchemaGenerator(GenerateJsonSchema):
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


def type_title(type_: Any) -> str:
    """What a person calls the type: `DrawnLine`, `list[int]`."""
    if get_origin(type_) is None and isinstance(type_, type):
        return type_.__name__
    return str(type_).replace("typing.", "")


def written_schema(type_: Any) -> JsonSchema:
    """The JSON Schema of what is written for the type. Raises NoSchemaError."""
    return _make_schema(type_, "serialization")


def accepted_schema(type_: Any) -> JsonSchema:
    """The JSON Schema of what the type is read from. Raises NoSchemaError."""
    return _make_schema(type_, "validation")


def _make_schema(type_: Any, mode: Literal["serialization", "validation"]) -> JsonSchema:
    try:
        return TypeAdapter(type_).json_schema(mode=mode, schema_generator=_WriterSchemaGenerator)
    except Exception as error:  # noqa: BLE001 -- a schema may run anyone's code
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise NoSchemaError(reason.rstrip(".")) from None


def schema_digest(takes: Any, gives: Sequence[Any]) -> str:
    """What tells one function's schemas from another's, short. Raises NoSchemaError."""
    schemas = [accepted_schema(takes), *map(written_schema, gives)]
    said = json.dumps(schemas, sort_keys=True, default=str).encode()
    return blake2b(said, digest_size=8).hexdigest()
