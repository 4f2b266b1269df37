"""What can an editor know about a topology file while it is being written?

A JSON Schema, made from the form. It sees one value at a time: whether names meet, functions exist
and schemas fit is for `farandole lint` (docs/topology.md lists what no JSON Schema can say).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from events.names import EVENT_TYPE, PIPELINE, RESERVED_PIPELINE, RESERVED_SUFFIXES, STAGE
from router import form
from router.form import DefaultsForm, EventForm, Form, RetryForm, StageForm, SubscriptionForm

DIALECT = "https://json-schema.org/draft/2020-12/schema"

DESCRIPTIONS: Mapping[type[BaseModel], Mapping[str, str]] = {
    Form: {
        "pipeline": "The name of the pipeline: lowercase letters, digits and single dashes.",
        "package": "Where functions are: that of stage `price` is package.price:price.",
        "defaults": "What holds for every stage and event that does not say otherwise.",
        "events": "The events that need more than the defaults, and those that nobody emits.",
        "stages": "Who subscribes to what, and emits what.",
    },
    DefaultsForm: {
        "partitions": "Partitions of each topic: the most lanes that can work on one stage.",
        "retention": "How long an event is kept, for example 7d.",
        "retry": "How often a failing event is tried before it becomes a dead letter.",
        "timeout": "How long an awaited function, or one in a thread, may take for one event.",
        "threads": "Threads that a `def` runs in; 0: it runs in the event loop.",
        "processes": "Processes that share the partitions of a stage under `farandole up`.",
    },
    EventForm: {
        "partitions": "Partitions of this event's topic.",
        "key": "The field whose value is the key: events of one key keep their order.",
        "retention": "How long this event is kept, for example 2d.",
    },
    StageForm: {
        "subscribes": "The event type that the stage handles, or several, each with its filter.",
        "emits": "The event types of its results, in the order of the function's return union.",
        "run": "The function, `package.module:function`, if it is not package.<stage>:<stage>.",
        "with": "The parameters of the function, as its parameter `params` declares them.",
        "retry": "How often a failing event is tried before it becomes a dead letter.",
        "timeout": "How long an awaited function, or one in a thread, may take for one event.",
        "threads": "Threads that a `def` runs in; 0: it runs in the event loop.",
        "processes": "Processes that share the partitions of this stage under `farandole up`.",
    },
    SubscriptionForm: {
        "when": "A CEL expression over data and attributes: where it is false, the event is left.",
    },
    RetryForm: {
        "attempts": "How often an event is tried in all.",
        "backoff": "The wait before the second try, for example 200ms; doubled before each other.",
        "max_backoff": "The longest wait between two tries, for example 10s.",
    },
}


def _whole(pattern: str, *, but: str = "") -> str:
    """A pattern for the whole text, in the dialect that editors and Python share."""
    ascii_only = pattern.replace(r"\w", "[A-Za-z0-9_\\u0080-\\uffff]")
    return f"^{f'(?!{but})' if but else ''}(?:{ascii_only})$(?!\\n)"


_ENDINGS = "|".join(suffix.removeprefix(".") for suffix in RESERVED_SUFFIXES)
_PIPELINE = _whole(PIPELINE.pattern, but=f"{RESERVED_PIPELINE}$")
_TYPE = _whole(EVENT_TYPE.pattern, but=rf"(?:.*\.)?(?:{_ENDINGS})$")
_EVENT_TYPE = {"type": "string", "pattern": _TYPE}
_SEVERAL = {"type": "array", "items": _EVENT_TYPE, "uniqueItems": True}
_NULL = {"type": "null"}
_FILTERED = {
    "type": "object",
    "propertyNames": {"pattern": _TYPE},
    "additionalProperties": {"anyOf": [{"$ref": f"#/$defs/{SubscriptionForm.__name__}"}, _NULL]},
    "minProperties": 1,
}
_EVENT = {"anyOf": [{"$ref": f"#/$defs/{EventForm.__name__}"}, _NULL]}

# What the form's own validators take, which are code: no schema can be made of that.
DURATIONS: Mapping[Callable[..., Any], str] = {
    form.seconds: _whole(form.DURATION.pattern),
    form.longer_than_nothing: _whole(form.DURATION.pattern, but="[0.]+[a-z]"),
}

SHAPES: Mapping[tuple[type[BaseModel], str], Mapping[str, Any]] = {
    (Form, "pipeline"): {"type": "string", "pattern": _PIPELINE},
    (Form, "package"): {"type": ["string", "null"], "pattern": _whole(form.PACKAGE.pattern)},
    (Form, "events"): {
        "type": ["object", "null"],
        "propertyNames": {"pattern": _TYPE},
        "additionalProperties": _EVENT,
    },
    (Form, "stages"): {
        "type": "object",
        "propertyNames": {"pattern": _whole(STAGE.pattern)},
        "additionalProperties": {"$ref": f"#/$defs/{StageForm.__name__}"},
        "minProperties": 1,
    },
    (StageForm, "subscribes"): {
        "anyOf": [
            _EVENT_TYPE,
            {
                "type": "array",
                "items": {"anyOf": [_EVENT_TYPE, {**_FILTERED, "maxProperties": 1}]},
                "minItems": 1,
                "uniqueItems": True,
            },
            _FILTERED,
        ]
    },
    (StageForm, "with"): {"type": ["object", "null"]},
    (SubscriptionForm, "when"): {"type": "string", "pattern": r"\S"},
    (StageForm, "emits"): {"anyOf": [_EVENT_TYPE, _SEVERAL]},
    (StageForm, "run"): {"type": ["string", "null"], "pattern": _whole(form.RUN.pattern)},
}
"""By form and key, what is taken where the form leaves the rest to code of its own or the linter;
a key that does not stand here is as the form's annotations say."""


class _ForEditors(GenerateJsonSchema):
    def function_before_schema(self, schema: Any) -> dict[str, Any]:
        pattern = DURATIONS.get(schema["function"]["function"])
        if pattern is not None:
            return {"type": "string", "pattern": pattern}
        return super().function_before_schema(schema)


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a topology file."""
    made = Form.model_json_schema(mode="validation", schema_generator=_ForEditors)
    definitions = made.pop("$defs")
    for model, descriptions in DESCRIPTIONS.items():
        described = made if model is Form else definitions[model.__name__]
        described.pop("title", None)
        described.pop("description", None)
        properties = described["properties"]
        described["properties"] = {
            key: {
                "description": descriptions[key],
                **SHAPES.get((model, key), _plain(written)),
            }
            for key, written in properties.items()
        }
    return {
        "$schema": DIALECT,
        "title": "A topology of Farandole",
        **made,
        # Without a package each stage must say itself where its function is.
        "anyOf": [
            {"required": ["package"], "properties": {"package": {"type": "string"}}},
            {"properties": {"stages": {"additionalProperties": {"$ref": "#/$defs/HasRun"}}}},
        ],
        "$defs": {
            **definitions,
            "HasRun": {"required": ["run"], "properties": {"run": {"type": "string"}}},
        },
    }


def _plain(written: Mapping[str, Any]) -> dict[str, Any]:
    """Without titles that repeat the key, and without defaults that are no words of the file."""
    kept = {key: value for key, value in written.items() if key != "title"}
    if not isinstance(kept.get("default"), int):
        kept.pop("default", None)
    return kept
