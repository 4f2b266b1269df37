"""Which parts of an event's data are personal?

A field is marked by `Field(json_schema_extra={"personal": True})`, and the mark is in the JSON
Schema that is published. What may be personal counts as personal: a mark in one of several
alternatives applies to the data of all of them, and data of a shape that the schema does not
describe, such as a list where it has an object with a mark, are personal as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

PERSONAL_MASK = "•••"
PERSONAL_MARK = "personal"
MAX_COLUMN_DEPTH = 4
"""Names in the path of a column; what is deeper has no column of its own."""
WHOLE_ROW = "value"
"""The one column of a row that is no object."""
MAX_MASKING_DEPTH = 64  # levels of data; a deeper part is masked as a whole
_OBJECT_WORDS = ("properties", "additionalProperties", "patternProperties")
_LIST_WORDS = ("items", "prefixItems")
_COMBINING_WORDS = ("$ref", "anyOf", "oneOf", "allOf")

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


class PersonalColumns(NamedTuple):
    """The columns of an event's data, by their paths (`address.city`), that may hold personal
    values. A dot or a backslash in a name has a backslash before it."""

    whole: frozenset[str]
    """Those that are personal with all that is in them. A mark that has no plain path (in the items
    of a list, in fields of any name, below the fourth name) makes the column above it one of
    these; a row that is no object is the column `value`."""
    above: frozenset[str]
    """Objects above those. Data of another shape there are personal."""


def personal_columns(schema: JsonSchema | None) -> PersonalColumns:
    """Return the columns of which no value may be kept. Without a schema there are none."""
    if schema is None or not has_mark(schema):
        return PersonalColumns(frozenset(), frozenset())
    paths = {*_personal_paths(_SchemaNavigator(schema), [schema], ())}
    return PersonalColumns(
        frozenset({WHOLE_ROW, *(".".join(path) for path in paths if path)}),
        frozenset(".".join(path[:depth]) for path in paths for depth in range(1, len(path))),
    )


def has_mark(schema: JsonSchema | None) -> bool:
    """Return True if something in a schema is marked as personal."""
    return _have_mark([schema], lambda _: None)


def _have_mark(schemas: Sequence[Any], target: Callable[[Any], Any]) -> bool:
    """Return True if something is marked in these schemas, or in what they refer to; `target`
    returns the schema of a reference."""
    seen: set[int] = set()
    pending = [*schemas]
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, Mapping):
            if each.get(PERSONAL_MARK) is True:
                return True
            pending += [*each.values(), target(each.get("$ref"))]
        elif isinstance(each, list | tuple):
            pending += each
    return False


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

    def is_personal(self, data: Any, schemas: Sequence[JsonSchema], depth: int) -> bool:
        """Return True if data must not be shown; `schemas` are all that apply to them."""
        if depth > MAX_MASKING_DEPTH or any(each.get(PERSONAL_MARK) is True for each in schemas):
            return True
        is_described = data is None or any(_describes(each, data) for each in schemas)
        return not is_described and self.has_mark(schemas)

    def has_mark(self, schemas: Sequence[Any]) -> bool:
        """Return True if something is marked in these schemas, or in what they refer to."""
        return _have_mark(schemas, self._target)

    def _target(self, ref: Any) -> Any:
        if not isinstance(ref, str) or not ref.startswith("#"):
            return None
        target: Any = self._root
        for step in unquote(ref[1:]).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            target = target.get(name) if isinstance(target, Mapping) else None
        return target


def _personal_paths(
    navigator: _SchemaNavigator, schemas: Sequence[Any], path: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    applicable = navigator.applicable(schemas)
    if not navigator.has_mark(applicable):
        return
    words = (*_OBJECT_WORDS[1:], *_LIST_WORDS)
    aside = [schema[word] for schema in applicable for word in words if word in schema]
    is_whole = any(schema.get(PERSONAL_MARK) is True for schema in applicable)
    if is_whole or len(path) == MAX_COLUMN_DEPTH or (path and navigator.has_mark(aside)):
        yield path
        return
    for name in {name: None for schema in applicable for name in schema.get("properties", {})}:
        below = [s["properties"][name] for s in applicable if name in s.get("properties", {})]
        yield from _personal_paths(
            navigator, below, (*path, name.replace("\\", "\\\\").replace(".", "\\."))
        )


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


def _describes(schema: JsonSchema, data: Any) -> bool:
    """Return True if a schema says something of data of this shape: objects, lists or scalars."""
    given = schema.get("type", [])
    types = {each for each in (given if isinstance(given, list) else [given]) if type(each) is str}
    words: tuple[str, ...] = ("const", "enum")
    is_typed = bool(types - {"object", "array", "null"})
    if isinstance(data, Mapping):
        words, is_typed = _OBJECT_WORDS, "object" in types
    elif isinstance(data, list | tuple):
        words, is_typed = _LIST_WORDS, "array" in types
    if is_typed or any(word in schema for word in words):
        return True
    says_shape = (*_OBJECT_WORDS, *_LIST_WORDS, *_COMBINING_WORDS, "const", "enum")
    return not types and not any(word in schema for word in says_shape)  # anything fits


def _mask_value(
    data: Any, navigator: _SchemaNavigator, schemas: Sequence[JsonSchema], depth: int
) -> Any:
    applicable = navigator.applicable(schemas)
    if not applicable:
        return data
    if navigator.is_personal(data, applicable, depth):
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
    if navigator.is_personal(data, applicable, depth):
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
