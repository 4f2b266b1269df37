"""On which edge of the topology does an event come in, and what does it hand down?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farandole.events.header_codec import HeaderBlock
from farandole.events.record import Header
from farandole.events.topology_version import Version
from farandole.worker.output_routing import OutputRouter

ID_HEADER = "ce_id"
ID_INDEX = 6
"""Where the records of a stage of ours have their id, among their headers."""


@dataclass(slots=True, eq=False)
class InputEdge:
    """One event type on its way into a stage, under one version."""

    version: Version
    event_type: str
    router: OutputRouter | None
    """Where the stage's results go; None if this version does not send the event to the stage."""
    version_header: Header
    """The version, as every descendant carries it."""
    key_partitions: int = 0
    """The number of partitions over which keys are spread; 0 if the event type has no key."""
    subscribers: list[str] = field(default_factory=list)
    """The stages that subscribe to it, under this version."""
    holds_lines: bool = False
    """One event holds several lines: its data are a list."""


@dataclass(slots=True)
class Lineage:
    """Where an event comes from, and what it hands down to all that it causes."""

    edge: InputEdge
    run: bytes
    inherited: HeaderBlock
    """The headers that each descendant carries, besides its version and those of its type."""
    data: bytes | None = None
    """The data, where it is not simply the record's value (structured mode)."""
    attributes: Mapping[str, str] | None = None
    """The attributes, where they are not simply the record's headers (structured mode)."""
    is_root: bool = True
    """It opens its run; otherwise a stage of this installation has emitted it."""
