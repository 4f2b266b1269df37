"""Which example data fit a JSON Schema?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 8

_TEXTS = {
    "date-time": "2026-12-24T18:00:00Z",
    "date": "2026-12-24",
    "time": "18:00:00Z",
    "duration": "PT1M",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "email": "ann@example.com",
    "uri": "https://example.com/",
}
"""A text of each format for which not every text will do."""

JsonSchema = Mapping[str, Any]


def build_sample(schema: JsonSchema | None) -> Any:
    """Return the shortest data that a JSON Schema allows; `{}` if there is no schema."""
    return _sample_of(schema, schema, 0) if schema else {}


def _sample_of(schema: JsonSchema, root: JsonSchema, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        return None
    if "$ref" in schema:
        found: Any = root
        for step in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found.get(step, {}) if isinstance(found, dict) else {}
        return _sample_of(found, root, depth + 1)
    for given in ("examples", "enum"):
        if schema.get(given):
            return schema[given][0]
    for given in ("const", "default"):
        if given in schema:
            return schema[given]
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return _sample_of(schema[choice][0], root, depth + 1)
    return _sample_of_type(schema, root, depth)


def _sample_of_type(schema: JsonSchema, root: JsonSchema, depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        return {
            name: _sample_of(properties.get(name, {}), root, depth + 1)
            for name in schema.get("required", ())
        }
    if kind == "array":
        item = _sample_of(schema.get("items", {}), root, depth + 1)
        return [item] * int(schema.get("minItems", 0))
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind == "string":
        return _TEXTS.get(str(schema.get("format")), "text")
    return True if kind == "boolean" else None
