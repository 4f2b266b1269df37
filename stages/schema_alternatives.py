"""Which alternatives does a JSON Schema allow?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from farandole.stages.json_schema import JsonSchema

if not __name__.startswith("farandole."):
    raise ImportError("stages.schema_alternatives is a part of farandole: import farandole.stages")

# Keywords that may stand beside a reference or a union and constrain nothing.
_NON_CONSTRAINING_KEYWORDS = frozenset(
    {"$ref", "anyOf", "oneOf", "allOf", "$defs", "title", "description", "default", "examples"}
    | {"deprecated", "readOnly", "writeOnly", "discriminator"}
)


class UnionAlternatives:
    """Splits the schemas of one document into their alternatives: references are followed, and each
    alternative has at most one type."""

    def __init__(self, definitions: JsonSchema) -> None:
        self._definitions = definitions
        # By the schema's identity: a recursive schema must meet the same objects again.
        self._found: dict[int, tuple[JsonSchema, list[JsonSchema]]] = {}

    def of(self, schema: JsonSchema) -> list[JsonSchema]:
        """Return the alternatives of a schema; the same objects each time."""
        known = self._found.get(id(schema))
        if known is None:
            split = [one for s in self._expanded(schema, {}, set()) for one in _split_by_type(s)]
            known = self._found[id(schema)] = (schema, split)
        return known[1]

    def _expanded(
        self, schema: Any, beside: JsonSchema, followed: set[str]
    ) -> Iterator[JsonSchema]:
        if not isinstance(schema, Mapping):
            yield beside  # the schema `true` allows anything
            return
        reference: str | None = schema.get("$ref")
        alternatives = schema.get("anyOf") or schema.get("oneOf")
        if not alternatives and len(schema.get("allOf", ())) == 1:
            alternatives = schema["allOf"]
        if reference is None and not alternatives:
            yield _merge_schemas(beside, schema) if beside else schema
            return
        beside = _merge_schemas(
            beside, {k: v for k, v in schema.items() if k not in _NON_CONSTRAINING_KEYWORDS}
        )
        tag = schema.get("discriminator", {}).get("propertyName")
        if tag:  # pydantic requires the tag, even if it has a default
            beside = _merge_schemas(beside, {"required": [tag]})
        if reference is not None:
            if reference not in followed:
                followed.add(reference)
                target = self._definitions.get(reference.rpartition("/")[2], {})
                yield from self._expanded(target, beside, followed)
            return
        for alternative in alternatives or ():
            yield from self._expanded(alternative, beside, followed)


def _merge_schemas(beside: JsonSchema, schema: JsonSchema) -> dict[str, Any]:
    merged = {**beside, **schema}
    required = [*beside.get("required", ()), *schema.get("required", ())]
    return merged | ({"required": required} if required else {})


def _split_by_type(schema: JsonSchema) -> list[JsonSchema]:
    values = enum_values(schema)
    if values is not None:
        by_type: dict[str, list[Any]] = {}
        for value in values:
            by_type.setdefault(json_type(value), []).append(value)
        return [{"type": type_, "enum": values} for type_, values in by_type.items()]
    stated = schema.get("type")
    if isinstance(stated, list):
        return [{**schema, "type": type_} for type_ in stated]
    return [schema]


def enum_values(schema: JsonSchema) -> list[Any] | None:
    """Return the only values that a schema allows; None if it lists none."""
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def json_type(value: Any) -> str:
    """Return the name of a value's type in JSON Schema."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return {int: "integer", float: "number", str: "string", list: "array"}.get(
        type(value), "object"
    )
