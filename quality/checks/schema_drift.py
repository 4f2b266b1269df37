"""How do the columns that came differ from the schema of their event type?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from farandole.events.number_format import grouped
from farandole.quality.profiles.edge_profile import EdgeProfile

_KINDS: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"int"}),
    "number": frozenset({"int", "float"}),
    "string": frozenset({"text"}),
    "boolean": frozenset({"bool"}),
    "object": frozenset({"object"}),
    "array": frozenset({"list"}),
}


def schema_drift(profile: EdgeProfile, schema: Mapping[str, Any]) -> list[str]:
    """Return a text for each field of the uppermost level that the schema does not know, that is
    required and missing somewhere, or whose values are of another type; none if nothing differs.
    A schema of no object, or of several alternatives, says nothing of fields."""
    fields = _resolved(schema, schema).get("properties")
    if not isinstance(fields, Mapping):
        return []
    required = _resolved(schema, schema).get("required", [])
    return [
        *_unknown(profile, fields),
        *_missing(profile, required if isinstance(required, list) else []),
        *_retyped(profile, schema, fields),
    ]


def _unknown(profile: EdgeProfile, fields: Mapping[str, Any]) -> Iterator[str]:
    for path, column in profile.columns.items():
        if "." not in path.replace("\\.", "") and _name(path) not in fields:
            yield f"{path} is unknown ({grouped(column.count + column.nulls)} rows)"


def _missing(profile: EdgeProfile, required: list[Any]) -> Iterator[str]:
    columns = {_name(path): column for path, column in profile.columns.items()}
    for name in required:
        column = columns.get(name)
        missing = profile.rows if column is None else column.missing
        if missing:
            yield f"{name} is missing ({grouped(missing)} rows)"


def _retyped(
    profile: EdgeProfile, schema: Mapping[str, Any], fields: Mapping[str, Any]
) -> Iterator[str]:
    for path, column in profile.columns.items():
        allowed = _allowed_kinds(schema, fields.get(_name(path)))
        if allowed is None or "." in path.replace("\\.", ""):
            continue
        for kind in sorted(column.kinds.keys() - allowed):
            yield f"{path} is {kind} in {grouped(column.kinds[kind])} rows"


def _allowed_kinds(root: Mapping[str, Any], field: Any) -> frozenset[str] | None:
    """Return the kinds of values that a schema allows; None if it allows any, or is not known."""
    schema = _resolved(root, field) if isinstance(field, Mapping) else {}
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(alternatives, list):
        found = [_allowed_kinds(root, each) for each in alternatives]
        return None if None in found else frozenset().union(*filter(None, found))
    words = schema.get("type")
    types = words if isinstance(words, list) else [words]
    if not all(each in _KINDS or each == "null" for each in types):
        return None
    return frozenset().union(*(_KINDS.get(str(each), frozenset()) for each in types))


def _resolved(root: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(20):  # references of references
        ref = schema.get("$ref")
        if not isinstance(ref, str) or not ref.startswith("#/"):
            break
        target: Any = root
        for step in ref[2:].split("/"):
            target = target.get(step) if isinstance(target, Mapping) else None
        if not isinstance(target, Mapping):
            break
        schema = target
    return schema


def _name(path: str) -> str:
    return path.replace("\\.", ".").replace("\\\\", "\\")
