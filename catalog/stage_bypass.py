"""Can the events of a stage go on as they came, without its function, and why not?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from farandole.events.topology_version import StageSpec, Version
from farandole.stages.json_schema_compatibility import compare_schemas
from farandole.stages.misfit_text import misfit_summary

BypassObstacleCode = Literal[
    "unknown_stage",
    "external",
    "batched",
    "several_inputs",
    "no_output",
    "several_outputs",
    "other_schema",
    "key_missing",
]


class BypassObstacle(NamedTuple):
    """Why the events of a stage cannot go on as they came."""

    code: BypassObstacleCode
    text: str
    """A clause after the name of the stage, such as `it emits nothing`."""


def bypass_obstacle(
    version: Version, stage: str, *, takes_batch: bool | None = None
) -> BypassObstacle | None:
    """Return why the events of a stage cannot go on as they came under a version; None if they can.
    `takes_batch`: whether the function takes a list of events, for whoever has it; a version says
    it only from this release on."""
    spec = version.stages.get(stage)
    if spec is None:
        return BypassObstacle("unknown_stage", f"{version.name} has no such stage")
    if spec.external:
        return BypassObstacle("external", "its events are handled by a program of somebody else")
    if spec.takes_batch if takes_batch is None else takes_batch:
        return BypassObstacle("batched", "its function takes a list of events")
    return _wiring_obstacle(spec) or _schema_obstacle(version, spec.subscribes[0], spec.emits[0])


def _wiring_obstacle(spec: StageSpec) -> BypassObstacle | None:
    if len(spec.subscribes) != 1:
        return BypassObstacle(
            "several_inputs", f"it subscribes to {len(spec.subscribes)} event types"
        )
    if not spec.emits:
        return BypassObstacle("no_output", "it emits nothing")
    if len(spec.emits) > 1:
        return BypassObstacle("several_outputs", f"it emits {len(spec.emits)} event types")
    return None


def _schema_obstacle(version: Version, given: str, wanted: str) -> BypassObstacle | None:
    """Compare what the stage takes with what the readers of its output can read; what a schema does
    not say is only known at run time. Not with the schema of the output: a field with a default is
    always written, and nobody need write it."""
    writes = version.events[given].data_schema or {}
    for reader, schema in _readers(version, wanted, {wanted}):
        misfits = compare_schemas(writes, schema)
        if misfits:
            return BypassObstacle(
                "other_schema",
                f"{reader} could not read what it takes: {misfit_summary(misfits)}",
            )
    key, fields = version.events[wanted].key, writes.get("properties")
    if key is not None and fields is not None and key not in fields:
        return BypassObstacle("key_missing", f"what it takes lacks {key!r}, the key of {wanted}")
    return None


def _readers(
    version: Version, event_type: str, met: set[str]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield who reads an event type, and by which schema: the stages that subscribe to it. A stage
    that takes anything passes it on to others. An event that no stage reads is for other programs:
    they know its published schema. `met`: the event types that need not be followed any more."""
    subscribers = version.subscribers(event_type)
    if not subscribers:
        yield f"who reads {event_type}", version.events[event_type].data_schema or {}
    for stage in subscribers:
        spec = version.stages[stage]
        if spec.accepts is not None:
            yield stage, spec.accepts
            continue
        for passed_on in spec.emits:
            if passed_on not in met:
                met.add(passed_on)
                yield from _readers(version, passed_on, met)
