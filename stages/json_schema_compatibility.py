"""Can a reader with one JSON Schema read everything that another one allows?

The comparison is strict if both schemas say something: if it finds no misfit, pydantic's validators
accept every event. A constraint of the reader (`ge`, `maxLength`, `pattern`, a format, an enum)
that the writer does not guarantee is a misfit, because an event that breaks it would become a dead
letter. A stage that wants to refuse events raises `Reject` instead.

The comparison is lenient if a schema says nothing, because this is only known at run time: a writer
of `Any` fits every reader, and a `dict` may have every field that a reader requires. A schema does
not show custom validators, the bounds of a `Decimal` that is written, keys of a `dict` that are
not text, and which kind of URL a text is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from farandole.stages.json_schema import JsonSchema
from farandole.stages.schema_alternatives import UnionAlternatives, enum_values, json_type

if not __name__.startswith("farandole."):
    raise ImportError(
        "stages.json_schema_compatibility is a part of farandole: import farandole.stages"
    )

# Formats that any text has, and formats that are a kind of another one.
_UNRESTRICTED_FORMATS = frozenset({"binary", "password", "path"})
_FORMAT_SUBTYPES = {
    "uuid": frozenset({"uuid1", "uuid3", "uuid4", "uuid5", "uuid6", "uuid7", "uuid8"})
}

MisfitCode = Literal[
    "wrong_type",  # writes, takes
    "missing",  # never
    "forbidden",
    "more_fields_forbidden",
    "too_few",  # limit, unit
    "too_many",  # limit, unit
    "equal_items",
    "value_not_allowed",  # value
    "not_enumerated",  # type, allowed
    "pattern",  # pattern
    "format",  # writes, takes
    "content",  # takes
    "below",  # limit, exclusive
    "above",  # limit, exclusive
    "not_multiple",  # step
]


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing that the writer's schema allows and the reader's does not.

    The comments above name the fields of each code; `farandole.stages.misfit_text` has the words.
    """

    code: MisfitCode
    path: str
    """The path of the field, for example `lines[].price`; empty for the event itself."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """JSON values."""


def compare_schemas(writes: JsonSchema, takes: JsonSchema) -> list[Misfit]:
    """Return why events written as `writes` cannot be read as `takes`; empty if they can."""
    return _SchemaComparison(writes.get("$defs", {}), takes.get("$defs", {})).of(writes, takes, "")


class _SchemaComparison:
    def __init__(self, write_definitions: JsonSchema, take_definitions: JsonSchema) -> None:
        self._writers = UnionAlternatives(write_definitions)
        self._takers = UnionAlternatives(take_definitions)
        self._open: set[tuple[int, int]] = set()
        """The pairs that are being compared now: a recursive schema contains itself."""

    def of(self, writes: Any, takes: Any, path: str) -> list[Misfit]:
        takers = self._takers.of(takes)
        for writer in self._writers.of(writes):
            for value in enum_values(writer) or (None,):
                one = writer if "enum" not in writer else {"type": writer["type"], "const": value}
                misfits = self._best(one, takers, path)
                if misfits:
                    return misfits
        return []

    def _best(self, writer: JsonSchema, takers: list[JsonSchema], path: str) -> list[Misfit]:
        tries = [(taker, self._one(writer, taker, path)) for taker in takers]
        if any(not misfits for _, misfits in tries):
            return []
        alike = [misfits for taker, misfits in tries if _types_compatible(writer, taker)]
        if alike:
            return min(alike, key=len)
        wanted = sorted({taker["type"] for taker in takers})
        return [Misfit("wrong_type", path, {"writes": writer["type"], "takes": wanted})]

    def _one(self, writer: JsonSchema, taker: JsonSchema, path: str) -> list[Misfit]:
        if "type" not in taker or "type" not in writer:
            return []  # the reader takes anything, or only the run time can tell
        if not _types_compatible(writer, taker):
            fields = {"writes": writer["type"], "takes": [taker["type"]]}
            return [Misfit("wrong_type", path, fields)]
        if "enum" in taker:
            return _enum_misfits(writer, taker["enum"], path)
        if "const" in writer:
            writer = {**_constant_schema(writer["const"]), "const": writer["const"]}
        pair = (id(writer), id(taker))
        if pair in self._open:
            return []
        self._open.add(pair)
        try:
            match taker["type"]:
                case "object":
                    return self._objects(writer, taker, path)
                case "array":
                    return self._arrays(writer, taker, path)
                case "string":
                    return [
                        *_string_misfits(writer, taker, path),
                        *self._content(writer, taker, path),
                    ]
                case "number" | "integer":
                    return _number_misfits(writer, taker, path)
            return []
        finally:
            self._open.discard(pair)

    def _content(self, writer: JsonSchema, taker: JsonSchema, path: str) -> list[Misfit]:
        if "contentSchema" not in taker or "contentSchema" not in writer:
            return []
        return self.of(writer["contentSchema"], taker["contentSchema"], path)

    def _arrays(self, writer: JsonSchema, taker: JsonSchema, path: str) -> list[Misfit]:
        shortest, longest = writer.get("minItems", 0), writer.get("maxItems", math.inf)
        misfits = _size_misfits(shortest, longest, taker, "Items", "items", path)
        # A set removes equal items before it counts.
        unique = taker.get("uniqueItems") and not writer.get("uniqueItems")
        if unique and taker.get("minItems", 0) > 1 and not misfits:
            misfits.append(Misfit("equal_items", path))
        written, taken = writer.get("prefixItems", []), taker.get("prefixItems", [])
        for index in range(min(max(len(written), len(taken)), longest)):
            one = written[index] if index < len(written) else writer.get("items", True)
            other = taken[index] if index < len(taken) else taker.get("items", True)
            misfits += self.of(one, other, f"{path}[{index}]")
        if longest > max(len(written), len(taken)):
            misfits += self.of(writer.get("items", True), taker.get("items", True), f"{path}[]")
        return misfits

    def _objects(self, writer: JsonSchema, taker: JsonSchema, path: str) -> list[Misfit]:
        taker = _with_property_names(taker)
        has, wants = writer.get("properties", {}), taker.get("properties", {})
        others, wanted_others = (
            _additional_properties(writer),
            taker.get("additionalProperties", True),
        )
        needed = writer.get("required", ())
        misfits: list[Misfit] = []
        for name, want in wants.items():
            inner = f"{path}.{name}" if path else name
            if name in has:
                misfits += self.of(has[name], want, inner)
            elif others is not False:
                misfits += self.of(others, want, inner)
        for name in dict.fromkeys(taker.get("required", ())):
            if name not in needed and (has or others is False):
                inner = f"{path}.{name}" if path else name
                never = name not in has and others is False
                misfits.append(Misfit("missing", inner, {"never": never}))
        extra = [name for name in has if name not in wants]
        for name in extra if wanted_others is not True else ():
            inner = f"{path}.{name}" if path else name
            if wanted_others is False:
                misfits.append(Misfit("forbidden", inner))
                break
            misfits += self.of(has[name], wanted_others, inner)
        if others is not False and has and wanted_others is False:
            misfits.append(Misfit("more_fields_forbidden", path))
        elif others is not False and isinstance(wanted_others, Mapping):
            misfits += self.of(others, wanted_others, f"{path}.*" if path else "*")
        misfits += self._names(has, writer, taker, others, path)
        most = len(has) if others is False else writer.get("maxProperties", math.inf)
        fewest = max(len(needed), writer.get("minProperties", 0))
        return misfits + _size_misfits(fewest, most, taker, "Properties", "fields", path)

    def _names(
        self, has: JsonSchema, writer: JsonSchema, taker: JsonSchema, others: Any, path: str
    ) -> list[Misfit]:
        wanted = taker.get("propertyNames")
        if wanted is None:
            return []
        wanted = {"type": "string", **wanted}
        inner = f"{path}.(name)" if path else "(name)"
        misfits = []
        for name in has:
            misfits += self.of({"const": name}, wanted, inner)
        if others is not False:
            names = {"type": "string", **_with_property_names(writer).get("propertyNames", {})}
            misfits += self.of(names, wanted, inner)
        return misfits[:1]


def _types_compatible(writer: JsonSchema, taker: JsonSchema) -> bool:
    pair = (writer.get("type"), taker.get("type"))
    return pair[0] == pair[1] or pair == ("integer", "number")


def _enum_misfits(writer: JsonSchema, allowed: list[Any], path: str) -> list[Misfit]:
    if "const" in writer:
        if any(_same_value(writer["const"], value) for value in allowed):
            return []
        return [Misfit("value_not_allowed", path, {"value": writer["const"]})]
    if writer["type"] == "null" or (writer["type"] == "boolean" and len(set(allowed)) == 2):
        return []
    return [Misfit("not_enumerated", path, {"type": writer["type"], "allowed": list(allowed)})]


def _string_misfits(writer: JsonSchema, taker: JsonSchema, path: str) -> list[Misfit]:
    has, wants = writer.get("format"), taker.get("format")
    # A text that has a format is never empty.
    shortest = writer.get("minLength", int(has is not None and has not in _UNRESTRICTED_FORMATS))
    longest = writer.get("maxLength", math.inf)
    misfits = _size_misfits(shortest, longest, taker, "Length", "characters", path)
    pattern = taker.get("pattern")
    promised = pattern in (None, writer.get("pattern"))
    if not promised and not _pattern_matches(pattern, writer.get("const")):
        misfits.append(Misfit("pattern", path, {"pattern": pattern}))
    if wants not in (None, has, *_UNRESTRICTED_FORMATS) and has not in _FORMAT_SUBTYPES.get(
        str(wants), ()
    ):
        misfits.append(Misfit("format", path, {"writes": has, "takes": wants}))
    content = taker.get("contentMediaType")
    if content not in (None, writer.get("contentMediaType")):
        misfits.append(Misfit("content", path, {"takes": content}))
    return misfits


def _pattern_matches(pattern: Any, value: Any) -> bool:
    try:
        return isinstance(value, str) and re.search(pattern, value) is not None
    except re.error:  # pydantic's patterns are those of Rust
        return False


def _number_misfits(writer: JsonSchema, taker: JsonSchema, path: str) -> list[Misfit]:
    misfits = []
    whole = writer["type"] == "integer"
    low, high = _lower_bound(taker, whole), _upper_bound(taker, whole)
    if _lower_bound(writer, whole) < low:
        misfits.append(Misfit("below", path, _limit(taker, "exclusiveMinimum", "minimum")))
    if _upper_bound(writer, whole) > high:
        misfits.append(Misfit("above", path, _limit(taker, "exclusiveMaximum", "maximum")))
    step = taker.get("multipleOf")
    if step is not None and not _is_multiple(writer, step, whole):
        misfits.append(Misfit("not_multiple", path, {"step": step}))
    return misfits


def _lower_bound(schema: JsonSchema, whole: bool) -> tuple[float, bool]:
    """Return the lower bound, and whether the bound itself is excluded."""
    bounds = [(-math.inf, False)]
    if "minimum" in schema:
        bounds.append((math.ceil(schema["minimum"]) if whole else schema["minimum"], False))
    if "exclusiveMinimum" in schema:
        bound = schema["exclusiveMinimum"]
        bounds.append((math.floor(bound) + 1, False) if whole else (bound, True))
    return max(bounds)


def _upper_bound(schema: JsonSchema, whole: bool) -> tuple[float, bool]:
    """Return the upper bound, and whether the bound itself is allowed."""
    bounds = [(math.inf, True)]
    if "maximum" in schema:
        bounds.append((math.floor(schema["maximum"]) if whole else schema["maximum"], True))
    if "exclusiveMaximum" in schema:
        bound = schema["exclusiveMaximum"]
        bounds.append((math.ceil(bound) - 1, True) if whole else (bound, False))
    return min(bounds)


def _limit(taker: JsonSchema, exclusive: str, inclusive: str) -> dict[str, Any]:
    """Return the bound that the reader's schema states, and whether it is itself outside."""
    if exclusive in taker:
        return {"limit": taker[exclusive], "exclusive": True}
    return {"limit": taker[inclusive], "exclusive": False}


def _is_multiple(writer: JsonSchema, step: float, whole: bool) -> bool:
    steps = [s for s in (writer.get("const"), writer.get("multipleOf")) if s is not None]
    if any(isinstance(s, int) and isinstance(step, int) and s % step == 0 for s in steps):
        return True
    return step in steps or (whole and step == 1)


def _size_misfits(
    fewest: float, most: float, taker: JsonSchema, of: str, unit: str, path: str
) -> list[Misfit]:
    misfits = []
    if taker.get(f"min{of}", 0) > fewest:
        misfits.append(Misfit("too_few", path, {"limit": taker[f"min{of}"], "unit": unit}))
    if taker.get(f"max{of}", math.inf) < most:
        misfits.append(Misfit("too_many", path, {"limit": taker[f"max{of}"], "unit": unit}))
    return misfits


def _additional_properties(writer: JsonSchema) -> Any:
    """Return the schema of an object's fields beside its properties; False if it has no others. A
    model writes only the fields it declares, although JSON Schema would allow more."""
    writer = _with_property_names(writer)
    return writer.get("additionalProperties", "properties" not in writer)


def _with_property_names(schema: JsonSchema) -> JsonSchema:
    """Return the schema with `propertyNames` if it is a `dict` with a pattern for its keys:
    pydantic accepts no other key."""
    patterns = schema.get("patternProperties", {})
    if len(patterns) != 1 or "properties" in schema:
        return schema
    ((pattern, value),) = patterns.items()
    names = {"type": "string", "pattern": pattern}
    return {**schema, "additionalProperties": value, "propertyNames": names}


def _constant_schema(value: Any) -> dict[str, Any]:
    """Return a schema that allows exactly one value."""
    schema: dict[str, Any] = {"type": json_type(value)}
    match value:
        case bool() | None:
            pass
        case str():
            schema |= {"minLength": len(value), "maxLength": len(value)}
        case int() | float():
            schema |= {"minimum": value, "maximum": value}
        case list():
            items = [{"const": item} for item in value]
            schema |= {"prefixItems": items, "minItems": len(items), "maxItems": len(items)}
        case dict():
            properties = {name: {"const": item} for name, item in value.items()}
            schema |= {"properties": properties, "required": list(value)}
    return schema


def _same_value(one: Any, other: Any) -> bool:
    return json_type(one) == json_type(other) and bool(one == other)  # True is not 1 in JSON
