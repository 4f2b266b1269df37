"""Do Kafka keys show what a stage masks, can its readers read that, and is money in floats?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from farandole.router import schema_propagation
from farandole.router.event_fields import EventSchemas, FieldPath, value_schemas
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.stages.generic.mask import MaskParams
from farandole.stages.json_schema import JsonSchema, NoSchemaError, accepted_schema, type_title
from farandole.stages.schema_alternatives import UnionAlternatives

_MONEY = frozenset(("amount", "balance", "cost", "costs", "fee", "fees", "price", "total"))
_CURRENCIES = frozenset(("cad", "chf", "cny", "eur", "euro", "gbp", "inr", "jpy", "usd"))
_TEXT_LIMITS = frozenset(("format", "pattern", "enum", "const"))  # what masked text does not keep
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def _lint_masked_keys(context: LintContext) -> Iterator[Finding]:
    for name, signature in context.signatures.items():
        stage = context.topology.stages[name]
        masked = (stage.parameters or {}).get("fields")
        if signature.parameter_model is not MaskParams or not isinstance(masked, Mapping):
            continue
        keys = {k for e in stage.subscribes for k in _inherited_keys(context, e, set())}
        shown = [e for e in stage.emits if _declared_key(context, e) is None]
        for path in masked:
            key = str(path).partition(".")[0]  # an object is a key with all that is in it
            for event_type in shown if key in keys else ():
                yield context.finding(
                    ("stages", name, "with", "fields", path),
                    f"{path!r} is masked, but {key!r} is the Kafka key that {event_type!r} "
                    "inherits, where it stays readable",
                    f"give {event_type!r} a `key` of its own; {key!r} itself is the masked value,"
                    " with `hash` one for each value",
                    on_key=True,
                )


def _lint_masked_types(context: LintContext) -> Iterator[Finding]:
    """A masked value is text: find the readers that take none."""
    for name, signature in context.signatures.items():
        stage = context.topology.stages[name]
        masked = (stage.parameters or {}).get("fields")
        if signature.parameter_model is not MaskParams or not isinstance(masked, Mapping):
            continue
        readers = {
            consumer: takes
            for event_type in stage.emits
            for consumer, takes in schema_propagation.schema_consumers(
                context.topology, context.signatures, event_type
            )
        }
        for path in masked:
            for consumer, takes in readers.items():
                wanted = _types_without_text(takes, tuple(str(path).split(".")))
                if wanted:
                    yield context.finding(
                        ("stages", name, "with", "fields", path),
                        f"{path!r} is masked, so it becomes text, but {consumer!r} takes "
                        f"{' or '.join(wanted)} there",
                        f"let {consumer!r} take text as well (`int | str`), or mask it later",
                        on_key=True,
                    )


def _types_without_text(takes: Any, path: FieldPath) -> list[str]:
    """Return the JSON types that a reader takes at a path; empty if any text is one of them, or if
    that is not known."""
    try:
        reads = EventSchemas((accepted_schema(takes),), is_root=False)
    except NoSchemaError:
        return []
    found = value_schemas([reads], path, through_lists=True) or []
    if any(each.keys() & _TEXT_LIMITS == set() and each.get("type") == "string" for each in found):
        return []
    if any("type" not in each for each in found):
        return []
    return sorted({each.get("format", each["type"]) for each in found})


def _inherited_keys(context: LintContext, event_type: str, seen: set[str]) -> set[str]:
    """Return the fields whose values the Kafka key of an event may be: its own, or those of the
    events that caused it."""
    declared = _declared_key(context, event_type)
    if declared is not None:
        return {declared}
    if event_type in seen:
        return set()
    seen.add(event_type)
    found: set[str] = set()
    for emitter in context.topology.emitters(event_type):
        signature = context.signatures.get(emitter)
        if signature is None or not signature.takes_batch:  # the results of a list inherit none
            for cause in context.topology.stages[emitter].subscribes:
                found |= _inherited_keys(context, cause, seen)
    return found


def _declared_key(context: LintContext, event_type: str) -> str | None:
    declared = context.topology.events.get(event_type)
    return None if declared is None else declared.key


def _lint_float_money(context: LintContext) -> Iterator[Finding]:
    reported: set[tuple[str, str]] = set()
    for name, signature in context.signatures.items():
        for type_ in (signature.input_schema, *signature.output_schemas):
            for owner, field in _money_floats(type_):
                if (owner, field) not in reported:
                    reported.add((owner, field))
                    yield context.finding(
                        ("stages", name),
                        f"the field {field!r} of {owner} is a `float`, which cannot hold every "
                        "amount of money",
                        "write `Decimal`, or an `int` of cents",
                        on_key=True,
                        severity="warning",
                    )


def _money_floats(type_: Any) -> Iterator[tuple[str, str]]:
    """Yield the fields of a type that are floats and called like money, each with the name of its
    class."""
    try:
        schema = accepted_schema(type_)
    except NoSchemaError:
        return
    definitions = schema.get("$defs", {})
    for part in (schema, *definitions.values()):
        for field, of_field in part.get("properties", {}).items():
            if _means_money(field) and _is_float(of_field, definitions):
                yield part.get("title", type_title(type_)), field


def _is_float(schema: JsonSchema, definitions: Mapping[str, JsonSchema]) -> bool:
    options = list(UnionAlternatives(definitions).of(schema))
    if any(_is_float(option["items"], definitions) for option in options if "items" in option):
        return True
    # A Decimal is read from a number or from text.
    is_decimal = any(option.get("format") == "decimal" for option in options)
    return not is_decimal and any(option.get("type") == "number" for option in options)


def _means_money(field: str) -> bool:
    words = [word.lower() for word in _WORD.findall(field)]
    while words and words[-1] in _CURRENCIES:
        words.pop()
    return bool(words) and words[-1] in _MONEY


DATA_RULES: Mapping[str, LintRule] = {
    "masked_types": _lint_masked_types,
    "masked_keys": _lint_masked_keys,
    "float_money": _lint_float_money,
}
