"""Which data contract describes an event type, of a topology file or of a published version?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import EventSpec
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.published_pipeline import newest_published
from farandole.operations.topology_source import TopologySource, derive_topology_from
from farandole.quality.contracts.contract_writer import event_contract

FIRST_VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """An event type of a topology file, and the version of its contract."""

    topology: TopologySource
    event: str
    version: str = FIRST_VERSION


@dataclass(frozen=True, slots=True)
class PublishedContractRequest:
    """An event type of the version in force, and the version of its contract."""

    event: str
    version: str = FIRST_VERSION


def export_contract(request: ExportRequest, names: KafkaNames) -> dict[str, Any]:
    """Return the contract of an event type, after the Open Data Contract Standard: the schema of
    its data and its checks. Needs no broker. Raises RefusedError (`findings`) and NotFoundError
    (`unknown_event_type`)."""
    derived = derive_topology_from(request.topology, names).derived
    return _contract(derived.pipeline, derived.events, request.event, request.version)


@query
async def published_contract(
    installation: Installation, request: PublishedContractRequest
) -> dict[str, Any]:
    """Return the contract of an event type as the version in force has it. Imports no function.
    Raises NotFoundError (`nothing_applied`, `pipeline_unknown`, `unknown_event_type`)."""
    version = await newest_published(installation, installation.pipeline)
    return _contract(version.pipeline, version.events, request.event, request.version)


def _contract(
    pipeline: str, events: Mapping[str, EventSpec], name: str, version: str
) -> dict[str, Any]:
    event = events[require_known(name, events, "event type", "unknown_event_type")]
    return event_contract(
        pipeline,
        name,
        event.topic,
        key=event.key,
        schema=event.data_schema,
        checks=event.checks,
        version=version,
    )
