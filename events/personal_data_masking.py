"""Which parts of an event's data are personal?

A field is marked by `Field(json_schema_extra={"personal": True})`, and the mark is in the JSON
Schema that is published. What may be personal counts as personal: a mark in one of several
alternatives applies to the data of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

PERSONAL_MASK = "•••"
PERSONAL_MARK = "personal"
MAX_MASKING_DEPTH = 64  # levels of data; a deeper part is masked as a whole

JsonSchema = Mapping[str, Any]


def mask_personal(data: Any, schema: JsonSchema | None) -> Any:
    """Return a copy of plain JSON data with `•••` for each value that the schema marks as personal.
    Parts that the schema does not describe are shared, not copied. Without a schema nothing is
    personal."""
    return _mask_value(data, _SchemaNavigator(schema), [schema] if schema else [], 0)


def personal_values(data: Any, schema: JsonSchema | None) -> set[str]:
    """Return the texts and numbers that `mask_personal` removes, as text, so that they can be
    removed from messages about the data as well. Text with quotes, backslashes or control
    characters is there a second time, as `repr` writes it."""
    found: set[str] = set()
    for part in _personal_parts(data, _SchemaNavigator(schema), [schema] if schema else [], 0):
        for scalar in _scalars(part):
            found |= {str(scalar), repr(scalar)[1:-1] if isinstance(scalar, str) else str(scalar)}
    return found - {""}


class _SchemaNavigator:
    """Finds the subschemas that apply to a part of the data, in one schema with its definitions."""

    def __init__(self, schema: JsonSchema | None) -> None:
        self._root = schema or {}

    def applicable(self, schemas: Sequence[JsonSchema]) -> list[JsonSchema]:
        """Return these schemas and all that they refer to or combine, each of them once."""
        found: dict[int, JsonSchema] = {}
        pending = list(schemas)
        while pending:
            schema = pending.pop()
            if not isinstance(schema, Mapping) or id(schema) in found:
                continue  # `true` and `false` mark nothing
            found[id(schema)] = schema
            if "$ref" in schema:
                pending.append(self._target(schema["$ref"]))
            for key in ("anyOf", "oneOf", "allOf"):
                pending += schema.get(key, ())
        return list(found.values())

    def _target(self, ref: Any) -> Any:
        if not isinstance(ref, str) or not ref.startswith("#"):
            return None
        target: Any = self._root
        for step in unquote(ref[1:]).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, Mapping) else None
        return target


def _child_schemas(schemas: Sequence[JsonSchema], step: str | int) -> list[Any]:
    """Return the subschemas of these that apply to a field or to an item."""
    return [below for schema in schemas for below in _child_schemas_of(schema, step)]


def _child_schemas_of(schema: JsonSchema, step: str | int) -> Iterator[Any]:
    if isinstance(step, str):
        properties = schema.get("properties", {})
        yield properties[step] if step in properties else schema.get("additionalProperties")
        yield from schema.get("patternProperties", {}).values()  # whichever of them it matches
    else:
        first = schema.get("prefixItems", ())
        yield first[step] if step < len(first) else schema.get("items")


def _is_personal(schemas: Sequence[JsonSchema], depth: int) -> bool:
    return depth > MAX_MASKING_DEPTH or any(schema.get(PERSONAL_MARK) is True for schema in schemas)


def _mask_value(
    data: Any, navigator: _SchemaNavigator, schemas: Sequence[JsonSchema], depth: int
) -> Any:
    applicable = navigator.applicable(schemas)
    if not applicable:
        return data
    if _is_personal(applicable, depth):
        return PERSONAL_MASK
    if isinstance(data, Mapping):
        return {
            k: _mask_value(v, navigator, _child_schemas(applicable, k), depth + 1)
            for k, v in data.items()
        }
    if isinstance(data, list | tuple):
        return [
            _mask_value(v, navigator, _child_schemas(applicable, i), depth + 1)
            for i, v in enumerate(data)
        ]
    return data


def _personal_parts(
    data: Any, navigator: _SchemaNavigator, schemas: Sequence[JsonSchema], depth: int
) -> Iterator[Any]:
    """Return the parts of the data that are masked."""
    applicable = navigator.applicable(schemas)
    if not applicable:
        return
    if _is_personal(applicable, depth):
        yield data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from _personal_parts(value, navigator, _child_schemas(applicable, key), depth + 1)
    elif isinstance(data, list | tuple):
        for index, value in enumerate(data):
            yield from _personal_parts(
                value, navigator, _child_schemas(applicable, index), depth + 1
            )


def _scalars(part: Any) -> Iterator[str | int | float]:
    """Yield all texts and numbers in a part, at any depth. `true` and `false` identify nobody."""
    pending = [part]
    while pending:
        each = pending.pop()
        if isinstance(each, Mapping):
            pending += each.values()
        elif isinstance(each, list | tuple):
            pending += each
        elif isinstance(each, str | int | float) and not isinstance(each, bool):
            yield each
