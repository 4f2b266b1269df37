"""Which properties of a contract describe the data of a JSON Schema?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from farandole.events.personal_data_masking import MAX_COLUMN_DEPTH, PERSONAL_MARK

_MAX_REFERENCES = 20
ANY_TYPE = {"logicalType": "string", "physicalType": "any"}
"""The type of a property of which the schema says none, or several: without one the standard's
schema takes a property for a map."""
_TYPES = frozenset(("string", "integer", "number", "boolean", "array", "object"))
_TEXT_TYPES = {"date": "date", "date-time": "timestamp", "time": "time"}
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("minItems", "maxItems", "uniqueItems"),
}
"""The keys of a schema that a contract has too, by logical type."""

JsonSchema = Mapping[str, Any]


def schema_properties(schema: JsonSchema | None) -> list[dict[str, Any]]:
    """Return the properties of data that are objects; none for other data, and without a
    schema."""
    if schema is None:
        return []
    root = _applicable(schema, schema)
    return _properties(root, schema, 1)


def _properties(schema: JsonSchema, root: JsonSchema, depth: int) -> list[dict[str, Any]]:
    fields, required = schema.get("properties"), schema.get("required")
    if not isinstance(fields, Mapping) or depth > MAX_COLUMN_DEPTH:
        return []
    needed = required if isinstance(required, Sequence) else ()
    return [
        {"name": name, **_described(field, root, depth, is_needed=name in needed)}
        for name, field in fields.items()
        if name
    ]


def _described(
    schema: object, root: JsonSchema, depth: int, *, is_needed: bool = False
) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        return dict(ANY_TYPE)
    found = _applicable(schema, root)
    described: dict[str, Any] = dict(ANY_TYPE)
    type_ = found.get("type")
    kind = type_ if isinstance(type_, str) and type_ in _TYPES else ""
    if kind:
        described = {"logicalType": _TEXT_TYPES.get(str(found.get("format")), kind)}
    if is_needed and not _may_be_null(schema, root):
        described["required"] = True
    for name in (schema, found):
        if isinstance(name.get("description"), str):
            described["description"] = name["description"]
            break
    if schema.get(PERSONAL_MARK) is True or found.get(PERSONAL_MARK) is True:
        described["classification"] = "personal"
    if described["logicalType"] == kind:
        options = {name: found[name] for name in _OPTIONS.get(kind, ()) if name in found}
        if options:
            described["logicalTypeOptions"] = options
    if kind == "array":
        described["items"] = _described(found.get("items"), root, depth + 1)
    if kind == "object" and (inside := _properties(found, root, depth + 1)):
        described["properties"] = inside
    return described


def _applicable(schema: JsonSchema, root: JsonSchema) -> JsonSchema:
    """Return what a schema refers to; of alternatives the only one that is not null."""
    for _ in range(_MAX_REFERENCES):
        others = [
            each
            for each in schema.get("anyOf") or schema.get("oneOf") or ()
            if isinstance(each, Mapping) and each.get("type") != "null"
        ]
        target = _target(schema.get("$ref"), root) if "$ref" in schema else None
        if target is None and len(others) == 1:
            target = others[0]
        if not isinstance(target, Mapping):
            break
        schema = target
    return schema


def _may_be_null(schema: JsonSchema, root: JsonSchema) -> bool:
    if "$ref" in schema:
        target = _target(schema["$ref"], root)
        return isinstance(target, Mapping) and target.get("type") == "null"
    alternatives = schema.get("anyOf") or schema.get("oneOf") or ()
    return any(isinstance(each, Mapping) and each.get("type") == "null" for each in alternatives)


def _target(ref: object, root: JsonSchema) -> object:
    if not isinstance(ref, str) or not ref.startswith("#/"):
        return None
    target: Any = root
    for step in ref[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        target = target.get(name) if isinstance(target, Mapping) else None
    return target
