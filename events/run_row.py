"""What does a run look like once its ledger entries are folded, and is it settled?

`farandole.runs` holds one row for each run: the newest, under the key of the run's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NotRequired, TypedDict

from farandole.events.ledger_entry import RunRoot


class RunEdge(TypedDict):
    """One event type on its way into one stage, in one run. `emitted - consumed + parked` events
    are in flight."""

    emitted: int
    consumed: int
    differs: int
    """The hash of the emitted events minus that of the consumed ones: 0 if they are the same."""
    dropped: int
    filtered: int
    dead: int
    cancelled: int
    parked: int
    age: float
    """The age of the oldest event when it was settled, in seconds; the largest so far."""
    seconds: float
    """The time that handling took."""
    first: int
    """When the first event was settled, and in `last` the last one, in milliseconds of the epoch; 0
    if none was."""
    last: int
    lines: NotRequired[int]


RUN_STATUSES = (
    "running", "cancelling", "completed", "completed with dead letters", "failed", "cancelled",
    "unopened",
)  # fmt: skip
"""`unopened`: there are events of the run, and no root that opened it."""


class RunRow(TypedDict):
    """The value of a record in `farandole.runs`, under the key of the run's id."""

    run: str
    pipeline: str
    version: int
    status: str
    root: RunRoot | None
    opened: int
    """Milliseconds of the epoch, as are `last` and `closed`."""
    last: int
    closed: int | None
    amended: int
    """How often events were settled after the run had ended."""
    late: bool
    """The run was not complete in the expected time."""
    edges: dict[str, RunEdge]
    """By `event type>stage`."""
    leaves: dict[str, int]
    """Emitted events to which nobody subscribes, by type."""


def edge_name(event_type: str, stage: str) -> str:
    """Return a name like `line.ingested>validate`."""
    return f"{event_type}>{stage}"


def in_flight(edge: RunEdge) -> int:
    """Return the number of events that are emitted and not settled; negative if more were settled
    than emitted."""
    return edge["emitted"] - edge["consumed"] + edge["parked"]


def edges_balance(edges: Mapping[str, RunEdge]) -> bool:
    """Return True if each edge is settled, with the same events on both sides."""
    return all(in_flight(e) == 0 and e["parked"] == 0 and e["differs"] == 0 for e in edges.values())
