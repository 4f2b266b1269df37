"""What describes the lanes of one consumer group?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from farandole.lanes.known_topics import KnownTopic
from farandole.lanes.lane_observer import LaneObserver, NullObserver
from farandole.lanes.lane_port import LanePort
from farandole.lanes.lane_work import LaneWork


def _never() -> bool:
    return False


async def _nothing_to_read() -> None:
    pass


def _unwrapped(port: LanePort) -> LanePort:
    return port


def _unobserved(_: int) -> LaneObserver:
    return NullObserver()


def _no_topics() -> Mapping[str, KnownTopic]:
    return {}


class StateRoom(Protocol):
    """What limits the memory that the states of all lanes of a process take."""

    @property
    def is_full(self) -> bool:
        """True if there is no room until lanes have drained; otherwise lanes only take turns."""

    def reserve(self) -> bool:
        """Return True if a lane may read its state now; then it calls `release` when it has."""

    def release(self) -> None:
        """Note that a lane has read its state; the memory of it is counted by the lane's work."""


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
    known_topics: Callable[[], Mapping[str, KnownTopic]] = _no_topics
    """Returns what is known now of the input topics. A lane stops at a topic that is another one,
    and at partitions that its topic did not have; topics that are not in the result may be any."""
    changed_topic_remedy: str = ""
    """What a person can do about such a topic; appended to that error."""
    restart_lost_input: bool = False
    """Read an input whose offset is lost from its start, instead of stopping the lane."""
    is_paused: Callable[[], bool] = _never
    """While it returns True the lanes take no event, and keep their partitions."""
    state_room: StateRoom | None = None
    """Says when a lane may read its state; None: at any time."""
    catch_up: Callable[[], Awaitable[object]] = _nothing_to_read
    """Awaited each time that a lane opens, after the fence: it reads what the lane must know before
    it takes an event. Raises BrokerError if that cannot be read."""
    wrap_port: Callable[[Any], LanePort] = _unwrapped
    """Wraps the Kafka port of each lane: a test breaks the protocol on purpose with it."""
    observer: Callable[[int], LaneObserver] = _unobserved
    """Makes the observer of the lane with this index."""
    pipeline: str = ""
    """In metrics, the pipeline of the stage whose lanes these are; empty for those of a service."""
    stage: str = ""
