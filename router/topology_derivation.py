"""Which events, stages and topics does a file without errors describe?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from farandole.broker.topic_spec import TopicSpec
from farandole.events.check_spec import CheckSpec, ProfileSpec
from farandole.events.feature_flags import FlagSpec, read_flag_value
from farandole.events.file_keys import file_keys
from farandole.events.kafka_names import KafkaNames
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.throttle_spec import ThrottleSpec
from farandole.events.topology_version import (
    AlertPolicy,
    AlertRoute,
    BreakerPolicy,
    EscalationStep,
    EventSpec,
    QualityPolicy,
    RetryPolicy,
    RunExpectation,
    StageSpec,
    StageTopic,
    Version,
    version_format,
)
from farandole.router import schema_propagation, stage_schemas
from farandole.router.file_model import (
    AlertsSection,
    EventSection,
    FlagSection,
    RouteSection,
    ThrottleSection,
    TopologyFile,
)
from farandole.router.schedule_derivation import derive_schedule
from farandole.router.system_topics import system_topic_specs
from farandole.router.topic_specs import (
    MAX_EVENT_BYTES,
    dead_letter_topic_spec,
    event_topic_specs,
    raw_topic_specs,
    retention_configs,
    retry_topic_specs,
    state_topic_specs,
)
from farandole.stages.function_signature import StageSignature
from farandole.stages.json_schema import accepted_schema, schema_digest


@dataclass(frozen=True, slots=True)
class DerivedTopology:
    """The content of a version, before it has a number and boundaries, and the topics it needs."""

    pipeline: str
    events: Mapping[str, EventSpec]
    stages: Mapping[str, StageSpec]
    topics: Mapping[str, TopicSpec]
    """By name, including the namespace."""
    alerts: AlertPolicy = field(default_factory=AlertPolicy)
    expect: RunExpectation = field(default_factory=RunExpectation)
    quality: QualityPolicy = field(default_factory=QualityPolicy)
    flags: Mapping[str, FlagSpec] = field(default_factory=dict)
    throttle: str | None = None
    limits: Mapping[str, str] = field(default_factory=dict)
    schedules: Mapping[str, ScheduleSpec] = field(default_factory=dict)


def derive_topology(
    topology: TopologyFile, signatures: Mapping[str, StageSignature], names: KafkaNames
) -> DerivedTopology:
    """Return the topology that a file without errors describes. Without signatures the events have
    no schemas."""
    events = {
        event_type: EventSpec(
            topic=names.event_topic(topology.pipeline, event_type),
            partitions=topology.partitions(event_type),
            key=topology.events.get(event_type, EventSection()).key,
            data_schema=_event_schema(topology, signatures, event_type),
            profile=_derive_profile(topology, event_type),
            checks=_derive_checks(topology, event_type),
        )
        for event_type in topology.event_types()
    }
    stages = _with_stage_topics(
        {name: _derive_stage(topology, signatures, name) for name in topology.stages},
        events,
        topology.pipeline,
        names,
    )
    topics = event_topic_specs(topology, events, names)
    topics |= retry_topic_specs(stages) | state_topic_specs(stages)
    topics |= raw_topic_specs(stages, topology.defaults.retention)
    return DerivedTopology(
        topology.pipeline,
        events,
        stages,
        topics,
        _derive_alerts(topology.alerts),
        RunExpectation(**topology.expect.model_dump(exclude_none=True)),
        QualityPolicy(**topology.quality.model_dump(exclude_none=True)),
        {name: _derive_flag(flag) for name, flag in topology.flags.items()},
        throttle=topology.throttle,
        limits=topology.limits,
        schedules={name: derive_schedule(each) for name, each in topology.schedules.items()},
    )


def make_version(
    derived: DerivedTopology,
    *,
    number: int,
    installation: UUID,
    published_by: str,
    ledger: int,
    rollback_of: int | None = None,
) -> Version:
    """Return a derived topology as the version of this number, published now, without the
    boundaries of its topics."""
    return Version(
        pipeline=derived.pipeline,
        version=number,
        installation=installation,
        published=datetime.now(UTC),
        published_by=published_by,
        events=dict(derived.events),
        stages=dict(derived.stages),
        alerts=derived.alerts,
        expect=derived.expect,
        quality=derived.quality,
        flags=dict(derived.flags),
        throttle=derived.throttle,
        limits=dict(derived.limits),
        schedules=dict(derived.schedules),
        ledger=ledger,
        rollback_of=rollback_of,
        format=version_format(derived.stages.values(), derived.events.values()),
    )


def derive_from_version(version: Version, names: KafkaNames) -> DerivedTopology:
    """Return the topology of an earlier version. A version does not contain the retention of
    topics, so existing topics keep theirs."""
    topics = {
        event.topic: TopicSpec(event.partitions, retention_configs(None, MAX_EVENT_BYTES))
        for event in version.events.values()
    }
    stages = _with_stage_topics(version.stages, version.events, version.pipeline, names)
    topics |= {
        names.dead_topic(version.pipeline, stage): dead_letter_topic_spec()
        for stage in version.stages
    }
    topics |= system_topic_specs(names) | raw_topic_specs(stages, None)
    topics |= retry_topic_specs(stages) | state_topic_specs(stages)
    events = {name: event.as_described for name, event in version.events.items()}
    return DerivedTopology(
        version.pipeline,
        events,
        stages,
        topics,
        version.alerts,
        version.expect,
        version.quality,
        version.flags,
        throttle=version.throttle,
        limits=version.limits,
        schedules=version.schedules,
    )


def _derive_stage(
    topology: TopologyFile, signatures: Mapping[str, StageSignature], name: str
) -> StageSpec:
    written, defaults = topology.stages[name], topology.defaults
    signature = signatures.get(name)
    values = {
        name: defaults.value(name)
        if key.inherited and written.value(name) is None
        else written.value(name)
        for name, key in file_keys(StageSpec).items()
    }
    # A default for all stages does not apply to functions that cannot run in a thread.
    if written.value("threads") is None and signature and signature.kind.startswith("async"):
        values["threads"] = 0
    return StageSpec(
        run=topology.function(name) or "",
        subscribes=written.subscribes,
        emits=written.emits,
        retry=RetryPolicy(**_with_defaults(defaults.retry, written.retry)),
        breaker=BreakerPolicy(**_with_defaults(defaults.breaker, written.breaker)),
        throttle=_derive_throttle(written.throttle),
        when=written.when,
        parameters=written.parameters or {},
        accepts=_accepted_by_function(signature),
        takes_batch=signature.takes_batch if signature else None,
        code="" if written.external else _function_digest(signature),
        external=written.external,
        **{name: value for name, value in values.items() if value is not None},
    )


def _derive_profile(topology: TopologyFile, event_type: str) -> ProfileSpec | None:
    written = topology.profile(event_type)
    if written is not None:
        return ProfileSpec(per=written.per)
    return ProfileSpec() if event_type in topology.compared_with() else None


def _derive_checks(topology: TopologyFile, event_type: str) -> dict[str, CheckSpec]:
    written = topology.events.get(event_type, EventSection()).checks
    return {
        name: CheckSpec(**check.model_dump(exclude_none=True)) for name, check in written.items()
    }


def _derive_throttle(written: ThrottleSection | None) -> ThrottleSpec | None:
    return None if written is None else ThrottleSpec(**written.model_dump())


def _derive_alerts(written: AlertsSection) -> AlertPolicy:
    last = [written] if written.channels else []  # it is used for failures that no route takes
    settings = written.model_dump(exclude_none=True, exclude={"routes", "email", "webhook"})
    return AlertPolicy(
        routes=(*map(_derive_route, written.routes), *map(_derive_route, last)), **settings
    )


def _derive_flag(written: FlagSection) -> FlagSpec:
    default = read_flag_value(written.type, written.default)
    return FlagSpec(type=written.type, default=default, description=written.description)


def _derive_route(written: RouteSection | AlertsSection) -> AlertRoute:
    if not isinstance(written, RouteSection):
        return AlertRoute(email=written.email, webhook=written.webhook, channels=written.channels)
    return AlertRoute(
        email=written.email,
        webhook=written.webhook,
        channels=written.channels,
        stages=written.stages,
        errors=written.errors,
        kinds=written.kinds,
        severity=written.severity,
        quiet=written.quiet,
        escalate=tuple(
            EscalationStep(after=s.after, email=s.email, webhook=s.webhook, channels=s.channels)
            for s in written.escalate
        ),
        repeat=written.repeat,
    )


def _function_digest(signature: StageSignature | None) -> str:
    if signature is None or signature.is_passthrough:
        return ""
    return schema_digest(signature.input_schema, signature.output_schemas)


def _accepted_by_function(signature: StageSignature | None) -> dict[str, object] | None:
    if signature is None or signature.is_passthrough:
        return None
    return dict(accepted_schema(signature.input_schema)) or None


def _with_defaults(default: BaseModel, written: BaseModel) -> dict[str, Any]:
    """Return the settings of a stage; those that it does not give come from the defaults."""
    return default.model_dump(exclude_none=True) | written.model_dump(exclude_none=True)


def _event_schema(
    topology: TopologyFile, signatures: Mapping[str, StageSignature], event_type: str
) -> dict[str, object] | None:
    outputs = [
        types for _, types in schema_propagation.schema_producers(topology, signatures, event_type)
    ]
    inputs = [
        takes for _, takes in schema_propagation.schema_consumers(topology, signatures, event_type)
    ]
    schema = stage_schemas.published_schema(outputs, inputs)
    return dict(schema) if schema is not None else None


def _with_stage_topics(
    stages: Mapping[str, StageSpec],
    events: Mapping[str, EventSpec],
    pipeline: str,
    names: KafkaNames,
) -> dict[str, StageSpec]:
    """Return the stages with the topics of their lanes: a raw topic if the stage is relayed, none
    for other external stages, else those of parked events and of state."""

    def with_topic(name: str, stage: StageSpec) -> StageSpec:
        lanes = max(events[event_type].partitions for event_type in stage.subscribes)
        if stage.is_relayed:
            raw = StageTopic(topic=names.raw_topic(pipeline, name), partitions=lanes)
            return stage.model_copy(update={"raw": raw})
        if stage.external:
            return stage
        parking = StageTopic(topic=names.retry_topic(pipeline, name), partitions=lanes)
        state = StageTopic(topic=names.state_topic(pipeline, name), partitions=lanes)
        return stage.model_copy(update={"parking": parking, "state": state})

    return {name: with_topic(name, stage) for name, stage in stages.items()}
