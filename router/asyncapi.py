"""How is a pipeline described in AsyncAPI?

AsyncAPI 3.1 with the Kafka bindings 0.5.0. Its schemas are those of JSON Schema draft 7, so ours
(2020-12) are converted, and say what generators of models need: which integers need 64 bits, and
what a union is called. https://www.asyncapi.com/docs/reference/specification/v3.1.0
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic_core import to_json

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import EventSpec, StageSpec
from farandole.router.topology_derivation import DerivedTopology

_VERSION = "3.1.0"
_BINDING = "0.5.0"
_JSON = "application/json"

# Event types have no capitals and no double dash, so these names cannot be event types.
_EMITTED_HEADERS, _OPTIONAL_HEADERS = "CloudEvent", "CloudEventOrBare"
_DEFINITION_SEPARATOR = "--"

_ATTRIBUTES = {
    "ce_specversion": "The version of CloudEvents.",
    "ce_id": "The position of what caused the event, and an index.",
    "ce_source": "The installation, pipeline and stage that emitted it.",
    "ce_type": "The event type.",
    "ce_time": "When it was emitted, RFC 3339.",
    "ce_runid": "All that one root caused has one run id.",
    "ce_topologyversion": "The version that wires it, for example order-lines@7.",
    "ce_correlationid": "What the root's publisher called its run.",
    "ce_schedule": "The schedule that published the root.",
    "ce_plannedtime": "The planned time for which it did, RFC 3339.",
    "content-type": "The media type of the value.",
    "traceparent": "W3C Trace Context, where the root was traced.",
}
_REQUIRED = ("ce_specversion", "ce_id", "ce_source", "ce_type")

_SCHEMA_MAP_KEYWORDS = ("properties", "patternProperties", "dependentSchemas")
_SCHEMA_LIST_KEYWORDS = ("anyOf", "oneOf", "allOf")
_SCHEMA_KEYWORDS = frozenset(
    {"additionalProperties", "items", "not", "if", "then", "else", "contains"}
    | {"propertyNames", "contentSchema"}
)


class KafkaServer(NamedTuple):
    """A Kafka cluster: `host:port[,host:port…]`, and how clients connect to it."""

    bootstrap: str
    tls: bool = False
    sasl_mechanism: str | None = None


def asyncapi_document(
    derived: DerivedTopology,
    names: KafkaNames,
    server: KafkaServer | None = None,
    *,
    licence: str = "proprietary",
) -> dict[str, Any]:
    """Return the AsyncAPI document of a derived file. The same file always gives the same
    document. `licence`: the name of the licence of what it describes."""
    servers = _server_objects(server)
    emitted = {event_type for stage in derived.stages.values() for event_type in stage.emits}
    described = {
        "defaultContentType": _JSON,
        **({"servers": servers} if servers else {}),
        "channels": {
            event_type: _channel_object(derived, event_type, event, servers)
            for event_type, event in derived.events.items()
        },
        "operations": dict(_operation_objects(derived, names)),
        "components": {
            "schemas": {
                _EMITTED_HEADERS: _headers_schema(_REQUIRED),
                _OPTIONAL_HEADERS: _headers_schema(()),
                **dict(_component_schemas(derived.events)),
            },
            "messages": {
                event_type: _message_object(event_type, event, emitted)
                for event_type, event in derived.events.items()
            },
            **_security_schemes(server),
        },
    }
    about = {
        "title": derived.pipeline,
        "version": _content_version(derived),
        "description": f"The events of the pipeline {derived.pipeline}, CloudEvents 1.0 in binary"
        " mode, and the stages that receive and send them.",
        "contact": _contact(derived),
        "license": {"name": licence},
        "tags": [
            {"name": "farandole", "description": "A pipeline of Farandole."},
            {"name": "kafka", "description": "Its channels are Kafka topics."},
        ],
    }
    return {"asyncapi": _VERSION, "info": about, **described}


def _contact(derived: DerivedTopology) -> dict[str, str]:
    """Return whom to ask: who is notified of failures, if that is a mailbox."""
    mailboxes = [mailbox for route in derived.alerts.routes for mailbox in route.email]
    return {"name": derived.pipeline, **({"email": mailboxes[0]} if mailboxes else {})}


def _content_version(derived: DerivedTopology) -> str:
    """Return a version made from the content: a file has no number before it is published."""
    named = [
        [name, described.model_dump(mode="json")]
        for part in (derived.events, derived.stages)
        for name, described in part.items()
    ]
    return hashlib.sha256(to_json([derived.pipeline, named])).hexdigest()[:12]


def _server_objects(server: KafkaServer | None) -> dict[str, Any]:
    if server is None:
        return {}
    security = (
        {"security": [{"$ref": "#/components/securitySchemes/sasl"}]}
        if server.sasl_mechanism
        else {}
    )
    hosts = [host.strip() for host in server.bootstrap.split(",")]
    return {
        "kafka" if index == 1 else f"kafka-{index}": {
            "host": host,
            "protocol": "kafka-secure" if server.tls else "kafka",
            **security,
        }
        for index, host in enumerate(hosts, start=1)
    }


def _security_schemes(server: KafkaServer | None) -> dict[str, Any]:
    if server is None or server.sasl_mechanism is None:
        return {}
    kinds = {"PLAIN": "plain", "SCRAM-SHA-256": "scramSha256", "SCRAM-SHA-512": "scramSha512"}
    return {"securitySchemes": {"sasl": {"type": kinds[server.sasl_mechanism]}}}


def _channel_object(
    derived: DerivedTopology, event_type: str, event: EventSpec, servers: Iterable[str]
) -> dict[str, Any]:
    spec = derived.topics.get(event.topic)
    configs = spec.configs if spec else {}
    configuration: dict[str, Any] = {}
    if "cleanup.policy" in configs:
        configuration["cleanup.policy"] = configs["cleanup.policy"].split(",")
    for name in ("retention.ms", "max.message.bytes"):
        if name in configs:
            configuration[name] = int(configs[name])
    schedules = [name for name, each in derived.schedules.items() if each.triggers == event_type]
    triggered = {"description": f"Schedules that publish it: {', '.join(schedules)}."}
    return {
        "address": event.topic,
        **(triggered if schedules else {}),
        "messages": {event_type: {"$ref": f"#/components/messages/{event_type}"}},
        **_unless_empty("servers", ({"$ref": f"#/servers/{name}"} for name in servers)),
        "bindings": {
            "kafka": {
                "topic": event.topic,
                "partitions": event.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": _BINDING,
            }
        },
    }


def _unless_empty(key: str, items: Iterable[Any]) -> dict[str, Any]:
    values = list(items)
    return {key: values} if values else {}


def _message_object(event_type: str, event: EventSpec, emitted: set[str]) -> dict[str, Any]:
    headers = _EMITTED_HEADERS if event_type in emitted else _OPTIONAL_HEADERS
    key = {"type": "string", "description": f"The value of {event.key}, as text."}
    return {
        "name": event_type,
        "title": (event.data_schema or {}).get("title", event_type),
        "contentType": _JSON,
        "headers": {"$ref": f"#/components/schemas/{headers}"},
        "payload": {"$ref": f"#/components/schemas/{event_type}"},
        "bindings": {"kafka": {**({"key": key} if event.key else {}), "bindingVersion": _BINDING}},
    }


def _operation_objects(
    derived: DerivedTopology, names: KafkaNames
) -> Iterable[tuple[str, dict[str, Any]]]:
    for name, stage in derived.stages.items():
        # Of a relayed stage, a program reads the events, in a group of its own.
        group_of = names.outside_group if stage.is_relayed else names.stage_group
        group = {"type": "string", "const": group_of(derived.pipeline, name)}
        bindings = {"kafka": {"groupId": group, "bindingVersion": _BINDING}}
        for event_type in stage.subscribes:
            condition = stage.when.get(event_type)
            yield (
                f"{name}.receive.{event_type}",
                _operation_object("receive", event_type, name, stage)
                | ({"x-when": condition} if condition else {})
                | {"bindings": bindings},
            )
        for event_type in stage.emits:
            yield (
                f"{name}.send.{event_type}",
                _operation_object("send", event_type, name, stage),
            )


def _operation_object(action: str, event_type: str, name: str, stage: StageSpec) -> dict[str, Any]:
    worker = "A program of another language" if stage.external else f"The function {stage.run}"
    condition = stage.when.get(event_type) if action == "receive" else None
    described = f"{worker} {action}s {event_type} as the stage {name}"
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{event_type}"},
        "messages": [{"$ref": f"#/channels/{event_type}/messages/{event_type}"}],
        "summary": f"{name} {action}s {event_type}",
        "description": f"{described}, if {condition}." if condition else f"{described}.",
        "tags": [{"name": name, "description": f"The stage {name}."}],
        **({"x-external": stage.external} if stage.external else {"x-run": stage.run}),
    }


def _headers_schema(required: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        **_unless_empty("required", required),
        "properties": {
            name: {"type": "string", "description": text} for name, text in _ATTRIBUTES.items()
        },
    }


def _component_schemas(events: Mapping[str, EventSpec]) -> Iterable[tuple[str, Any]]:
    """Yield each event's schema under its type, and the definitions it refers to under names
    below."""
    for event_type, event in events.items():
        schema = event.data_schema or {}
        yield event_type, _to_draft_7(schema, event_type)
        for name, definition in schema.get("$defs", {}).items():
            yield f"{event_type}{_DEFINITION_SEPARATOR}{name}", _to_draft_7(definition, event_type)


def _needs_64_bits(schema: Mapping[str, Any]) -> bool:
    """Return True for an integer that does not fit into 32 bits by what its schema says, but into
    64 bits: generators of models would make an `int` of it."""
    if schema.get("type") != "integer" or "format" in schema:
        return False
    lowest = schema.get("minimum", schema.get("exclusiveMinimum"))
    highest = schema.get("maximum", schema.get("exclusiveMaximum"))
    known = schema.get("enum") or ([schema["const"]] if "const" in schema else [lowest, highest])
    if any(value is not None and not -(2**63) <= value < 2**63 for value in known):
        return False
    return any(value is None or not -(2**31) <= value < 2**31 for value in known)


def _titled_unions(schema: Any, title: str) -> Any:
    """Return a schema in which each union without a title has one: generators of models would
    number them."""
    if not isinstance(schema, dict):
        return schema
    if "items" in schema:
        schema = {**schema, "items": _titled_unions(schema["items"], f"{title} item")}
    if "title" in schema or not ("anyOf" in schema or "oneOf" in schema):
        return schema
    words = re.findall(r"\w+", title.replace("_", " "))
    return {"title": "".join(word[:1].upper() + word[1:] for word in words), **schema}


def _to_draft_7(schema: Any, owner: str) -> Any:
    """Return a schema of 2020-12 in draft 7, with its `$defs` in `#/components/schemas`.

    It descends only into keywords that contain schemas: a field may be called `$ref`.
    """
    if not isinstance(schema, Mapping):
        return schema
    converted: dict[str, Any] = {}
    for word, value in schema.items():
        if word in ("$defs", "$schema", "prefixItems", "$ref"):
            continue
        if word in ("default", "examples") and b'"$ref"' in to_json(value):
            continue  # this is data, but readers would follow the reference
        if word == "properties":
            title = schema.get("title", owner)
            converted[word] = {
                name: _titled_unions(_to_draft_7(inner, owner), f"{title} {name}")
                for name, inner in value.items()
            }
        elif word in _SCHEMA_MAP_KEYWORDS:
            converted[word] = {name: _to_draft_7(inner, owner) for name, inner in value.items()}
        elif word in _SCHEMA_LIST_KEYWORDS:
            converted[word] = [_to_draft_7(inner, owner) for inner in value]
        elif word in _SCHEMA_KEYWORDS:
            converted[word] = _to_draft_7(value, owner)
        elif word == "discriminator" and isinstance(value, Mapping):
            # pydantic writes the form of OpenAPI; AsyncAPI has only the name
            converted[word] = value["propertyName"]
        else:
            converted[word] = value
    if _needs_64_bits(schema):
        converted["format"] = "int64"
    if "prefixItems" in schema:
        if "items" in converted:
            converted["additionalItems"] = converted["items"]
        converted["items"] = [_to_draft_7(inner, owner) for inner in schema["prefixItems"]]
    if "$ref" in converted.get("properties", {}):
        # The official parser fails at such a name, but not at a pattern for it.
        field = converted["properties"].pop("$ref")
        converted["patternProperties"] = {
            **converted.get("patternProperties", {}),
            r"^\$ref$": field,
        }
    if "$ref" not in schema:
        return converted
    name = schema["$ref"].rpartition("/")[2]
    reference = {"$ref": f"#/components/schemas/{owner}{_DEFINITION_SEPARATOR}{name}"}
    # Draft 7 ignores keywords beside a reference.
    return (
        {"allOf": [reference, *converted.pop("allOf", ())], **converted} if converted else reference
    )
