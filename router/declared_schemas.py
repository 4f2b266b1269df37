"""Which schemas does a file declare for a stage whose code is elsewhere?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import WithJsonSchema

from farandole.router.file_model import EventSection, TopologyFile
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import KeyPath, YamlDocument
from farandole.stages.function_signature import StageSignature


class _UnusableSchemaError(Exception):
    """A declared schema cannot be used; the arguments are what is wrong, and what helps."""


def external_signature(
    document: YamlDocument, topology: TopologyFile, stage: str, folder: Path
) -> tuple[StageSignature, list[Finding]]:
    """Return the signature of an external stage by the schemas that the file declares, and a
    finding for each schema that cannot be read. Files are named relative to `folder`.

    Without `accepts:` the stage takes what the only event says that it subscribes to, if the file
    declares that one's schema, and otherwise anything.
    """
    written, findings = topology.stages[stage], []

    def declared(schema: dict[str, Any] | str | None, path: KeyPath) -> Any:
        try:
            return Any if schema is None else _schema_type(schema, folder)
        except _UnusableSchemaError as error:
            findings.append(document.finding(path, *error.args))
            return Any

    def of_event(event_type: str) -> Any:
        section = topology.events.get(event_type, EventSection())
        return declared(section.declared_schema, ("events", event_type, "schema"))

    takes = declared(written.accepts, ("stages", stage, "accepts"))
    if written.accepts is None and len(written.subscribes) == 1:
        takes = of_event(written.subscribes[0])
    signature = StageSignature(
        input_schema=takes,
        takes_batch=False,
        context_parameter=None,
        output_schemas=tuple(of_event(event_type) for event_type in written.emits),
        returns_many=True,
        names_outputs=False,
        kind="plain",
    )
    return signature, list(dict.fromkeys(findings))


def _schema_type(schema: dict[str, Any] | str, folder: Path) -> Any:
    """Return a type whose JSON Schema is the declared one. Raises _UnusableSchemaError."""
    content = _read_schema(folder, schema) if isinstance(schema, str) else schema
    if not isinstance(content, dict):
        raise _UnusableSchemaError("the schema is no JSON object", "write {type: object, …}")
    try:
        Draft202012Validator.check_schema(content)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path)) or "the schema"
        raise _UnusableSchemaError(
            f"this is no JSON Schema: {where}: {error.message}", "correct it (draft 2020-12)"
        ) from None
    if _has_reference(content):
        raise _UnusableSchemaError(
            "the schema refers to another one by $ref", "write that one in its place"
        )
    return Annotated[Any, WithJsonSchema(content)]


def _read_schema(folder: Path, name: str) -> Any:
    try:
        return json.loads((folder / name).read_text("utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise _UnusableSchemaError(
            f"{name} cannot be read ({reason})", "name a file beside topology.yaml"
        ) from None
    except ValueError as error:
        raise _UnusableSchemaError(f"{name} is no JSON: {error}", "correct it") from None


def _has_reference(schema: Any) -> bool:
    if isinstance(schema, dict):
        return "$ref" in schema or any(map(_has_reference, schema.values()))
    return isinstance(schema, list) and any(map(_has_reference, schema))
