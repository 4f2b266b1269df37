"""Which JSON Schemas does a type have, for writers and for readers?"""

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
    """Pydantic cannot make a JSON Schema of a type; the message is its reason in one line."""


class _DigestSchemaGenerator(GenerateJsonSchema):
    """Makes the schemas. A field with a default is always written, so a reader may require it. A
    `Decimal` is text, as release 0.1 wrote it: digests of schemas must not change."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "serialization" and field["type"] != "typed-dict-field":
            return True
        return super().field_is_required(field, total)

    def decimal_schema(self, schema: Any) -> dict[str, Any]:
        """Return a schema whose texts have a format: not every text is a number."""
        converted = super().decimal_schema(schema)
        for option in converted.get("anyOf", [converted]):
            if option["type"] == "string":
                option["format"] = "decimal"
        return converted


class _WriterSchemaGenerator(_DigestSchemaGenerator):
    def decimal_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a `Decimal`, which is written as a number."""
        if self.mode == "serialization":
            return {"type": "number"}
        return super().decimal_schema(schema)


def type_title(type_: Any) -> str:
    """Return the name of a type for people: `Line`, `list[int]`."""
    if get_origin(type_) is None and isinstance(type_, type):
        return type_.__name__
    return str(type_).replace("typing.", "")


def written_schema(type_: Any) -> JsonSchema:
    """Return the JSON Schema of what is written for the type. Raises NoSchemaError."""
    return _make_schema(type_, "serialization", _WriterSchemaGenerator)


def accepted_schema(type_: Any) -> JsonSchema:
    """Return the JSON Schema of what the type is read from. Raises NoSchemaError."""
    return _make_schema(type_, "validation", _WriterSchemaGenerator)


def _make_schema(
    type_: Any,
    mode: Literal["serialization", "validation"],
    generator: type[GenerateJsonSchema],
) -> JsonSchema:
    try:
        return TypeAdapter(type_).json_schema(mode=mode, schema_generator=generator)
    except Exception as error:  # noqa: BLE001 -- a schema may run user code
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise NoSchemaError(reason.rstrip(".")) from None


def schema_digest(input_type: Any, output_types: Sequence[Any]) -> str:
    """Return a short digest of a function's schemas. It is published as `StageSpec.code`, so its
    bytes must not change. Raises NoSchemaError."""
    schemas = [
        _make_schema(input_type, "validation", _DigestSchemaGenerator),
        *(_make_schema(t, "serialization", _DigestSchemaGenerator) for t in output_types),
    ]
    text = json.dumps(schemas, sort_keys=True, default=str).encode()
    return blake2b(text, digest_size=8).hexdigest()
