"""Which types does an event have, where stages that take any event pass it on?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from farandole.router import stage_schemas
from farandole.router.file_model import TopologyFile
from farandole.stages.function_signature import StageSignature


def schema_producers(
    topology: TopologyFile, signatures: Mapping[str, StageSignature], event_type: str
) -> list[tuple[str, tuple[Any, ...]]]:
    """The stages that make an event's data, each with the types it may have; of a stage that passes
    its event on, those before it. Stages without a signature are left out."""
    found = []
    for stage, event in _upstream_producers(topology, signatures, event_type, set()):
        found.append(
            (stage, stage_schemas.emitted_types(topology.stages[stage], signatures[stage], event))
        )
    return found


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
    """The stages that read an event's data, each with the type it takes; of a stage that passes its
    event on, those behind it."""
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
