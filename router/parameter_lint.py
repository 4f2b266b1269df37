"""Does the `with:` of each stage fit the parameters of its function?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from farandole.router import condition_lint
from farandole.router.event_fields import event_schemas
from farandole.router.lint_context import LintContext
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import KeyPath
from farandole.stages.function_signature import StageSignature
from farandole.stages.json_schema import JsonSchema, NoSchemaError, accepted_schema, type_title
from farandole.stages.nearest_name import did_you_mean, nearest_name
from farandole.stages.parameter_formats import (
    EXPRESSION_FORMAT,
    FIELD_FORMAT,
    PATH_FORMAT,
    VARIABLE_FORMAT,
)
from farandole.stages.schema_alternatives import UnionAlternatives
from farandole.stages.stage_parameters import build_parameters

_EXTRA_FIELD_ERRORS = ("extra_forbidden", "unexpected_keyword_argument")


def lint_parameters(context: LintContext) -> Iterator[Finding]:
    """Check that `with:` fits the model of `params`, and that it is given only to functions that
    have `params`."""
    for name, signature in context.signatures.items():
        if signature.parameter_model is not None:
            yield from _lint_stage_parameters(context, name, signature)
        elif context.topology.stages[name].parameters is not None:
            yield context.finding(
                ("stages", name, "with"),
                f"stage {name!r} has `with:`, but its function takes no `params`",
                "delete `with:`, or give the function a parameter `params: AModel`",
                on_key=True,
            )


def _lint_stage_parameters(
    context: LintContext, name: str, signature: StageSignature
) -> Iterator[Finding]:
    written = context.topology.stages[name].parameters
    model = signature.parameter_model
    path: KeyPath = ("stages", name, "with")
    properties, closed = _model_properties(model)
    fields = list(properties)
    unknown = [key for key in written or {} if key not in fields] if closed else []
    for key in unknown:
        yield context.finding(
            (*path, key),
            f"{key!r} is no field of {type_title(model)} (stage {name!r})",
            did_you_mean(key, fields, f"its fields are {', '.join(fields)}"),
            on_key=True,
        )
    try:
        build_parameters(model, written or {})
        yield from _lint_named(context, name, model)
        return
    except ValidationError as error:
        problems: list[Any] = list(error.errors(include_url=False))
    except Exception as error:  # noqa: BLE001 -- a validator is user code
        yield context.finding(
            path,
            f"stage {name!r}: {type_title(model)} cannot be made of this: {error}",
            "correct the value, or the model",
            on_key=True,
        )
        return
    for problem in problems:
        missing = problem["type"] == "missing"
        inner = _path_in_file(written or {}, problem["loc"], missing)
        name_in_file = ".".join(str(step) for step in inner)
        if missing:
            if nearest_name(name_in_file, unknown):
                continue  # misspelled, and reported already
            yield _missing_parameter_finding(context, name, inner, written is None, model)
        elif name_in_file not in unknown:
            yield context.finding(
                (*path, *inner),
                f"{name_in_file or 'with'!r}: {_problem_reason(problem)}",
                f"write what {type_title(model)} takes",
                on_key=problem["type"] in _EXTRA_FIELD_ERRORS,
            )


def _lint_named(context: LintContext, name: str, model: Any) -> Iterator[Finding]:
    """Check what the parameters name (`stages/parameter_formats.py`): expressions, fields and
    environment variables."""
    stage = context.topology.stages[name]
    found = [event_schemas(context, event_type) for event_type in stage.subscribes]
    events = [each for each in found if each is not None]
    written = stage.parameters or {}
    for format_, text, inner, on_key in _formatted_values(accepted_schema(model), written):
        path = ("stages", name, "with", *inner)
        if format_ == EXPRESSION_FORMAT:
            yield from condition_lint.lint_expression(context, path, stage.subscribes, text)
        elif format_ == VARIABLE_FORMAT and not os.environ.get(text):
            yield context.finding(
                path,
                f"stage {name!r} needs the environment variable {text}, which is not set here",
                f"set {text} where the workers run",
                severity="warning",
            )
        elif format_ in (FIELD_FORMAT, PATH_FORMAT) and len(events) == len(found):
            field = tuple(text.split(".")) if format_ == PATH_FORMAT else (text,)
            yield from condition_lint.lint_fields(
                context, path, events, stage.subscribes, iter([field]), f"stage {name!r}",
                on_key=on_key, through_lists=format_ == PATH_FORMAT,
            )  # fmt: skip


_Formatted = tuple[str, str, KeyPath, bool]
"""A format, a text of that format, its path in `with:`, and whether it is a key there."""


def _formatted_values(model: JsonSchema, written: Mapping[str, Any]) -> Iterator[_Formatted]:
    """Yield the texts in the parameters whose schema states a format."""
    alternatives = UnionAlternatives(model.get("$defs", {}))

    def within(schema: JsonSchema, value: Any, path: KeyPath) -> Iterator[_Formatted]:
        options = alternatives.of(schema)
        if isinstance(value, str):
            # A field that may be null has its format beside its alternatives, or in one of them.
            formats = (each["format"] for each in (schema, *options) if "format" in each)
            yield from ((each, value, path, False) for each in [*formats][:1])
        for option in options:
            if isinstance(value, list) and "items" in option:
                for index, each in enumerate(value):
                    yield from within(option["items"], each, (*path, index))
            elif isinstance(value, Mapping):
                key_format = option.get("propertyNames", {}).get("format")
                for key in value if key_format else ():
                    yield key_format, str(key), (*path, key), True
                for key in value.keys() & option.get("properties", {}).keys():
                    yield from within(option["properties"][key], value[key], (*path, key))

    return within(model, written, ())


def _path_in_file(written: Any, path: KeyPath, missing: bool) -> KeyPath:
    """Return the part of pydantic's path that exists in the file, and the missing key. Pydantic's
    path also names the members of a union."""
    path_found: KeyPath = ()
    for step in path:
        try:
            written = written[step]
        except (KeyError, IndexError, TypeError):
            continue
        path_found = (*path_found, step)
    return (*path_found, path[-1]) if missing else path_found


def _missing_parameter_finding(
    context: LintContext, name: str, inner: KeyPath, nothing: bool, model: Any
) -> Finding:
    name_in_file = ".".join(str(step) for step in inner)
    return context.finding(
        ("stages", name) if nothing else ("stages", name, "with", *inner[:-1]),
        f"stage {name!r} needs the parameter {name_in_file!r} ({type_title(model)})",
        f"add `with: {{{inner[-1]}: ...}}`" if nothing else f"add `{inner[-1]}:`",
        on_key=True,
    )


def _problem_reason(problem: Any) -> str:
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return reason[:1].lower() + reason[1:]


def _model_properties(model: Any) -> tuple[dict[str, Any], bool]:
    """Return the schemas of the parameters, by name, and whether no others are allowed."""
    try:
        schema = accepted_schema(model)
    except NoSchemaError:
        return {}, False
    reference = schema.get("$ref")
    if reference:
        schema = schema["$defs"][reference.rpartition("/")[2]]
    return schema.get("properties", {}), not schema.get("additionalProperties")
