"""Can the `when:` of each subscription be asked of its events?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farandole.router import schema_propagation, stage_schemas
from farandole.router.lint_context import LintContext
from farandole.router.lint_finding import Finding, did_you_mean, nearest_name
from farandole.router.yaml_source import KeyPath
from farandole.stages.cel_expression import (
    EXPRESSION_VARIABLES,
    ExpressionError,
    compile_expression,
    expression_fields,
)
from farandole.stages.json_schema import NoSchemaError, written_schema


def lint_conditions(context: LintContext) -> Iterator[Finding]:
    """Each condition compiles, and asks for fields that its events can have."""
    for name, stage in context.topology.stages.items():
        for index, (event_type, settings) in enumerate(stage.subscriptions):
            if settings.when is None:
                continue
            path: KeyPath = ("stages", name, "subscribes", index, 1, "when")
            try:
                compile_expression(settings.when)
            except ExpressionError as wrong:
                yield context.finding(path, *_condition_problem(settings.when, wrong))
            else:
                yield from lint_unknown_fields(context, path, [event_type], settings.when)


def _condition_problem(source: str, wrong: ExpressionError) -> tuple[str, str]:
    """What is wrong with an expression, and what helps."""
    place = f" at its character {wrong.column}" if wrong.line == 1 and wrong.column else ""
    if wrong.line > 1:
        place = f" in its line {wrong.line}"
    message = f"`{_shortened(source)}` cannot be a condition: {wrong}{place}"
    if wrong.unknown:
        near = nearest_name(wrong.unknown, EXPRESSION_VARIABLES)
        if near:
            return message, f"did you mean {near!r}?"
        return message, f"write `data.{wrong.unknown}` for a field of the event"
    if "'= '" in str(wrong):
        return message, "write `==` to compare"
    return message, "write for example `data.quantity > 0 && attributes.source != 'test'`"


def _shortened(source: str) -> str:
    one_line = " ".join(source.split())
    return one_line if len(one_line) <= 60 else f"{one_line[:59]}…"


def lint_unknown_fields(
    context: LintContext, path: KeyPath, event_types: Sequence[str], source: str
) -> Iterator[Finding]:
    """The fields of `data` that an expression asks for and none of these events can have."""
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
    """The fields that such an event may have; None where nobody knows all of them."""
    known: frozenset[str] = frozenset()
    makers = schema_propagation.schema_producers(context.topology, context.signatures, event_type)
    if not makers or any(
        e not in context.signatures for e in context.topology.emitters(event_type)
    ):
        return None  # of what people write themselves nobody knows what else it has
    try:
        for _, types in makers:
            for type_ in types:
                names = stage_schemas.possible_fields(written_schema(type_))
                if names is None:
                    return None
                known |= names
    except NoSchemaError:
        return None
    return known
