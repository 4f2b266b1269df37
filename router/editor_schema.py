"""Which mistakes can an editor find while a topology file is written?

A JSON Schema, made from the model of the file. It checks one value at a time. Whether names match,
functions exist and schemas fit is checked by `farandole lint` (docs/topology.md lists what no JSON
Schema can say).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from farandole.events.file_keys import file_keys
from farandole.events.kafka_names import (
    EVENT_TYPE_PATTERN,
    PIPELINE_PATTERN,
    RESERVED_PIPELINE,
    RESERVED_SUFFIXES,
    STAGE_PATTERN,
)
from farandole.router import alert_lint, file_values
from farandole.router.file_model import (
    AlertsSection,
    BreakerSection,
    DefaultsSection,
    EventSection,
    ExpectSection,
    RetrySection,
    RouteSection,
    StageSection,
    SubscriptionSection,
    TopologyFile,
)

JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"

SECTIONS: tuple[type[BaseModel], ...] = (
    TopologyFile,
    DefaultsSection,
    EventSection,
    StageSection,
    SubscriptionSection,
    RetrySection,
    BreakerSection,
    AlertsSection,
    ExpectSection,
    RouteSection,
)

KEY_DESCRIPTIONS: Mapping[type[BaseModel], Mapping[str, str]] = {
    TopologyFile: {
        "pipeline": "The name of the pipeline: lowercase letters, digits and single dashes.",
        "package": "The package of the functions: that of stage `price` is package.price:price.",
        "defaults": "The settings of every stage and event that has none of its own.",
        "events": "The events with settings of their own, and the events that no stage emits.",
        "stages": "The stages: the events that each one subscribes to and emits.",
        "alerts": "Who is told of failures, and how often.",
        "expect": "What runs are expected to do; an alert is sent if they do not.",
    },
    DefaultsSection: {
        "partitions": "Partitions of each topic: the most lanes that can work on one stage.",
        "retention": "How long an event is kept, for example 7d.",
        "retry": "How often a failing event is tried before it becomes a dead letter.",
        "breaker": "When a lane stops taking input, because a service that it depends on is down.",
    },
    EventSection: {
        "partitions": "Partitions of this event's topic.",
        "key": "The field whose value is the key: events of one key keep their order.",
        "retention": "How long this event is kept, for example 2d.",
        "schema": "The JSON Schema of an external stage's event, or a .json file that contains it.",
    },
    StageSection: {
        "subscribes": "The event type that the stage handles, or several, each with its filter.",
        "emits": "The event types of its results, in the order of the function's return union.",
        "run": "The function, `package.module:function`, if it is not package.<stage>:<stage>.",
        "with": "The parameters of the function, as its parameter `params` declares them.",
        "retry": "How often a failing event is tried before it becomes a dead letter.",
        "breaker": "When a lane stops taking input, because a service that it depends on is down.",
        "external": "A program of your own, in any language, works the stage; see docs/wire.md.",
        "accepts": "The JSON Schema of what an external stage reads, or a .json file with it.",
    },
    SubscriptionSection: {
        "when": "A CEL expression over data and attributes: if it is false, the event is filtered.",
    },
    AlertsSection: {
        "email": "The address for failures that no route takes, or several.",
        "webhook": "The URL for those failures; the first of email and webhook is tried first.",
        "routes": "Who is told of which failures: the first route that matches is used.",
    },
    RouteSection: {
        "stages": "The stage whose failures this route takes, or several; by default all.",
        "errors": "The exception that this route takes, or several; by default all.",
        "email": "The address of the route, or several.",
        "webhook": "The URL of the route; the first of email and webhook is tried first.",
    },
}


def key_descriptions(section: type[BaseModel]) -> dict[str, str]:
    """Return the description of each key of a section of the file: those above, and those that
    the registry of keys has (`farandole.events.file_keys`)."""
    registered = {name: key.description for name, key in file_keys(section).items()}
    return {**KEY_DESCRIPTIONS.get(section, {}), **registered}


def _whole_text_pattern(pattern: str, *, but: str = "") -> str:
    """Return a pattern for the whole text, in the dialect that editors and Python share."""
    ascii_only = pattern.replace(r"\w", "[A-Za-z0-9_\\u0080-\\uffff]")
    return f"^{f'(?!{but})' if but else ''}(?:{ascii_only})$(?!\\n)"


_RESERVED_ENDINGS = "|".join(suffix.removeprefix(".") for suffix in RESERVED_SUFFIXES)
_PIPELINE_PATTERN = _whole_text_pattern(PIPELINE_PATTERN.pattern, but=f"{RESERVED_PIPELINE}$")
_EVENT_TYPE_PATTERN = _whole_text_pattern(
    EVENT_TYPE_PATTERN.pattern, but=rf"(?:.*\.)?(?:{_RESERVED_ENDINGS})$"
)
_EVENT_TYPE_SCHEMA = {"type": "string", "pattern": _EVENT_TYPE_PATTERN}
_EVENT_TYPE_LIST_SCHEMA = {"type": "array", "items": _EVENT_TYPE_SCHEMA, "uniqueItems": True}
_NULL_SCHEMA = {"type": "null"}
_MAILBOX_SCHEMA = {
    "type": "string",
    "pattern": _whole_text_pattern(alert_lint.MAILBOX_PATTERN.pattern),
    "maxLength": alert_lint.MAX_MAILBOX_LENGTH,
}
_WEBHOOK_SCHEMA = {
    "type": ["string", "null"],
    "pattern": _whole_text_pattern(alert_lint.WEBHOOK_PATTERN.pattern),
}


def _one_or_several(one: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "uniqueItems": True}]}


_FILTERED_SUBSCRIPTION_SCHEMA = {
    "type": "object",
    "propertyNames": {"pattern": _EVENT_TYPE_PATTERN},
    "additionalProperties": {
        "anyOf": [{"$ref": f"#/$defs/{SubscriptionSection.__name__}"}, _NULL_SCHEMA]
    },
    "minProperties": 1,
}
_EVENT_SCHEMA = {"anyOf": [{"$ref": f"#/$defs/{EventSection.__name__}"}, _NULL_SCHEMA]}

# The values that the file's validators accept: pydantic cannot derive a schema from their code.
VALIDATOR_PATTERNS: Mapping[Callable[..., Any], str] = {
    file_values.parse_duration: _whole_text_pattern(file_values.DURATION_PATTERN.pattern),
    file_values.parse_positive_duration: _whole_text_pattern(
        file_values.DURATION_PATTERN.pattern, but="[0.]+[a-z]"
    ),
    file_values.parse_share: _whole_text_pattern(file_values.SHARE_PATTERN.pattern),
}

_DURATION_SCHEMA = {
    "type": "string",
    "pattern": VALIDATOR_PATTERNS[file_values.parse_positive_duration],
}

_DECLARED_SCHEMA = {
    "anyOf": [{"type": "object", "minProperties": 1}, {"type": "string", "pattern": r"\.json$"}]
}

KEY_SHAPES: Mapping[tuple[type[BaseModel], str], Mapping[str, Any]] = {
    (TopologyFile, "pipeline"): {"type": "string", "pattern": _PIPELINE_PATTERN},
    (TopologyFile, "package"): {
        "type": ["string", "null"],
        "pattern": _whole_text_pattern(file_values.PACKAGE_PATTERN.pattern),
    },
    (TopologyFile, "events"): {
        "type": ["object", "null"],
        "propertyNames": {"pattern": _EVENT_TYPE_PATTERN},
        "additionalProperties": _EVENT_SCHEMA,
    },
    (TopologyFile, "stages"): {
        "type": "object",
        "propertyNames": {"pattern": _whole_text_pattern(STAGE_PATTERN.pattern)},
        "additionalProperties": {"$ref": f"#/$defs/{StageSection.__name__}"},
        "minProperties": 1,
    },
    (StageSection, "subscribes"): {
        "anyOf": [
            _EVENT_TYPE_SCHEMA,
            {
                "type": "array",
                "items": {
                    "anyOf": [
                        _EVENT_TYPE_SCHEMA,
                        {**_FILTERED_SUBSCRIPTION_SCHEMA, "maxProperties": 1},
                    ]
                },
                "minItems": 1,
                "uniqueItems": True,
            },
            _FILTERED_SUBSCRIPTION_SCHEMA,
        ]
    },
    (StageSection, "with"): {"type": ["object", "null"]},
    (EventSection, "schema"): _DECLARED_SCHEMA,
    (StageSection, "accepts"): _DECLARED_SCHEMA,
    (SubscriptionSection, "when"): {"type": "string", "pattern": r"\S"},
    (StageSection, "emits"): {"anyOf": [_EVENT_TYPE_SCHEMA, _EVENT_TYPE_LIST_SCHEMA]},
    (StageSection, "run"): {
        "type": ["string", "null"],
        "pattern": _whole_text_pattern(file_values.FUNCTION_PATTERN.pattern),
    },
    (AlertsSection, "email"): _one_or_several(_MAILBOX_SCHEMA),
    (AlertsSection, "webhook"): _WEBHOOK_SCHEMA,
    (AlertsSection, "routes"): {
        "type": "array",
        "items": {"$ref": f"#/$defs/{RouteSection.__name__}"},
        "minItems": 1,
    },
    (AlertsSection, "digests"): {
        "anyOf": [
            _DURATION_SCHEMA,
            {"type": "array", "items": _DURATION_SCHEMA, "minItems": 1},
            _NULL_SCHEMA,
        ]
    },
    (RouteSection, "stages"): _one_or_several(
        {"type": "string", "pattern": _whole_text_pattern(STAGE_PATTERN.pattern)}
    ),
    (RouteSection, "errors"): _one_or_several(
        {"type": "string", "pattern": _whole_text_pattern(alert_lint.ERROR_NAME_PATTERN.pattern)}
    ),
    (RouteSection, "email"): _one_or_several(_MAILBOX_SCHEMA),
    (RouteSection, "webhook"): _WEBHOOK_SCHEMA,
}
"""By section and key, the schema of a value that a validator or the linter checks. Every other key
has the schema of its annotation in the model."""


class _EditorSchemaGenerator(GenerateJsonSchema):
    def function_before_schema(self, schema: Any) -> dict[str, Any]:
        pattern = VALIDATOR_PATTERNS.get(schema["function"]["function"])
        if pattern is not None:
            return {"type": "string", "pattern": pattern}
        return super().function_before_schema(schema)


def topology_json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a topology file."""
    generated = TopologyFile.model_json_schema(
        mode="validation", schema_generator=_EditorSchemaGenerator
    )
    definitions = generated.pop("$defs")
    for model in SECTIONS:
        described = generated if model is TopologyFile else definitions[model.__name__]
        described.pop("title", None)
        described.pop("description", None)
        properties = described["properties"]
        descriptions = key_descriptions(model)
        described["properties"] = {
            key: {
                "description": descriptions[key],
                **KEY_SHAPES.get((model, key), _without_titles(schema)),
            }
            for key, schema in properties.items()
        }
    definitions[AlertsSection.__name__]["anyOf"] = _at_least_one("email", "webhook", "routes")
    definitions[RouteSection.__name__]["anyOf"] = _at_least_one("email", "webhook")
    return {
        "$schema": JSON_SCHEMA_DIALECT,
        "title": "A topology of Farandole",
        **generated,
        # Without `package:`, each stage of ours must name its function.
        "anyOf": [
            {"required": ["package"], "properties": {"package": {"type": "string"}}},
            {"properties": {"stages": {"additionalProperties": {"$ref": "#/$defs/HasRun"}}}},
        ],
        "$defs": {
            **definitions,
            "HasRun": {
                "anyOf": [
                    {"required": ["run"], "properties": {"run": {"type": "string"}}},
                    {"required": ["external"], "properties": {"external": {"const": True}}},
                ]
            },
        },
    }


def _at_least_one(*keys: str) -> list[dict[str, Any]]:
    """Return schemas, one of which is fulfilled if at least one of these keys has a value."""
    return [{"required": [key], "properties": {key: {"not": _NULL_SCHEMA}}} for key in keys]


def _without_titles(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema without titles, which repeat the key, and without defaults that are not in
    the form of the file."""
    kept = {key: value for key, value in schema.items() if key != "title"}
    if not isinstance(kept.get("default"), int):
        kept.pop("default", None)
    return kept
