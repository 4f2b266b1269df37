"""Which topics and bindings does a linted file stand for?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from broker.admin import NewTopicSpec
from events.names import Names
from events.topology import Event, Retry, Stage, Version
from router import flow, schemas
from router.form import EventForm, Form, RetryForm
from stages.schema import digest
from stages.signature import Signature

LARGEST_EVENT = 1024 * 1024  # bytes, with its headers and Kafka's own overhead
DEAD_HEADROOM = 256 * 1024  # bytes for the account of why an event of the largest size is dead
DEAD_RETENTION = 30 * 86400.0  # seconds
LARGEST_VERSION = 8 * 1024 * 1024  # bytes: a version holds the schema of every event


@dataclass(frozen=True, slots=True)
class Derived:
    """What a version says, before it has a number and boundaries, and the topics it needs."""

    pipeline: str
    events: Mapping[str, Event]
    stages: Mapping[str, Stage]
    topics: Mapping[str, NewTopicSpec]
    """By name, the namespace included."""


def derive(form: Form, signatures: Mapping[str, Signature], names: Names) -> Derived:
    """Resolve a form that has no errors; without signatures the events have no schemas."""
    events = {
        event_type: Event(
            topic=names.topic(form.pipeline, event_type),
            partitions=form.partitions(event_type),
            key=form.events.get(event_type, EventForm()).key,
            data_schema=_data_schema(form, signatures, event_type),
        )
        for event_type in form.event_types()
    }
    stages = {name: _stage(form, signatures, name) for name in form.stages}
    return Derived(form.pipeline, events, stages, _topics(form, events, names))


def restored(version: Version, names: Names) -> Derived:
    """What an earlier version stands for. No version knows how long its topics keep what they hold:
    those that exist go on as they are."""
    topics = {
        event.topic: NewTopicSpec(event.partitions, _kept(None, LARGEST_EVENT))
        for event in version.events.values()
    }
    topics |= {names.dead(version.pipeline, stage): _dead() for stage in version.stages}
    topics[names.topology] = versions_topic()
    events = {n: e.model_copy(update={"boundaries": ()}) for n, e in version.events.items()}
    return Derived(version.pipeline, events, dict(version.stages), topics)


def _stage(form: Form, signatures: Mapping[str, Signature], name: str) -> Stage:
    written, defaults = form.stages[name], form.defaults
    signature = signatures.get(name)
    # A default for all stages leaves those alone that cannot run in a thread.
    in_threads = signature is None or not signature.kind.startswith("async")
    return Stage(
        run=form.function(name) or "",
        subscribes=written.subscribes,
        emits=written.emits,
        retry=_retry(defaults.retry, written.retry),
        timeout=defaults.timeout if written.timeout is None else written.timeout,
        threads=(defaults.threads if in_threads else 0)
        if written.threads is None
        else written.threads,
        processes=defaults.processes if written.processes is None else written.processes,
        when=written.when,
        parameters=written.parameters or {},
        accepts=_accepts(signature),
        code=_code(signature),
    )


def _code(signature: Signature | None) -> str:
    if signature is None or signature.passes:
        return ""
    return digest(signature.takes, signature.gives)


def _accepts(signature: Signature | None) -> dict[str, object] | None:
    if signature is None or signature.passes:
        return None
    return dict(schemas.accepted(signature.takes)) or None


def _retry(default: RetryForm, written: RetryForm) -> Retry:
    return Retry(**(default.model_dump(exclude_none=True) | written.model_dump(exclude_none=True)))


def _data_schema(
    form: Form, signatures: Mapping[str, Signature], event_type: str
) -> dict[str, object] | None:
    outputs = [types for _, types in flow.producers(form, signatures, event_type)]
    inputs = [takes for _, takes in flow.consumers(form, signatures, event_type)]
    schema = schemas.published(outputs, inputs)
    return dict(schema) if schema is not None else None


def _topics(form: Form, events: Mapping[str, Event], names: Names) -> dict[str, NewTopicSpec]:
    topics = {}
    for event_type, event in events.items():
        declared = form.events.get(event_type, EventForm()).retention
        retention = form.defaults.retention if declared is None else declared
        topics[event.topic] = NewTopicSpec(event.partitions, _kept(retention, LARGEST_EVENT))
    for stage in form.stages:
        topics[names.dead(form.pipeline, stage)] = _dead()
    topics[names.topology] = versions_topic()
    return topics


def versions_topic() -> NewTopicSpec:
    """How the topic of all versions is created."""
    return NewTopicSpec(1, {"cleanup.policy": "compact", "max.message.bytes": str(LARGEST_VERSION)})


def _dead() -> NewTopicSpec:
    # One partition: a stage's failures have one reader and one order.
    return NewTopicSpec(1, _kept(DEAD_RETENTION, LARGEST_EVENT + DEAD_HEADROOM))


def _kept(seconds: float | None, largest: int) -> dict[str, str]:
    configs = {"cleanup.policy": "delete", "max.message.bytes": str(largest)}
    if seconds is not None:
        configs["retention.ms"] = str(round(seconds * 1000))
    return configs
