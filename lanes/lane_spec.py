"""What describes the lanes of one consumer group?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from farandole.lanes.lane_observer import LaneObserver, NullObserver
from farandole.lanes.lane_port import LanePort
from farandole.lanes.lane_work import LaneWork


def _never() -> bool:
    return False


def _unwrapped(port: LanePort) -> LanePort:
    return port


def _unobserved(_: int) -> LaneObserver:
    return NullObserver()


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """The lanes of one consumer group. A lane has an index: it reads the partition of that index of
    every input topic, and its state is the partition of that index of every state topic."""

    group: str
    topics: Sequence[str]
    """The input topics, until `LaneGroup.subscribe` names others."""
    transactional_id: Callable[[int], str]
    """The transactional id of the lane with this index."""
    work: Callable[[int], LaneWork]
    """Makes the work of the lane with this index, each time that the index is assigned."""
    drain_seconds: float
    """How long the lanes may take to end between two transactions, before they are abandoned."""
    state_topics: Sequence[str] = ()
    """Compacted topics with the state of the lanes."""
    lost_offset_remedy: str = ""
    """What a person can do if the committed offset of a lane is lost; appended to that error."""
    restart_lost_input: bool = False
    """Read an input whose offset is lost from its start, instead of stopping the lane."""
    is_paused: Callable[[], bool] = _never
    """While it returns True the lanes take no event, and keep their partitions."""
    wrap_port: Callable[[Any], LanePort] = _unwrapped
    """Wraps the Kafka port of each lane: a test breaks the protocol on purpose with it."""
    observer: Callable[[int], LaneObserver] = _unobserved
    """Makes the observer of the lane with this index."""
