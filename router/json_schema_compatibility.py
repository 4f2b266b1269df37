"""Can everything that one JSON Schema allows be read under another?

Sound where both schemas speak: what fits, pydantic's validators accept. A constraint of the reader
(`ge`, `maxLength`, `pattern`, a format, an enum) that the writer does not promise is a misfit, for
each event beyond it would be a dead letter; what a stage wants to refuse it refuses with `Reject`.

Lenient where a schema is silent, for there nobody can tell before run time: a writer of `Any` fits
every reader; a `dict` may turn out to have every field that a reader requires. Not to be seen in a
schema are custom validators, the bounds of a `Decimal` (it is written as text), keys of a `dict`
that are no text, and which kind of URL it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from farandole.stages.json_schema import JsonSchema

# Formats that every text has, and those that are a kind of another.
_UNRESTRICTED_FORMATS = frozenset({"binary", "password", "path"})
_FORMAT_SUBTYPES = {
    "uuid": frozenset({"uuid1", "uuid3", "uuid4", "uuid5", "uuid6", "uuid7", "uuid8"})
}

# What stands beside a reference or a union and constrains nothing.
_NON_CONSTRAINING_KEYWORDS = frozenset(
    {"$ref", "anyOf", "oneOf", "allOf", "$defs", "title", "description", "default", "examples"}
    | {"deprecated", "readOnly", "writeOnly", "discriminator"}
)


def compare_schemas(writes: JsonSchema, takes: JsonSchema) -> list[str]:
    """Why what is written as `writes` cannot be read as `takes`, a line each that names the field;
    empty where it can."""
    return _SchemaComparison(writes.get("$defs", {}), takes.get("$defs", {})).of(writes, takes, "")


class UnionAlternatives:
    """The members of unions in one schema, each with at most one type, references followed."""

    def __init__(self, definitions: JsonSchema) -> None:
        self._definitions = definitions
        # By identity, and kept: a recursive schema then meets the very same objects again.
        self._found: dict[int, tuple[JsonSchema, list[JsonSchema]]] = {}

    def of(self, schema: JsonSchema) -> list[JsonSchema]:
        known = self._found.get(id(schema))
        if known is None:
            alone = [one for s in self._expanded(schema, {}, set()) for one in _split_by_type(s)]
            known = self._found[id(schema)] = (schema, alone)
        return known[1]

    def _expanded(
        self, schema: Any, beside: JsonSchema, followed: set[str]
    ) -> Iterator[JsonSchema]:
        if not isinstance(schema, Mapping):
            yield beside  # `true`: anything
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
        if tag:  # pydantic wants it, even where it has a default
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
    values = _enum_values(schema)
    if values is not None:
        by_type: dict[str, list[Any]] = {}
        for value in values:
            by_type.setdefault(_json_type(value), []).append(value)
        return [{"type": type_, "enum": those} for type_, those in by_type.items()]
    stated = schema.get("type")
    if isinstance(stated, list):
        return [{**schema, "type": type_} for type_ in stated]
    return [schema]


class _SchemaComparison:
    def __init__(self, write_definitions: JsonSchema, take_definitions: JsonSchema) -> None:
        self._writers = UnionAlternatives(write_definitions)
        self._takers = UnionAlternatives(take_definitions)
        self._open: set[tuple[int, int]] = set()
        """Pairs that are being compared: a recursive schema meets itself."""

    def of(self, writes: Any, takes: Any, path: str) -> list[str]:
        takers = self._takers.of(takes)
        for writer in self._writers.of(writes):
            for value in _enum_values(writer) or (None,):
                one = writer if "enum" not in writer else {"type": writer["type"], "const": value}
                reasons = self._best(one, takers, path)
                if reasons:
                    return reasons
        return []

    def _best(self, writer: JsonSchema, takers: list[JsonSchema], path: str) -> list[str]:
        tries = [(taker, self._one(writer, taker, path)) for taker in takers]
        if any(not reasons for _, reasons in tries):
            return []
        alike = [reasons for taker, reasons in tries if _types_compatible(writer, taker)]
        if alike:
            return min(alike, key=len)
        wanted = " or ".join(sorted({taker["type"] for taker in takers})) or "anything"
        return [f"{_field_label(path)} is {writer['type']}, not {wanted}"]

    def _one(self, writer: JsonSchema, taker: JsonSchema, path: str) -> list[str]:
        if "type" not in taker or "type" not in writer:
            return []  # anything goes, or nobody can tell
        if not _types_compatible(writer, taker):
            return [f"{_field_label(path)} is {writer['type']}, not {taker['type']}"]
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

    def _content(self, writer: JsonSchema, taker: JsonSchema, path: str) -> list[str]:
        if "contentSchema" not in taker or "contentSchema" not in writer:
            return []
        return self.of(writer["contentSchema"], taker["contentSchema"], path)

    def _arrays(self, writer: JsonSchema, taker: JsonSchema, path: str) -> list[str]:
        shortest, longest = writer.get("minItems", 0), writer.get("maxItems", math.inf)
        reasons = _size_misfits(shortest, longest, taker, "Items", "items", path)
        # A set drops what is there twice before it counts.
        unique = taker.get("uniqueItems") and not writer.get("uniqueItems")
        if unique and taker.get("minItems", 0) > 1 and not reasons:
            reasons.append(f"{_field_label(path)} may have equal items")
        written, taken = writer.get("prefixItems", []), taker.get("prefixItems", [])
        for index in range(min(max(len(written), len(taken)), longest)):
            one = written[index] if index < len(written) else writer.get("items", True)
            other = taken[index] if index < len(taken) else taker.get("items", True)
            reasons += self.of(one, other, f"{path}[{index}]")
        if longest > max(len(written), len(taken)):
            reasons += self.of(writer.get("items", True), taker.get("items", True), f"{path}[]")
        return reasons

    def _objects(self, writer: JsonSchema, taker: JsonSchema, path: str) -> list[str]:
        taker = _with_property_names(taker)
        has, wants = writer.get("properties", {}), taker.get("properties", {})
        others, wanted_others = (
            _additional_properties(writer),
            taker.get("additionalProperties", True),
        )
        needed = writer.get("required", ())
        reasons: list[str] = []
        for name, want in wants.items():
            inner = f"{path}.{name}" if path else name
            if name in has:
                reasons += self.of(has[name], want, inner)
            elif others is not False:
                reasons += self.of(others, want, inner)
        for name in dict.fromkeys(taker.get("required", ())):
            if name not in needed and (has or others is False):
                inner = f"{path}.{name}" if path else name
                never = name not in has and others is False
                reasons.append(f"{_field_label(inner)} {'is' if never else 'may be'} missing")
        extra = [name for name in has if name not in wants]
        for name in extra if wanted_others is not True else ():
            inner = f"{path}.{name}" if path else name
            if wanted_others is False:
                reasons.append(f"{_field_label(inner)} is forbidden")
                break
            reasons += self.of(has[name], wanted_others, inner)
        if others is not False and has and wanted_others is False:
            reasons.append(f"{_field_label(path)} may have more fields, which are forbidden")
        elif others is not False and isinstance(wanted_others, Mapping):
            reasons += self.of(others, wanted_others, f"{path}.*" if path else "*")
        reasons += self._names(has, writer, taker, others, path)
        most = len(has) if others is False else writer.get("maxProperties", math.inf)
        fewest = max(len(needed), writer.get("minProperties", 0))
        return reasons + _size_misfits(fewest, most, taker, "Properties", "fields", path)

    def _names(
        self, has: JsonSchema, writer: JsonSchema, taker: JsonSchema, others: Any, path: str
    ) -> list[str]:
        wanted = taker.get("propertyNames")
        if wanted is None:
            return []
        wanted = {"type": "string", **wanted}
        inner = f"{path}.(name)" if path else "(name)"
        reasons = []
        for name in has:
            reasons += self.of({"const": name}, wanted, inner)
        if others is not False:
            names = {"type": "string", **_with_property_names(writer).get("propertyNames", {})}
            reasons += self.of(names, wanted, inner)
        return reasons[:1]


def _types_compatible(writer: JsonSchema, taker: JsonSchema) -> bool:
    pair = (writer.get("type"), taker.get("type"))
    return pair[0] == pair[1] or pair == ("integer", "number")


def _enum_misfits(writer: JsonSchema, allowed: list[Any], path: str) -> list[str]:
    if "const" in writer:
        if any(_same_value(writer["const"], value) for value in allowed):
            return []
        return [f"{_field_label(path)} may be {writer['const']!r}, which is not allowed"]
    if writer["type"] == "null" or (writer["type"] == "boolean" and len(set(allowed)) == 2):
        return []
    shown = ", ".join(repr(value) for value in allowed[:3]) + (", …" if len(allowed) > 3 else "")
    return [f"{_field_label(path)} may be any {writer['type']}, not {shown} alone"]


def _string_misfits(writer: JsonSchema, taker: JsonSchema, path: str) -> list[str]:
    has, wants = writer.get("format"), taker.get("format")
    # No text of a format is empty.
    shortest = writer.get("minLength", int(has is not None and has not in _UNRESTRICTED_FORMATS))
    longest = writer.get("maxLength", math.inf)
    reasons = _size_misfits(shortest, longest, taker, "Length", "characters", path)
    pattern = taker.get("pattern")
    promised = pattern in (None, writer.get("pattern"))
    if not promised and not _pattern_matches(pattern, writer.get("const")):
        reasons.append(f"{_field_label(path)} may not match {pattern!r}")
    if wants not in (None, has, *_UNRESTRICTED_FORMATS) and has not in _FORMAT_SUBTYPES.get(
        str(wants), ()
    ):
        reasons.append(f"{_field_label(path)} is {has or 'any text'}, not {wants}")
    content = taker.get("contentMediaType")
    if content not in (None, writer.get("contentMediaType")):
        reasons.append(f"{_field_label(path)} is any text, not {content}")
    return reasons


def _pattern_matches(pattern: Any, value: Any) -> bool:
    try:
        return isinstance(value, str) and re.search(pattern, value) is not None
    except re.error:  # pydantic's patterns are those of Rust
        return False


def _number_misfits(writer: JsonSchema, taker: JsonSchema, path: str) -> list[str]:
    reasons = []
    whole = writer["type"] == "integer"
    low, high = _lower_bound(taker, whole), _upper_bound(taker, whole)
    if _lower_bound(writer, whole) < low:
        reasons.append(f"{_field_label(path)} may be {_below_bound_text(taker)}")
    if _upper_bound(writer, whole) > high:
        reasons.append(f"{_field_label(path)} may be {_above_bound_text(taker)}")
    step = taker.get("multipleOf")
    if step is not None and not _is_multiple(writer, step, whole):
        reasons.append(f"{_field_label(path)} may be no multiple of {step}")
    return reasons


def _lower_bound(schema: JsonSchema, whole: bool) -> tuple[float, bool]:
    """The lower bound, and whether it is itself outside."""
    bounds = [(-math.inf, False)]
    if "minimum" in schema:
        bounds.append((math.ceil(schema["minimum"]) if whole else schema["minimum"], False))
    if "exclusiveMinimum" in schema:
        bound = schema["exclusiveMinimum"]
        bounds.append((math.floor(bound) + 1, False) if whole else (bound, True))
    return max(bounds)


def _upper_bound(schema: JsonSchema, whole: bool) -> tuple[float, bool]:
    """The upper bound, and whether it is itself inside."""
    bounds = [(math.inf, True)]
    if "maximum" in schema:
        bounds.append((math.floor(schema["maximum"]) if whole else schema["maximum"], True))
    if "exclusiveMaximum" in schema:
        bound = schema["exclusiveMaximum"]
        bounds.append((math.ceil(bound) - 1, True) if whole else (bound, False))
    return min(bounds)


def _below_bound_text(taker: JsonSchema) -> str:
    if "exclusiveMinimum" in taker:
        return f"{taker['exclusiveMinimum']} or less"
    return f"less than {taker['minimum']}"


def _above_bound_text(taker: JsonSchema) -> str:
    if "exclusiveMaximum" in taker:
        return f"{taker['exclusiveMaximum']} or more"
    return f"more than {taker['maximum']}"


def _is_multiple(writer: JsonSchema, step: float, whole: bool) -> bool:
    steps = [s for s in (writer.get("const"), writer.get("multipleOf")) if s is not None]
    if any(isinstance(s, int) and isinstance(step, int) and s % step == 0 for s in steps):
        return True
    return step in steps or (whole and step == 1)


def _size_misfits(
    fewest: float, most: float, taker: JsonSchema, of: str, what: str, path: str
) -> list[str]:
    reasons = []
    if taker.get(f"min{of}", 0) > fewest:
        reasons.append(f"{_field_label(path)} may have less than {taker[f'min{of}']} {what}")
    if taker.get(f"max{of}", math.inf) < most:
        reasons.append(f"{_field_label(path)} may have more than {taker[f'max{of}']} {what}")
    return reasons


def _additional_properties(writer: JsonSchema) -> Any:
    """The schema of what an object may have beside its properties, False for nothing: a model
    writes what it declares, whatever JSON Schema would allow."""
    writer = _with_property_names(writer)
    return writer.get("additionalProperties", "properties" not in writer)


def _with_property_names(schema: JsonSchema) -> JsonSchema:
    """Pydantic's `dict` with a pattern for its keys takes no other key."""
    patterns = schema.get("patternProperties", {})
    if len(patterns) != 1 or "properties" in schema:
        return schema
    ((pattern, value),) = patterns.items()
    names = {"type": "string", "pattern": pattern}
    return {**schema, "additionalProperties": value, "propertyNames": names}


def _constant_schema(value: Any) -> dict[str, Any]:
    """A schema of exactly one value."""
    schema: dict[str, Any] = {"type": _json_type(value)}
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
    return _json_type(one) == _json_type(other) and bool(one == other)  # True is no 1 here


def _field_label(path: str) -> str:
    return f"field {path!r}" if path else "the event"


def _enum_values(schema: JsonSchema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return {int: "integer", float: "number", str: "string", list: "array"}.get(
        type(value), "object"
    )
