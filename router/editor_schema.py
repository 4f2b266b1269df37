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
from farandole.events.topology_version import AT_LEAST_ONCE
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
        "external": "A program of your own works the stage: true, or at-least-once if it has no"
        " transactions; see docs/wire.md.",
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


def _text(pattern: str, message: str) -> dict[str, Any]:
    """Return the schema of a text, with what an editor says of another one: without it, the YAML
    language server shows the pattern."""
    return {"type": "string", "pattern": pattern, "errorMessage": message}


_RESERVED_ENDINGS = "|".join(suffix.removeprefix(".") for suffix in RESERVED_SUFFIXES)
_PIPELINE_PATTERN = _whole_text_pattern(PIPELINE_PATTERN.pattern, but=f"{RESERVED_PIPELINE}$")
_EVENT_TYPE_PATTERN = _whole_text_pattern(
    EVENT_TYPE_PATTERN.pattern, but=rf"(?:.*\.)?(?:{_RESERVED_ENDINGS})$"
)
_EVENT_TYPE_SCHEMA = _text(
    _EVENT_TYPE_PATTERN,
    "An event type is lowercase words with dots or dashes between them, for example line.priced; "
    f"none ends in {', '.join(RESERVED_SUFFIXES)}.",
)
_STAGE_SCHEMA = _text(
    _whole_text_pattern(STAGE_PATTERN.pattern),
    "A stage's name is lowercase letters, digits, underscores and dashes; it begins with a letter.",
)
_NULL_SCHEMA = {"type": "null"}
_MAILBOX_SCHEMA = {
    **_text(
        _whole_text_pattern(alert_lint.MAILBOX_PATTERN.pattern),
        "A mail address is written without a name: ops@example.com.",
    ),
    "maxLength": alert_lint.MAX_MAILBOX_LENGTH,
}
_WEBHOOK_SCHEMA = {
    **_text(
        _whole_text_pattern(alert_lint.WEBHOOK_PATTERN.pattern),
        "A webhook is a URL that begins with http:// or https://, without user and password.",
    ),
    "type": ["string", "null"],
}


def _one_or_several(one: Mapping[str, Any], *, at_least: int = 1) -> dict[str, Any]:
    # Not `anyOf`: editors would show each of its schemas in a hover.
    items = {"items": one, "minItems": at_least, "uniqueItems": True}
    return {**one, "type": ["string", "array"], **items}


_SUBSCRIPTION_SCHEMA = {
    **_EVENT_TYPE_SCHEMA,
    "type": ["string", "object"],
    "propertyNames": _EVENT_TYPE_SCHEMA,
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

_DURATION = "A duration is a number with its unit: 200ms, 10s, 5m, 2h or 7d"
VALIDATOR_MESSAGES: Mapping[Callable[..., Any], str] = {
    file_values.parse_duration: f"{_DURATION}.",
    file_values.parse_positive_duration: f"{_DURATION}, and more than 0.",
    file_values.parse_share: "A share is a percentage with its sign: 50%.",
}


def _validated_text(validator: Callable[..., Any]) -> dict[str, Any]:
    return _text(VALIDATOR_PATTERNS[validator], VALIDATOR_MESSAGES[validator])


_DURATION_SCHEMA = _validated_text(file_values.parse_positive_duration)

_DECLARED_SCHEMA = {
    "anyOf": [
        {"type": "object", "minProperties": 1},
        _text(r"\.json$", "A schema is written here, or in a file whose name ends in .json."),
    ]
}

KEY_SHAPES: Mapping[tuple[type[BaseModel], str], Mapping[str, Any]] = {
    (TopologyFile, "pipeline"): _text(
        _PIPELINE_PATTERN,
        "A pipeline's name is lowercase letters, digits and single dashes, for example order-lines;"
        f" {RESERVED_PIPELINE} is taken.",
    ),
    (TopologyFile, "package"): {
        **_text(
            _whole_text_pattern(file_values.PACKAGE_PATTERN.pattern),
            "A package is written as Python imports it: stages.shop.",
        ),
        "type": ["string", "null"],
    },
    (TopologyFile, "events"): {
        "type": ["object", "null"],
        "propertyNames": _EVENT_TYPE_SCHEMA,
        "additionalProperties": _EVENT_SCHEMA,
    },
    (TopologyFile, "stages"): {
        "type": "object",
        "propertyNames": _STAGE_SCHEMA,
        "additionalProperties": {"$ref": f"#/$defs/{StageSection.__name__}"},
        "minProperties": 1,
    },
    (StageSection, "subscribes"): {
        **_SUBSCRIPTION_SCHEMA,
        "type": ["string", "array", "object"],
        "items": {**_SUBSCRIPTION_SCHEMA, "maxProperties": 1},
        "minItems": 1,
        "uniqueItems": True,
    },
    (StageSection, "with"): {"type": ["object", "null"]},
    (EventSection, "schema"): _DECLARED_SCHEMA,
    (StageSection, "accepts"): _DECLARED_SCHEMA,
    (SubscriptionSection, "when"): _text(
        r"\S", "A condition is an expression, for example data.quantity > 0."
    ),
    (StageSection, "emits"): _one_or_several(_EVENT_TYPE_SCHEMA, at_least=0),
    (StageSection, "run"): {
        **_text(
            _whole_text_pattern(file_values.FUNCTION_PATTERN.pattern),
            "A function is written as package.module:function.",
        ),
        "type": ["string", "null"],
    },
    (AlertsSection, "email"): _one_or_several(_MAILBOX_SCHEMA),
    (AlertsSection, "webhook"): _WEBHOOK_SCHEMA,
    (AlertsSection, "routes"): {
        "type": "array",
        "items": {"$ref": f"#/$defs/{RouteSection.__name__}"},
        "minItems": 1,
    },
    (AlertsSection, "digests"): {
        **_DURATION_SCHEMA,
        "type": ["string", "array", "null"],
        "items": _DURATION_SCHEMA,
        "minItems": 1,
    },
    (RouteSection, "stages"): _one_or_several(_STAGE_SCHEMA),
    (RouteSection, "errors"): _one_or_several(
        _text(
            _whole_text_pattern(alert_lint.ERROR_NAME_PATTERN.pattern),
            "An exception is named by its class, for example ConnectionError.",
        )
    ),
    (RouteSection, "email"): _one_or_several(_MAILBOX_SCHEMA),
    (RouteSection, "webhook"): _WEBHOOK_SCHEMA,
}
"""By section and key, the schema of a value that a validator or the linter checks. Every other key
has the schema of its annotation in the model."""


class _EditorSchemaGenerator(GenerateJsonSchema):
    def function_before_schema(self, schema: Any) -> dict[str, Any]:
        validator = schema["function"]["function"]
        if validator in VALIDATOR_PATTERNS:
            return _validated_text(validator)
        return super().function_before_schema(schema)

    def nullable_schema(self, schema: Any) -> dict[str, Any]:
        """Return one schema of a text or null, so that its message is shown for any other type."""
        nullable = super().nullable_schema(schema)
        text = next((one for one in nullable.get("anyOf", ()) if "errorMessage" in one), None)
        return nullable if text is None else {**text, "type": ["string", "null"]}


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
    whole = {
        "$schema": JSON_SCHEMA_DIALECT,
        # No title: the YAML language server would show it in the hover of every key. It takes the
        # name for a completion from the id.
        "$id": "topology",
        **generated,
        # Without `package:`, each stage of ours must name its function.
        "anyOf": [
            {"required": ["package"], "properties": {"package": {"type": "string"}}},
            {"properties": {"stages": {"additionalProperties": _HAS_FUNCTION}}},
        ],
        "$defs": {_section_name(name): section for name, section in definitions.items()},
    }
    named: dict[str, Any] = _with_section_names(whole)
    return named


_HAS_FUNCTION = {
    "anyOf": [
        {"required": ["run"], "properties": {"run": {"type": "string"}}},
        {"required": ["external"], "properties": {"external": {"enum": [True, AT_LEAST_ONCE]}}},
    ]
}


def _section_name(model: str) -> str:
    """Return what a person calls the section of this model: editors offer it as a completion."""
    return model.removesuffix("Section").lower()


def _with_section_names(part: Any) -> Any:
    """Return a part of the schema whose references name sections as people do."""
    if isinstance(part, list):
        return [_with_section_names(each) for each in part]
    if not isinstance(part, dict):
        return part
    renamed = {key: _with_section_names(value) for key, value in part.items()}
    if isinstance(part.get("$ref"), str):
        path, _, model = part["$ref"].rpartition("/")
        renamed["$ref"] = f"{path}/{_section_name(model)}"
    return renamed


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
