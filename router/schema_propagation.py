"""Which types can an event have, also behind stages that pass any event on?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from farandole.router import stage_schemas
from farandole.router.file_model import TopologyFile
from farandole.stages.function_signature import StageSignature


def schema_producers(
    topology: TopologyFile, signatures: Mapping[str, StageSignature], event_type: str
) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the stages that produce an event's data, each with the types it may have. For a
    pass-through, these are the stages before it. Stages without a signature are left out."""
    producers = []
    for stage, event in _upstream_producers(topology, signatures, event_type, set()):
        producers.append(
            (stage, stage_schemas.emitted_types(topology.stages[stage], signatures[stage], event))
        )
    return producers


def _upstream_producers(
    topology: TopologyFile,
    signatures: Mapping[str, StageSignature],
    event_type: str,
    seen: set[str],
) -> Iterator[tuple[str, str]]:
    for stage in topology.emitters(event_type):
        if stage not in signatures:
            continue
        if not signatures[stage].is_passthrough:
            yield stage, event_type
        elif stage not in seen:
            seen.add(stage)
            for passed in topology.stages[stage].subscribes:
                yield from _upstream_producers(topology, signatures, passed, seen)


def schema_consumers(
    topology: TopologyFile, signatures: Mapping[str, StageSignature], event_type: str
) -> list[tuple[str, Any]]:
    """Return the stages that read an event's data, each with the type it takes. For a pass-through,
    these are the stages after it."""
    return list(_downstream_consumers(topology, signatures, event_type, set()))


def _downstream_consumers(
    topology: TopologyFile,
    signatures: Mapping[str, StageSignature],
    event_type: str,
    seen: set[str],
) -> Iterator[tuple[str, Any]]:
    for stage in topology.subscribers(event_type):
        if stage not in signatures or stage in seen:
            continue
        seen.add(stage)
        if not signatures[stage].is_passthrough:
            yield stage, signatures[stage].input_schema
            continue
        for passed in topology.stages[stage].emits:
            yield from _downstream_consumers(topology, signatures, passed, seen)
