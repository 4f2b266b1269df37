"""Which topics and bindings does a linted file stand for?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from farandole.broker.admin import NewTopicSpec
from farandole.events import retry
from farandole.events.names import Names
from farandole.events.topology import (
    Alerts,
    Breaker,
    Event,
    Expect,
    Parking,
    Retry,
    Route,
    Stage,
    Version,
)
from farandole.router import flow, schemas, system
from farandole.router.form import AlertsForm, EventForm, Form, RouteForm
from farandole.stages.schema import digest
from farandole.stages.signature import Signature

LARGEST_EVENT = 1024 * 1024  # bytes, with its headers and Kafka's own overhead
DEAD_HEADROOM = 256 * 1024  # bytes for the account of why an event of the largest size is dead
DEAD_RETENTION = 30 * 86400.0  # seconds


@dataclass(frozen=True, slots=True)
class Derived:
    """What a version says, before it has a number and boundaries, and the topics it needs."""

    pipeline: str
    events: Mapping[str, Event]
    stages: Mapping[str, Stage]
    topics: Mapping[str, NewTopicSpec]
    """By name, the namespace included."""
    alerts: Alerts = field(default_factory=Alerts)
    expect: Expect = field(default_factory=Expect)


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
    stages = _parking(
        {name: _stage(form, signatures, name) for name in form.stages},
        events,
        form.pipeline,
        names,
    )
    topics = _topics(form, events, names) | _retries(stages)
    return Derived(
        form.pipeline,
        events,
        stages,
        topics,
        _alerts(form.alerts),
        Expect(**form.expect.model_dump(exclude_none=True)),
    )


def restored(version: Version, names: Names) -> Derived:
    """What an earlier version stands for. No version knows how long its topics keep what they hold:
    those that exist go on as they are."""
    topics = {
        event.topic: NewTopicSpec(event.partitions, _kept(None, LARGEST_EVENT))
        for event in version.events.values()
    }
    stages = _parking(version.stages, version.events, version.pipeline, names)
    topics |= {names.dead(version.pipeline, stage): _dead() for stage in version.stages}
    topics |= system.topics(names) | _retries(stages)
    events = {n: e.model_copy(update={"boundaries": ()}) for n, e in version.events.items()}
    return Derived(
        version.pipeline,
        events,
        stages,
        topics,
        version.alerts,
        version.expect,
    )


def _stage(form: Form, signatures: Mapping[str, Signature], name: str) -> Stage:
    written, defaults = form.stages[name], form.defaults
    signature = signatures.get(name)
    # A default for all stages leaves those alone that cannot run in a thread.
    in_threads = signature is None or not signature.kind.startswith("async")
    return Stage(
        run=form.function(name) or "",
        subscribes=written.subscribes,
        emits=written.emits,
        retry=Retry(**_either(defaults.retry, written.retry)),
        breaker=Breaker(**_either(defaults.breaker, written.breaker)),
        timeout=defaults.timeout if written.timeout is None else written.timeout,
        threads=(defaults.threads if in_threads else 0)
        if written.threads is None
        else written.threads,
        processes=defaults.processes if written.processes is None else written.processes,
        age=defaults.age if written.age is None else written.age,
        when=written.when,
        parameters=written.parameters or {},
        accepts=_accepts(signature),
        code=_code(signature),
    )


def _alerts(written: AlertsForm) -> Alerts:
    last = [written] if written.channels else []  # it takes what the routes leave
    pace = written.model_dump(exclude_none=True, exclude={"routes", "email", "webhook"})
    return Alerts(routes=(*map(_route, written.routes), *map(_route, last)), **pace)


def _route(told: RouteForm | AlertsForm) -> Route:
    fits = {"stages": told.stages, "errors": told.errors} if isinstance(told, RouteForm) else {}
    return Route(email=told.email, webhook=told.webhook, channels=told.channels, **fits)


def _code(signature: Signature | None) -> str:
    if signature is None or signature.passes:
        return ""
    return digest(signature.takes, signature.gives)


def _accepts(signature: Signature | None) -> dict[str, object] | None:
    if signature is None or signature.passes:
        return None
    return dict(schemas.accepted(signature.takes)) or None


def _either(default: BaseModel, written: BaseModel) -> dict[str, Any]:
    """What a stage says, and what it does not say as the defaults have it."""
    return default.model_dump(exclude_none=True) | written.model_dump(exclude_none=True)


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
    return topics | system.topics(names)


def _parking(
    stages: Mapping[str, Stage], events: Mapping[str, Event], pipeline: str, names: Names
) -> dict[str, Stage]:
    """The stages with the topics in which their events wait."""
    return {
        name: stage.model_copy(
            update={
                "parking": Parking(
                    topic=names.retry(pipeline, name),
                    partitions=max(events[t].partitions for t in stage.subscribes),
                )
            }
        )
        for name, stage in stages.items()
    }


def _retries(stages: Mapping[str, Stage]) -> dict[str, NewTopicSpec]:
    # Small segments, soon compacted: a lane reads its partition whole at each birth.
    configs = {
        "cleanup.policy": "compact",
        "max.message.bytes": str(LARGEST_EVENT + retry.ROOM),
        "segment.bytes": str(16 * 1024 * 1024),
        "min.cleanable.dirty.ratio": "0.1",
        "max.compaction.lag.ms": "600000",
    }
    return {
        stage.parking.topic: NewTopicSpec(stage.parking.partitions, configs, grows=True)
        for stage in stages.values()
        if stage.parking is not None
    }


def _dead() -> NewTopicSpec:
    # One partition: a stage's failures have one reader and one order.
    return NewTopicSpec(1, _kept(DEAD_RETENTION, LARGEST_EVENT + DEAD_HEADROOM))


def _kept(seconds: float | None, largest: int) -> dict[str, str]:
    configs = {"cleanup.policy": "delete", "max.message.bytes": str(largest)}
    if seconds is not None:
        configs["retention.ms"] = str(round(seconds * 1000))
    return configs
