"""On which edge of the topology does an event come in, and what do its descendants inherit?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farandole.events.header_codec import HeaderBlock
from farandole.events.record import Header
from farandole.events.topology_version import Version
from farandole.worker.output_routing import OutputRouter

ID_HEADER = "ce_id"
ID_INDEX = 6
"""The index of the id header in the records that our stages write."""


@dataclass(slots=True, eq=False)
class InputEdge:
    """One event type on its way into a stage, under one version."""

    version: Version
    event_type: str
    router: OutputRouter | None
    """Where the stage's results go; None if this version does not send the event to the stage, or
    if the code here cannot handle it."""
    version_header: Header
    """The version, as every descendant carries it."""
    key_partitions: int = 0
    """The number of partitions over which keys are spread; 0 if the event type has no key."""
    subscribers: list[str] = field(default_factory=list)
    """The stages that subscribe to it, under this version."""
    holds_lines: bool = False
    """True if the data of one event are a list, so that it has several lines."""
    unbound: str = ""
    """Why the code here cannot handle events of this version; empty if it can."""
    id_name: str = ""
    """The event type as it stands in the ids of what its events cause."""
    profiled_by: str = ""
    """The stage whose lanes profile its events as they consume them; empty if none does."""


@dataclass(slots=True)
class Lineage:
    """Where an event comes from, and what every event that it causes inherits."""

    edge: InputEdge
    run: bytes
    inherited: HeaderBlock
    """The headers that each descendant carries, besides its version and those of its type."""
    data: bytes | None = None
    """The data in structured mode; None if the record's value is the data."""
    attributes: Mapping[str, str] | None = None
    """The attributes in structured mode; None if the record's headers are the attributes."""
    is_root: bool = True
    """True if the event opens its run; False if a stage of this installation has emitted it."""
