"""Which data contract describes an event type of a topology file?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from farandole.events.kafka_names import KafkaNames
from farandole.operations.names import require_known
from farandole.operations.topology_source import TopologySource, derive_topology_from
from farandole.quality.contracts.contract_writer import event_contract


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """An event type of a topology file, and the version of its contract."""

    topology: TopologySource
    event: str
    version: str = "1.0.0"


def export_contract(request: ExportRequest, names: KafkaNames) -> dict[str, Any]:
    """Return the contract of an event type, after the Open Data Contract Standard: the schema of
    its data and its checks. Needs no broker. Raises RefusedError (`findings`) and NotFoundError
    (`unknown_event_type`)."""
    derived = derive_topology_from(request.topology, names).derived
    require_known(request.event, derived.events, "event type", "unknown_event_type")
    event = derived.events[request.event]
    return event_contract(
        derived.pipeline,
        request.event,
        event.topic,
        key=event.key,
        schema=event.data_schema,
        checks=event.checks,
        version=request.version,
    )
