"""Is the `when:` of each subscription a valid expression over fields that the events have?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farandole.router import schema_propagation, stage_schemas
from farandole.router.lint_context import LintContext
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import KeyPath
from farandole.stages.cel_expression import (
    EXPRESSION_VARIABLES,
    ExpressionError,
    compile_expression,
    expression_fields,
)
from farandole.stages.json_schema import NoSchemaError, written_schema
from farandole.stages.nearest_name import did_you_mean, nearest_name


def lint_conditions(context: LintContext) -> Iterator[Finding]:
    """Check that each condition compiles, and names only fields that its events can have."""
    for name, stage in context.topology.stages.items():
        for index, (event_type, settings) in enumerate(stage.subscriptions):
            if settings.when is None:
                continue
            path: KeyPath = ("stages", name, "subscribes", index, 1, "when")
            try:
                compile_expression(settings.when)
            except ExpressionError as error:
                yield context.finding(path, *_condition_problem(settings.when, error))
            else:
                yield from lint_unknown_fields(context, path, [event_type], settings.when)


def _condition_problem(source: str, error: ExpressionError) -> tuple[str, str]:
    """Return what is wrong with an expression, and what helps."""
    place = f" at its character {error.column}" if error.line == 1 and error.column else ""
    if error.line > 1:
        place = f" in its line {error.line}"
    message = f"`{_shortened(source)}` cannot be a condition: {error}{place}"
    if error.unknown:
        near = nearest_name(error.unknown, EXPRESSION_VARIABLES)
        if near:
            return message, f"did you mean {near!r}?"
        return message, f"write `data.{error.unknown}` for a field of the event"
    if "'= '" in str(error):
        return message, "write `==` to compare"
    return message, "write for example `data.quantity > 0 && attributes.source != 'test'`"


def _shortened(source: str) -> str:
    one_line = " ".join(source.split())
    return one_line if len(one_line) <= 60 else f"{one_line[:59]}…"


def lint_unknown_fields(
    context: LintContext, path: KeyPath, event_types: Sequence[str], source: str
) -> Iterator[Finding]:
    """Find the fields of `data` that an expression names and that none of these events can have."""
    known: frozenset[str] = frozenset()
    for event_type in event_types:
        names = _possible_fields(context, event_type)
        if names is None:
            return
        known |= names
    for field in dict.fromkeys(expression_fields(source)):
        if field not in known:
            yield context.finding(
                path,
                f"{' or '.join(map(repr, event_types))} never has the field {field!r} that"
                f" `{_shortened(source)}` asks for",
                did_you_mean(field, known, f"its fields are {', '.join(sorted(known))}"),
            )


def _possible_fields(context: LintContext, event_type: str) -> frozenset[str] | None:
    """Return the fields that such an event may have; None if not all of them are known."""
    known: frozenset[str] = frozenset()
    producers = schema_propagation.schema_producers(
        context.topology, context.signatures, event_type
    )
    if not producers or any(
        e not in context.signatures for e in context.topology.emitters(event_type)
    ):
        return None  # a root may have other fields than its readers know
    try:
        for _, types in producers:
            for type_ in types:
                names = stage_schemas.possible_fields(written_schema(type_))
                if names is None:
                    return None
                known |= names
    except NoSchemaError:
        return None
    return known
