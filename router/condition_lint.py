"""Is the `when:` of each subscription a valid expression over fields that the events have?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farandole.router.event_fields import (
    EventSchemas,
    FieldPath,
    event_schemas,
    scalar_paths,
    unknown_field,
    value_schemas,
)
from farandole.router.lint_context import LintContext
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import KeyPath
from farandole.stages.cel_expression import (
    EXPRESSION_VARIABLES,
    ExpressionError,
    OperandTypeError,
    check_types,
    compile_expression,
    expression_paths,
)
from farandole.stages.nearest_name import did_you_mean, nearest_name


def lint_conditions(context: LintContext) -> Iterator[Finding]:
    """Check that each condition compiles, names only fields that its events can have, and fits
    their types."""
    for name, stage in context.topology.stages.items():
        for index, (event_type, settings) in enumerate(stage.subscriptions):
            if settings.when is None:
                continue
            path: KeyPath = ("stages", name, "subscribes", index, 1, "when")
            try:
                compile_expression(settings.when)
            except ExpressionError as error:
                yield context.finding(path, *condition_problem(settings.when, error))
            else:
                yield from lint_expression(context, path, [event_type], settings.when)


_EXAMPLE = "write for example `data.quantity > 0 && attributes.source != 'test'`"


def condition_problem(
    source: str, error: ExpressionError, example: str = _EXAMPLE
) -> tuple[str, str]:
    """Return what is wrong with an expression, and what helps: `example`, if nothing better is
    known."""
    place = f" at its character {error.column}" if error.line == 1 and error.column else ""
    if error.line > 1:
        place = f" in its line {error.line}"
    message = f"`{_shortened(source)}` cannot be a condition: {error}{place}"
    if error.unknown:
        near = nearest_name(error.unknown, EXPRESSION_VARIABLES)
        if near:
            return message, f"did you mean {near!r}?"
        return message, f"write `data.{error.unknown}` for a field of the event"
    if isinstance(error, OperandTypeError):
        return message, "compare text with text ('3') and numbers with numbers (3)"
    if "'= '" in str(error):
        return message, "write `==` to compare"
    return message, example


def _shortened(source: str) -> str:
    one_line = " ".join(source.split())
    return one_line if len(one_line) <= 60 else f"{one_line[:59]}…"


def lint_expression(
    context: LintContext, path: KeyPath, event_types: Sequence[str], source: str
) -> Iterator[Finding]:
    """Check an expression that compiles against the schemas of these events."""
    found = [event_schemas(context, event_type) for event_type in event_types]
    events = [each for each in found if each is not None]
    if not events or len(events) < len(found):
        return
    asked, asker = expression_paths(source), f"`{_shortened(source)}`"
    unknown = list(lint_fields(context, path, events, event_types, asked, asker))
    yield from unknown
    if not unknown:
        try:
            check_types(source, _field_types(events))
        except ExpressionError as error:
            yield context.finding(path, *condition_problem(source, error))


def lint_fields(
    context: LintContext,
    path: KeyPath,
    events: Sequence[EventSchemas],
    event_types: Sequence[str],
    asked: Iterator[FieldPath],
    asker: str,
    *,
    on_key: bool = False,
    through_lists: bool = False,
) -> Iterator[Finding]:
    """Find the fields that none of these events can have, among those that `asker` asks for. Of a
    root that is a warning: others may write fields that no stage reads."""
    for field in dict.fromkeys(asked):
        unknown = unknown_field(events, field, through_lists=through_lists)
        if unknown is None:
            continue
        of_events = " or ".join(map(repr, event_types))
        is_root = any(event.is_root for event in events)
        message = f"{of_events} never has the field {unknown.name!r} that {asker} asks for"
        if is_root:
            message = f"no stage reads a field {unknown.name!r} of {of_events}: {asker} asks for it"
        known = ", ".join(sorted(unknown.known))
        otherwise = f"its fields are {known}" if known else "what is there is no object"
        yield context.finding(
            path,
            message,
            did_you_mean(unknown.name, unknown.known, otherwise),
            on_key=on_key,
            severity="warning" if is_root else "error",
        )


def _field_types(events: Sequence[EventSchemas]) -> dict[FieldPath, str]:
    """Return the JSON Schema types of the fields that have only one."""
    types: dict[FieldPath, str] = {}
    for path in scalar_paths(events):
        schemas = value_schemas(events, path)
        found = {str(schema.get("type")) for schema in schemas or ()}
        if len(found) == 1 and all(name.isidentifier() for name in path):
            types[path] = found.pop()
    return types
