"""Which fields can the data of an event have, and of which types are they?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from farandole.router import schema_propagation
from farandole.router.lint_context import LintContext
from farandole.stages.json_schema import (
    JsonSchema,
    NoSchemaError,
    accepted_schema,
    written_schema,
)
from farandole.stages.schema_alternatives import UnionAlternatives

FieldPath = tuple[str, ...]


class EventSchemas(NamedTuple):
    """The schemas of an event's data."""

    schemas: tuple[JsonSchema, ...]
    is_root: bool
    """True if no stage emits it: then these are what its readers take, and others may write fields
    that no stage reads."""


class UnknownField(NamedTuple):
    """A part of a path that no event can have."""

    name: str
    known: frozenset[str]
    """The fields that are there instead."""


def event_schemas(context: LintContext, event_type: str) -> EventSchemas | None:
    """Return the schemas in which an event is written, or, if no stage emits it, read. None if not
    all of them are known."""
    topology, signatures = context.topology, context.signatures
    if any(emitter not in signatures for emitter in topology.emitters(event_type)):
        return None
    producers = schema_propagation.schema_producers(topology, signatures, event_type)
    is_root = not producers
    try:
        if is_root:
            readers = schema_propagation.schema_consumers(topology, signatures, event_type)
            schemas = tuple(accepted_schema(takes) for _, takes in readers)
        else:
            schemas = tuple(written_schema(type_) for _, types in producers for type_ in types)
    except NoSchemaError:
        return None
    return EventSchemas(schemas, is_root) if schemas else None


def unknown_field(
    events: Sequence[EventSchemas], path: FieldPath, *, through_lists: bool = False
) -> UnknownField | None:
    """Return the first part of a path that none of these events can have; None if there is none, or
    if their schemas allow any field there."""
    options = [each for event in events for each in _roots(event)]
    for name in path:
        known: set[str] = set()
        following: list[_Option] = []
        for option in _opened(options, through_lists=through_lists):
            properties = option.properties()
            if properties is None:
                return None
            known |= properties.keys()
            following += option.within(properties[name]) if name in properties else ()
        if name not in known:
            return UnknownField(name, frozenset(known))
        options = following
    return None


def value_schemas(
    events: Sequence[EventSchemas], path: FieldPath, *, through_lists: bool = False
) -> list[JsonSchema] | None:
    """Return the alternatives of the value at a path, in all of these events, without null. None if
    it may be anything."""
    options = [each for event in events for each in _roots(event)]
    for name in path:
        following: list[_Option] = []
        for option in _opened(options, through_lists=through_lists):
            properties = option.properties()
            if properties is None:
                return None
            following += option.within(properties[name]) if name in properties else ()
        options = following
    if through_lists:
        options = list(_opened(options, through_lists=True))
    return [option.schema for option in options if option.schema.get("type") != "null"]


def scalar_paths(events: Sequence[EventSchemas]) -> set[FieldPath]:
    """Return the paths of all fields that are no objects, without those in lists."""
    found: set[FieldPath] = set()
    waiting: list[tuple[FieldPath, _Option, int]] = [
        ((), option, 0) for event in events for option in _roots(event)
    ]
    while waiting:
        path, option, depth = waiting.pop()
        if option.schema.get("type") != "object":
            found.add(path)
        elif depth < _MAX_DEPTH:
            for name, schema in (option.properties() or {}).items():
                waiting += [((*path, name), each, depth + 1) for each in option.within(schema)]
    return {path for path in found if path}


_MAX_DEPTH = 4  # of objects in objects; a schema may contain itself


class _Option(NamedTuple):
    """One alternative of a schema, and the document that its references point into."""

    schema: JsonSchema
    alternatives: UnionAlternatives

    def properties(self) -> Mapping[str, JsonSchema] | None:
        """Return the schemas of its fields; {} if it is no object, None if it may have any."""
        if "type" not in self.schema:
            return None
        if self.schema["type"] != "object":
            return {}
        if "properties" not in self.schema or self.schema.get("additionalProperties"):
            return None
        fields: Mapping[str, JsonSchema] = self.schema["properties"]
        return fields

    def within(self, schema: JsonSchema) -> list[_Option]:
        """Return the alternatives of a schema that is a part of this one."""
        return [_Option(each, self.alternatives) for each in self.alternatives.of(schema)]


def _roots(event: EventSchemas) -> Iterator[_Option]:
    for schema in event.schemas:
        alternatives = UnionAlternatives(schema.get("$defs", {}))
        for each in alternatives.of(schema):
            yield _Option(each, alternatives)


def _opened(options: Sequence[_Option], *, through_lists: bool) -> Iterator[_Option]:
    """Yield the options, and with `through_lists` the elements of lists in place of them."""
    for option in options:
        if through_lists and option.schema.get("type") == "array" and "items" in option.schema:
            yield from _opened(option.within(option.schema["items"]), through_lists=True)
        else:
            yield option
