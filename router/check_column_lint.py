"""Do the checks of a file name columns that the events have, of types that fit their rules?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from farandole.events.check_spec import COMPARING_RULES, Rule
from farandole.events.personal_data_masking import mask_personal
from farandole.quality.checks.row_column import ColumnPath, parse_column
from farandole.router.check_lint import FileCheck, file_checks
from farandole.router.condition_lint import lint_fields
from farandole.router.event_fields import EventSchemas, event_schemas, unknown_field, value_schemas
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import KeyPath
from farandole.stages.json_schema import JsonSchema

_NUMBERS = frozenset(("integer", "number"))
_TYPES_OF_RULES: Mapping[Rule, tuple[frozenset[str], str]] = {
    "range": (_NUMBERS, "numbers"),
    "sum": (_NUMBERS, "numbers"),
    "length": (frozenset(("string",)), "texts"),
    "pattern": (frozenset(("string",)), "texts"),
    "fresh": (_NUMBERS | {"string"}, "times"),
    "drift": (_NUMBERS | {"string", "boolean"}, "numbers or texts"),
}
"""By rule, the JSON types of which one at least is in its column, and what they are together."""
_TYPES_OF_VALUES = {
    str: frozenset(("string",)),
    bool: frozenset(("boolean",)),
    int: _NUMBERS,
    float: frozenset(("number",)),
}


def _lint_check_columns(context: LintContext) -> Iterator[Finding]:
    for check in file_checks(context):
        section = check.section
        path = _parsed(section.column)
        if section.column is not None and path is None:
            yield _no_path(context, check, "column", section.column)
        if section.field is not None and _parsed(section.field) is None:
            yield _no_path(context, check, "field", section.field)
        if path is not None and section.rule != "expression":
            yield from _lint_column(context, check, path)
        yield from _lint_field(context, check)


def _parsed(column: str | None) -> ColumnPath | None:
    try:
        return None if column is None else parse_column(column)
    except ValueError:
        return None


def _no_path(context: LintContext, check: FileCheck, key: str, written: str) -> Finding:
    return context.finding(
        (*check.path, key),
        f"{written!r} is no path of a field",
        "write for example address.city; a dot in a field itself is written `\\.`",
    )


def _lint_column(context: LintContext, check: FileCheck, column: ColumnPath) -> Iterator[Finding]:
    events = event_schemas(context, check.event_type)
    if events is None:
        return
    path: KeyPath = (*check.path, "column")
    asker = f"the check {check.name!r}"
    yield from lint_fields(context, path, [events], [check.event_type], iter([column]), asker)
    yield from _lint_type(context, check, path, events, column)


def _lint_type(
    context: LintContext,
    check: FileCheck,
    path: KeyPath,
    events: EventSchemas,
    column: ColumnPath,
) -> Iterator[Finding]:
    types = _types_at(events, column)
    fitting = _TYPES_OF_RULES.get(check.section.rule)
    if types is None or fitting is None or types & fitting[0]:
        return
    yield context.finding(
        path,
        f"{check.section.rule} is about {fitting[1]}, and {'.'.join(column)!r} of"
        f" {events_name(check, path)!r} is {_or(types)}",
        "name another column, or take another rule",
    )


def events_name(check: FileCheck, path: KeyPath) -> str:
    """Return the event type whose column a path in a check is about."""
    return check.event_type if path[-1] == "column" else check.section.against or ""


def _types_at(events: EventSchemas, column: ColumnPath) -> set[str] | None:
    """Return the JSON types of a column; None if it may be anything, or there is none."""
    if unknown_field([events], column) is not None:
        return None
    schemas = value_schemas([events], column)
    types = None if schemas is None else {_type_of(schema) for schema in schemas}
    return None if not types or "" in types else types


def _type_of(schema: JsonSchema) -> str:
    """Return the JSON type of a schema; empty if it may be several."""
    type_ = schema.get("type", "")
    return type_ if isinstance(type_, str) else ""


def _or(types: set[str]) -> str:
    return " or ".join("text" if each == "string" else each for each in sorted(types))


def _lint_field(context: LintContext, check: FileCheck) -> Iterator[Finding]:
    """Check the column of the event type with which a check compares."""
    section = check.section
    if section.rule not in COMPARING_RULES or section.against is None:
        return
    written = section.field if section.field is not None else section.column
    column = _parsed(written)
    if column is None or section.against not in context.topology.event_types():
        return
    events = event_schemas(context, section.against)
    if events is None:
        return
    unknown = unknown_field([events], column)
    path: KeyPath = (*check.path, "against" if section.field is None else "field")
    if unknown is None:
        yield from _lint_type(context, check, path, events, column)
    elif section.field is not None:
        asker = f"the check {check.name!r}"
        yield from lint_fields(context, path, [events], [section.against], iter([column]), asker)
    else:
        known = ", ".join(sorted(unknown.known))
        yield context.finding(
            path,
            f"{section.against!r} has no field {written!r} with which the check {check.name!r}"
            " could compare",
            f"add `field:` with its name there{f': its fields are {known}' if known else ''}",
            severity="warning" if events.is_root else "error",
        )


def _lint_check_values(context: LintContext) -> Iterator[Finding]:
    for check in file_checks(context):
        column, values = _parsed(check.section.column), check.section.values
        events = event_schemas(context, check.event_type)
        if column is None or values is None or check.section.rule != "one-of":
            continue
        if None in values:
            yield context.finding(
                (*check.path, "values"),
                f"null is among the values of the check {check.name!r}: what is null or missing"
                " breaks no one-of anyway",
                "delete it, or add a check with `rule: not-null`",
                severity="warning",
            )
        if events is None:
            continue
        types = _types_at(events, column)
        strangers = [v for v in values if types and v is not None and not types & _types(v)]
        if types and strangers:
            yield context.finding(
                (*check.path, "values"),
                f"{'.'.join(column)!r} of {check.event_type!r} is {_or(types)}, so it is never"
                f" {' or '.join(map(repr, strangers[:3]))}",
                "write values of that type, texts in quotes",
            )
        if _is_personal(events.schemas, column):
            yield context.finding(
                (*check.path, "values"),
                f"{'.'.join(column)!r} of {check.event_type!r} is personal, and these values of it"
                " stand in the file, in plans and in the published version",
                "describe them by `pattern`, or let the function reject the others",
                severity="warning",
            )


def _types(value: str | int | float | bool) -> frozenset[str]:
    if isinstance(value, float) and value.is_integer():
        return _NUMBERS
    return _TYPES_OF_VALUES[type(value)]


def _is_personal(schemas: Sequence[JsonSchema], column: ColumnPath) -> bool:
    row: Any = 0
    for field in reversed(column):
        row = {field: row}
    return any(mask_personal(row, schema) != row for schema in schemas)


CHECK_COLUMN_RULES: Mapping[str, LintRule] = {
    "check_columns": _lint_check_columns,
    "check_values": _lint_check_values,
}
