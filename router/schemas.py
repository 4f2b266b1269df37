"""Does what one stage writes fit what another takes?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from router.form import StageForm
from stages.schema import NoSchema as NoSchema
from stages.schema import Schema as Schema
from stages.schema import accepted as accepted
from stages.schema import title as title
from stages.schema import written as written
from stages.signature import Signature


def given(stage: StageForm, signature: Signature, event_type: str) -> tuple[Any, ...]:
    """The types that a stage may emit as `event_type`: the i-th result is the i-th of `emits`,
    unless its results say themselves what they are (`To`)."""
    if signature.named:
        return signature.gives
    index = stage.emits.index(event_type)
    return signature.gives[index : index + 1]


def published(
    outputs: Iterable[tuple[Any, ...]], inputs: Iterable[Any]
) -> Mapping[str, Any] | None:
    """The one JSON Schema that stands for an event: of what its emitters write and its subscribers
    can read; of what is read where nobody emits it. Raises NoSchema."""
    readers = list(inputs)
    candidates: list[Any] = []
    for options in outputs:
        fitting = [o for o in options if all(not misfits(o, r) for r in readers)]
        candidates += [o for o in fitting or options if o not in candidates]
    if candidates:
        return written(Union[tuple(candidates)])  # noqa: UP007 -- made of a tuple
    return accepted(readers[0]) if readers else None


def misfits(producer: Any, consumer: Any) -> list[str]:
    """Why events written as `producer` cannot be read as `consumer`; empty where they can.
    Raises NoSchema."""
    if producer is consumer or producer == consumer:
        return []
    return compare(written(producer), accepted(consumer))


def compare(writes: Schema, takes: Schema) -> list[str]:
    """`misfits`, of two JSON Schemas."""
    return _Comparison(writes.get("$defs", {}), takes.get("$defs", {})).of(writes, takes, "")


def fields(schema: Schema) -> frozenset[str] | None:
    """The names of the fields that every event of the schema may have; None where they are open."""
    names: frozenset[str] | None = None
    for option in _options(schema, schema.get("$defs", {})):
        if option.get("type") not in ("object", None):
            mine: frozenset[str] = frozenset()
        elif "properties" not in option or option.get("additionalProperties"):
            continue
        else:
            mine = frozenset(option["properties"])
        names = mine if names is None else names & mine
    return names


def possible(schema: Schema) -> frozenset[str] | None:
    """The names of the fields that some event of the schema may have; None where they are open."""
    names: frozenset[str] = frozenset()
    for option in _options(schema, schema.get("$defs", {})):
        if option.get("type") != "object":
            return None
        if "properties" not in option or option.get("additionalProperties"):
            return None
        names |= frozenset(option["properties"])
    return names


@dataclass
class _Comparison:
    write_definitions: Schema
    take_definitions: Schema
    seen: set[tuple[int, int]] = field(default_factory=set)
    """Pairs that are being compared: a recursive schema meets itself."""

    def of(self, writes: Schema, takes: Schema, path: str) -> list[str]:
        takers = _options(takes, self.take_definitions)
        for writer in _options(writes, self.write_definitions):
            tries = [(taker, self._one(writer, taker, path)) for taker in takers]
            if all(reasons for _, reasons in tries):
                alike = [reasons for t, reasons in tries if _types(t) & _types(writer)]
                if alike:
                    return min(alike, key=len)
                wanted = " or ".join(sorted(set().union(*map(_types, takers))))
                is_ = " or ".join(sorted(_types(writer)))
                return [f"{_named(path)} is {is_}, not {wanted}"]
        return []

    def _one(self, writer: Schema, taker: Schema, path: str) -> list[str]:
        writes, takes = _types(writer), _types(taker)
        if not takes or not writes:
            return []  # anything goes, or nobody can tell
        if not writes <= takes | ({"integer"} if "number" in takes else set()):
            return [f"{_named(path)} is {'/'.join(sorted(writes))}, not {'/'.join(sorted(takes))}"]
        values, allowed = _values(writer), _values(taker)
        if values is not None and allowed is not None:
            extra = [value for value in values if value not in allowed]
            if extra:
                return [f"{_named(path)} may be {extra[0]!r}, which is not allowed"]
        if (id(writer), id(taker)) in self.seen:
            return []
        self.seen.add((id(writer), id(taker)))
        try:
            if "object" in takes:
                return self._objects(writer, taker, path)
            if "array" in takes and "items" in writer and "items" in taker:
                return self.of(writer["items"], taker["items"], f"{path}[]")
        finally:
            self.seen.discard((id(writer), id(taker)))
        return []

    def _objects(self, writer: Schema, taker: Schema, path: str) -> list[str]:
        if "properties" not in writer:  # a dict: its keys are known at run time only
            values, wanted = writer.get("additionalProperties"), taker.get("additionalProperties")
            if isinstance(values, dict) and isinstance(wanted, dict):
                return self.of(values, wanted, f"{path}.*" if path else "*")
            return []
        has: Schema = writer["properties"]
        wants: Schema = taker.get("properties", {})
        reasons: list[str] = []
        for name, want in wants.items():
            inner = f"{path}.{name}" if path else name
            if name in has:
                reasons += self.of(has[name], want, inner)
            if name in taker.get("required", ()) and name not in writer.get("required", ()):
                if name not in has and writer.get("additionalProperties"):
                    continue
                reasons.append(f"{_named(inner)} {'may be' if name in has else 'is'} missing")
        extra = [name for name in has if name not in wants]
        if extra and taker.get("additionalProperties") is False:
            reasons.append(f"{_named(f'{path}.{extra[0]}' if path else extra[0])} is forbidden")
        elif extra and isinstance(taker.get("additionalProperties"), dict):
            for name in extra:
                inner = f"{path}.{name}" if path else name
                reasons += self.of(has[name], taker["additionalProperties"], inner)
        return reasons


def _named(path: str) -> str:
    return f"field {path!r}" if path else "the event"


def _options(schema: Schema, definitions: Schema) -> list[Schema]:
    """The alternatives of a schema, with references followed."""
    found: list[Schema] = []
    waiting = [schema]
    followed: set[str] = set()
    while waiting:
        option = waiting.pop(0)
        reference = option.get("$ref")
        if reference is not None:
            if reference not in followed:
                followed.add(reference)
                waiting.insert(0, definitions.get(reference.rpartition("/")[2], {}))
            continue
        alternatives = option.get("anyOf") or option.get("oneOf")
        if alternatives:
            waiting = [*alternatives, *waiting]
        else:
            found.append(option)
    return found


def _types(schema: Schema) -> set[str]:
    stated = schema.get("type")
    if stated is not None:
        return {stated} if isinstance(stated, str) else set(stated)
    return {_type_of(value) for value in _values(schema) or ()}


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return {int: "integer", float: "number", str: "string", list: "array"}.get(
        type(value), "object"
    )
