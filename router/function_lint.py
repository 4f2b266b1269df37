"""Do the functions of a file match its settings, and do their schemas fit each other?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from farandole.router import schema_propagation, stage_schemas
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import KeyPath
from farandole.stages.json_schema import (
    JsonSchema,
    NoSchemaError,
    accepted_schema,
    type_title,
    written_schema,
)
from farandole.stages.misfit_text import misfit_summary
from farandole.stages.nearest_name import did_you_mean


def _lint_threads(context: LintContext) -> Iterator[Finding]:
    for name, signature in context.signatures.items():
        if context.topology.stages[name].value("threads") and signature.kind.startswith("async"):
            yield context.finding(
                ("stages", name, "threads"),
                f"stage {name!r} is an `async def`, which runs in no thread",
                "delete `threads`, or write it as a `def`",
                on_key=True,
            )


def _lint_output_count(context: LintContext) -> Iterator[Finding]:
    for name, signature in context.signatures.items():
        emits, gives = context.topology.stages[name].emits, signature.output_schemas
        path: KeyPath = ("stages", name, "emits")
        if emits and not gives:
            yield context.finding(
                path,
                f"stage {name!r} emits {', '.join(emits)}, but its function returns None",
                "delete `emits`, or annotate what the function returns",
            )
        elif gives and not emits:
            if signature.is_passthrough and not signature.names_outputs:
                continue  # the last stage of its path: its output is dropped
            yield context.finding(
                ("stages", name),
                f"stage {name!r} returns {_union_title(gives)}, but emits nothing",
                "add `emits:`, or annotate the function `-> None`",
                on_key=True,
            )
        elif signature.names_outputs or len(emits) == len(gives):
            continue
        elif len(gives) == 1:
            yield context.finding(
                path,
                f"stage {name!r} emits {len(emits)} event types, but returns "
                f"{_union_title(gives)} alone,"
                " so nobody can tell which is which",
                f"return `To[{_union_title(gives)}]` and name the event type in it",
            )
        else:
            yield context.finding(
                path,
                f"stage {name!r} emits {len(emits)} event types, but returns {len(gives)} schemas"
                f" ({_union_title(gives)})",
                "name one event type for each schema, in the same order, or return `To[...]`",
            )


def _union_title(types: tuple[object, ...]) -> str:
    return " | ".join(type_title(t) for t in types)


def _lint_missing_schemas(context: LintContext) -> Iterator[Finding]:
    for name, signature in context.signatures.items():
        reported: set[str] = set()
        for type_, make in [
            (signature.input_schema, accepted_schema),
            *((given, written_schema) for given in signature.output_schemas),
        ]:
            try:
                make(type_)
            except NoSchemaError as error:
                if type_title(type_) not in reported:
                    yield context.finding(
                        ("stages", name),
                        f"stage {name!r}: {type_title(type_)} has no JSON Schema ({error})",
                        "use a pydantic model, a dataclass or plain types",
                        on_key=True,
                    )
                reported.add(type_title(type_))


def _lint_schema_fit(context: LintContext) -> Iterator[Finding]:
    for consumer, takes in context.signatures.items():
        if takes.is_passthrough:
            continue
        for index, event_type in enumerate(context.topology.stages[consumer].subscribes):
            for producer, options in schema_propagation.schema_producers(
                context.topology, context.signatures, event_type
            ):
                try:
                    tries = [
                        stage_schemas.type_misfits(option, takes.input_schema) for option in options
                    ]
                except NoSchemaError:
                    continue
                if tries and all(tries):
                    yield context.finding(
                        ("stages", consumer, "subscribes", index),
                        f"{event_type!r} does not fit: {producer!r} writes {_union_title(options)},"
                        f" {consumer!r} takes {type_title(takes.input_schema)}:"
                        f" {misfit_summary(min(tries, key=len))}",
                        "change one of the two schemas, or put a stage between them",
                    )


def _lint_event_keys(context: LintContext) -> Iterator[Finding]:
    topology = context.topology
    for event_type, declared in topology.events.items():
        if declared.key is None:
            continue
        for name, type_, schema in _event_schemas(context, event_type):
            known = stage_schemas.common_fields(schema)
            if known is None or declared.key in known:
                continue
            title = type_title(type_)
            yield context.finding(
                ("events", event_type, "key"),
                f"the key {declared.key!r} is no field of {title} (stage {name!r})",
                did_you_mean(
                    declared.key,
                    known,
                    f"its fields are {', '.join(sorted(known))}" if known else "delete `key`",
                ),
            )
            break


def _event_schemas(
    context: LintContext, event_type: str
) -> Iterator[tuple[str, object, JsonSchema]]:
    """Yield the schemas in which an event is written or, if no stage emits it, read: each with its
    stage and its type."""
    topology, signatures = context.topology, context.signatures
    producers = schema_propagation.schema_producers(topology, signatures, event_type)
    try:
        for name, types in producers:
            # A stage that names its outputs may use any of its schemas for each event type.
            if not signatures[name].names_outputs:
                for type_ in types:
                    yield name, type_, written_schema(type_)
        if not producers and all(n in signatures for n in topology.emitters(event_type)):
            for name, takes in schema_propagation.schema_consumers(
                topology, signatures, event_type
            ):
                yield name, takes, accepted_schema(takes)
    except NoSchemaError:
        return


FUNCTION_RULES: Mapping[str, LintRule] = {
    "threads": _lint_threads,
    "output_count": _lint_output_count,
    "missing_schemas": _lint_missing_schemas,
    "schema_fit": _lint_schema_fit,
    "event_keys": _lint_event_keys,
}
