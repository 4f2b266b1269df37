"""Which topics and bindings does a linted file stand for?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from farandole.broker.cluster_admin import TopicSpec
from farandole.events import retry_record
from farandole.events.file_keys import file_keys
from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import (
    AlertPolicy,
    AlertRoute,
    BreakerPolicy,
    EventSpec,
    RetryPolicy,
    RetryTopic,
    RunExpectation,
    StageSpec,
    Version,
)
from farandole.router import schema_propagation, stage_schemas, system_topics
from farandole.router.file_model import AlertsSection, EventSection, RouteSection, TopologyFile
from farandole.stages.function_signature import StageSignature
from farandole.stages.json_schema import accepted_schema, schema_digest

MAX_EVENT_BYTES = 1024 * 1024  # bytes, with its headers and Kafka's own overhead
DEAD_LETTER_HEADROOM_BYTES = (
    256 * 1024
)  # bytes for the account of why an event of the largest size is dead
DEAD_LETTER_RETENTION_SECONDS = 30 * 86400.0  # seconds


@dataclass(frozen=True, slots=True)
class DerivedTopology:
    """What a version says, before it has a number and boundaries, and the topics it needs."""

    pipeline: str
    events: Mapping[str, EventSpec]
    stages: Mapping[str, StageSpec]
    topics: Mapping[str, TopicSpec]
    """By name, the namespace included."""
    alerts: AlertPolicy = field(default_factory=AlertPolicy)
    expect: RunExpectation = field(default_factory=RunExpectation)


def derive_topology(
    form: TopologyFile, signatures: Mapping[str, StageSignature], names: KafkaNames
) -> DerivedTopology:
    """Resolve a form that has no errors; without signatures the events have no schemas."""
    events = {
        event_type: EventSpec(
            topic=names.event_topic(form.pipeline, event_type),
            partitions=form.partitions(event_type),
            key=form.events.get(event_type, EventSection()).key,
            data_schema=_event_schema(form, signatures, event_type),
        )
        for event_type in form.event_types()
    }
    stages = _with_retry_topics(
        {name: _derive_stage(form, signatures, name) for name in form.stages},
        events,
        form.pipeline,
        names,
    )
    topics = _event_topic_specs(form, events, names) | _retry_topic_specs(stages)
    return DerivedTopology(
        form.pipeline,
        events,
        stages,
        topics,
        _derive_alerts(form.alerts),
        RunExpectation(**form.expect.model_dump(exclude_none=True)),
    )


def derive_from_version(version: Version, names: KafkaNames) -> DerivedTopology:
    """What an earlier version stands for. No version knows how long its topics keep what they hold:
    those that exist go on as they are."""
    topics = {
        event.topic: TopicSpec(event.partitions, _retention_configs(None, MAX_EVENT_BYTES))
        for event in version.events.values()
    }
    stages = _with_retry_topics(version.stages, version.events, version.pipeline, names)
    topics |= {
        names.dead_topic(version.pipeline, stage): _dead_letter_topic_spec()
        for stage in version.stages
    }
    topics |= system_topics.system_topic_specs(names) | _retry_topic_specs(stages)
    events = {n: e.model_copy(update={"boundaries": ()}) for n, e in version.events.items()}
    return DerivedTopology(
        version.pipeline,
        events,
        stages,
        topics,
        version.alerts,
        version.expect,
    )


def _derive_stage(
    form: TopologyFile, signatures: Mapping[str, StageSignature], name: str
) -> StageSpec:
    written, defaults = form.stages[name], form.defaults
    signature = signatures.get(name)
    values = {
        key: defaults.value(key) if written.value(key) is None else written.value(key)
        for key in file_keys(StageSpec)
    }
    # A default for all stages does not apply to functions that cannot run in a thread.
    if written.value("threads") is None and signature and signature.kind.startswith("async"):
        values["threads"] = 0
    return StageSpec(
        run=form.function(name) or "",
        subscribes=written.subscribes,
        emits=written.emits,
        retry=RetryPolicy(**_with_defaults(defaults.retry, written.retry)),
        breaker=BreakerPolicy(**_with_defaults(defaults.breaker, written.breaker)),
        when=written.when,
        parameters=written.parameters or {},
        accepts=_accepted_by_function(signature),
        code=_function_digest(signature),
        **values,
    )


def _derive_alerts(written: AlertsSection) -> AlertPolicy:
    last = [written] if written.channels else []  # it takes what the routes leave
    pace = written.model_dump(exclude_none=True, exclude={"routes", "email", "webhook"})
    return AlertPolicy(
        routes=(*map(_derive_route, written.routes), *map(_derive_route, last)), **pace
    )


def _derive_route(told: RouteSection | AlertsSection) -> AlertRoute:
    fits = {"stages": told.stages, "errors": told.errors} if isinstance(told, RouteSection) else {}
    return AlertRoute(email=told.email, webhook=told.webhook, channels=told.channels, **fits)


def _function_digest(signature: StageSignature | None) -> str:
    if signature is None or signature.is_passthrough:
        return ""
    return schema_digest(signature.input_schema, signature.output_schemas)


def _accepted_by_function(signature: StageSignature | None) -> dict[str, object] | None:
    if signature is None or signature.is_passthrough:
        return None
    return dict(accepted_schema(signature.input_schema)) or None


def _with_defaults(default: BaseModel, written: BaseModel) -> dict[str, Any]:
    """What a stage says, and what it does not say as the defaults have it."""
    return default.model_dump(exclude_none=True) | written.model_dump(exclude_none=True)


def _event_schema(
    form: TopologyFile, signatures: Mapping[str, StageSignature], event_type: str
) -> dict[str, object] | None:
    outputs = [
        types for _, types in schema_propagation.schema_producers(form, signatures, event_type)
    ]
    inputs = [
        takes for _, takes in schema_propagation.schema_consumers(form, signatures, event_type)
    ]
    schema = stage_schemas.published_schema(outputs, inputs)
    return dict(schema) if schema is not None else None


def _event_topic_specs(
    form: TopologyFile, events: Mapping[str, EventSpec], names: KafkaNames
) -> dict[str, TopicSpec]:
    topics = {}
    for event_type, event in events.items():
        declared = form.events.get(event_type, EventSection()).retention
        retention = form.defaults.retention if declared is None else declared
        topics[event.topic] = TopicSpec(
            event.partitions, _retention_configs(retention, MAX_EVENT_BYTES)
        )
    for stage in form.stages:
        topics[names.dead_topic(form.pipeline, stage)] = _dead_letter_topic_spec()
    return topics | system_topics.system_topic_specs(names)


def _with_retry_topics(
    stages: Mapping[str, StageSpec],
    events: Mapping[str, EventSpec],
    pipeline: str,
    names: KafkaNames,
) -> dict[str, StageSpec]:
    """The stages with the topics in which their events wait."""
    return {
        name: stage.model_copy(
            update={
                "parking": RetryTopic(
                    topic=names.retry_topic(pipeline, name),
                    partitions=max(events[t].partitions for t in stage.subscribes),
                )
            }
        )
        for name, stage in stages.items()
    }


def _retry_topic_specs(stages: Mapping[str, StageSpec]) -> dict[str, TopicSpec]:
    # Small segments, soon compacted: a lane reads its partition whole at each birth.
    configs = {
        "cleanup.policy": "compact",
        "max.message.bytes": str(MAX_EVENT_BYTES + retry_record.RETRY_HEADROOM),
        "segment.bytes": str(16 * 1024 * 1024),
        "min.cleanable.dirty.ratio": "0.1",
        "max.compaction.lag.ms": "600000",
    }
    return {
        stage.parking.topic: TopicSpec(stage.parking.partitions, configs, grows=True)
        for stage in stages.values()
        if stage.parking is not None
    }


def _dead_letter_topic_spec() -> TopicSpec:
    # One partition: a stage's failures have one reader and one order.
    return TopicSpec(
        1,
        _retention_configs(
            DEAD_LETTER_RETENTION_SECONDS, MAX_EVENT_BYTES + DEAD_LETTER_HEADROOM_BYTES
        ),
    )


def _retention_configs(seconds: float | None, largest: int) -> dict[str, str]:
    configs = {"cleanup.policy": "delete", "max.message.bytes": str(largest)}
    if seconds is not None:
        configs["retention.ms"] = str(round(seconds * 1000))
    return configs
