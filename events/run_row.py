"""What does a run look like once its ledger entries are folded, and is it settled?

`farandole.runs` has one row for each run: the newest, under the key of the run's id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from operator import itemgetter
from typing import Any, NotRequired, TypedDict, cast

import orjson

from farandole.events.check_verdict import CheckVerdicts, are_check_verdicts
from farandole.events.flag_counts import FlagCounts, are_flag_counts
from farandole.events.gate_row import RunGate, are_run_gates
from farandole.events.ledger_entry import HASH_MASK, RunRoot
from farandole.events.outcome import RECORDED, Outcome, pending_count
from farandole.events.record_time import MAX_TIME_MS
from farandole.events.row_format import KNOWN_FORMATS, can_be_written_again, check_format


class RunEdge(TypedDict):
    """One event type on its way into one stage, in one run."""

    emitted: int
    consumed: int
    differs: int
    """The hash of the emitted events minus that of the consumed ones: 0 if they are the same."""
    bypassed: int
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
    proven: NotRequired[bool]
    """False if a program without transactions has settled events here."""


RUN_STATUSES = (
    "running", "cancelling", "completed", "completed with dead letters", "settled",
    "settled with dead letters", "failed", "cancelled", "unopened",
)  # fmt: skip
"""`settled`: completed, but not proven. `unopened`: there are events of the run, and no root that
opened it."""

OPEN_STATUSES = frozenset(("running", "cancelling", "unopened"))
"""Those of a run that has not ended."""

UNPROVEN_ROW_FORMAT = KNOWN_FORMATS["run row"]
"""The format of a row with an edge that is not proven: an older bookkeeper would complete the
run."""


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
    format: NotRequired[int]
    throttled: NotRequired[int]
    """When its time was over last while a throttle held back an event of it, in milliseconds of the
    epoch: it has got its time anew."""
    leaves: dict[str, int]
    """Emitted events to which no stage subscribes, by type."""
    controls: NotRequired[list[str]]
    """The newest of the control documents under which its events were worked
    (`control_generations.py`)."""
    flags: NotRequired[dict[str, FlagCounts]]
    """By stage, how often its functions read each flag."""
    checks: NotRequired[CheckVerdicts]
    """What its checks have found, once their edges are complete."""
    gates: NotRequired[dict[str, RunGate]]
    """By gated stage, what was decided once all upstream of it was worked."""


_OUTCOMES = tuple(outcome.value for outcome in RECORDED)

_NEW_EDGE: Mapping[str, int | float] = {
    "emitted": 0, "consumed": 0, "differs": 0, **dict.fromkeys(_OUTCOMES, 0),
    "age": 0.0, "seconds": 0.0, "first": 0, "last": 0,
}  # fmt: skip


def new_edge() -> RunEdge:
    """Return an edge on which nothing has happened."""
    return cast(RunEdge, dict(_NEW_EDGE))


def new_run_row(run: str, pipeline: str, version: int, at: int) -> RunRow:
    """Return the row of a run of which nothing is known but an event at this time, in milliseconds
    of the epoch."""
    return {
        "run": run,
        "pipeline": pipeline,
        "version": version,
        "status": "unopened",
        "root": None,
        "opened": at,
        "last": at,
        "closed": None,
        "amended": 0,
        "late": False,
        "edges": {},
        "leaves": {},
    }


FOREIGN_EDGE_MARK = "@"
"""In the name of an edge that does not belong to the run as it was opened. What follows is
`pipeline@version` for events of another version, or the position of another root."""


def edge_name(event_type: str, stage: str) -> str:
    """Return a name like `line.ingested>validate`."""
    return f"{event_type}>{stage}"


def split_edge_name(name: str) -> tuple[str, str]:
    """Return the event type and the stage of an edge. (Neither may contain a `>`.)"""
    event_type, _, stage = name.partition(">")
    return event_type, stage


def edge_stage(name: str) -> str:
    """Return the stage of an edge, also of one that does not belong to the run as it was opened."""
    return split_edge_name(name)[1].partition(FOREIGN_EDGE_MARK)[0]


def edge_version(row: RunRow, name: str) -> int | None:
    """Return the version under which the events of an edge are counted; None for an edge of another
    root or another pipeline."""
    _, _, mark = name.partition(FOREIGN_EDGE_MARK)
    if not mark:
        return row["version"]
    pipeline, _, number = mark.rpartition("@")
    return int(number) if pipeline == row["pipeline"] and number.isdecimal() else None


def in_flight(edge: RunEdge) -> int:
    """Return how many events are emitted and not settled, those that wait for a retry included.
    Negative if more were settled than were emitted."""
    return edge["emitted"] - edge["consumed"] + pending_events(edge)


def pending_events(edge: RunEdge) -> int:
    """Return how many events are consumed, but still in flight: those that wait for a retry."""
    return pending_count(cast(Mapping[Outcome, int], edge))  # an Outcome is its key in the edge


def edges_balance(edges: Mapping[str, RunEdge]) -> bool:
    """Return True if each edge is settled, with the same events on both sides."""
    return all(
        edge["differs"] == 0 and edge["emitted"] == edge["consumed"] and pending_events(edge) == 0
        for edge in edges.values()
    )


def count_distinct_events(row: RunRow) -> int:
    """Return the number of events in a run, its root included. An event counts once, however many
    stages subscribe to it."""
    by_type: dict[str, int] = dict(row["leaves"])
    for name, edge in row["edges"].items():
        event_type, _ = split_edge_name(name)
        by_type[event_type] = max(by_type.get(event_type, 0), edge["emitted"])
    root = row["root"]
    return sum(by_type.values()) + (root is not None and root["type"] not in by_type)


def parse_run_row(value: bytes | None) -> RunRow | None:
    """Return the run row in a record of `farandole.runs`. None for a tombstone, and for a record
    that no bookkeeper wrote. The status may be none of RUN_STATUSES: a newer bookkeeper may write
    others. Raises NewerFormatError.

    An outcome that a row does not have is counted as 0: it is newer than the row."""
    if value is None:
        return None
    try:
        row: Any = orjson.loads(value)
        check_format("run row", row)
        return row if _is_run_row(row) and can_be_written_again(value) else None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None


_row_fields = itemgetter(
    "run", "pipeline", "version", "status", "opened", "last", "amended", "late", "edges", "leaves",
)  # fmt: skip
_ROW_TYPES = (str, str, int, str, int, int, int, bool, dict, dict)
_root_fields = itemgetter("type", "topic", "partition", "offset", "at", "to")
_ROOT_TYPES = (str, str, int, int, int, list)
_edge_counts = itemgetter("emitted", "consumed", "first", "last", *_OUTCOMES)
_NUMBERS = (int, float)
_MAX_INTEGER = 2**62
"""What is added to an integer of a row leaves it below 2^64, beyond which JSON has no integers."""


def _is_run_row(row: Any) -> bool:
    """Check a row, and add the outcomes that are missing. Raises KeyError, TypeError or
    AttributeError for some rows that are none."""
    closed, root = row["closed"], row["root"]
    return (
        tuple(map(type, _row_fields(row))) == _ROW_TYPES
        and 0 <= row["opened"] <= MAX_TIME_MS
        and 0 <= row["last"] <= MAX_TIME_MS
        and (closed is None or (type(closed) is int and 0 <= closed <= MAX_TIME_MS))
        and 0 <= row["amended"] <= _MAX_INTEGER
        and (root is None or _is_root(root))
        and _are_bounded([*row["leaves"].values()])
        and _are_edges(row["edges"])
        and _are_bounded([row.get("throttled", 0)], 0, MAX_TIME_MS)
        and ("flags" not in row or _are_stage_counts(row["flags"]))
        and ("checks" not in row or are_check_verdicts(row["checks"]))
        and ("gates" not in row or are_run_gates(row["gates"]))
    )


def _is_root(root: Any) -> bool:
    within, fail_above = root.get("within", 0), root.get("fail_above", 0)
    return (
        tuple(map(type, _root_fields(root))) == _ROOT_TYPES
        and 0 <= root["at"] <= MAX_TIME_MS
        and all(type(stage) is str for stage in root["to"])
        and type(within) in _NUMBERS
        and 0 <= within <= MAX_TIME_MS
        and type(fail_above) in _NUMBERS
        and type(root.get("schedule", "")) is str
        and type(root.get("planned", "")) is str
    )


def _are_stage_counts(flags: Any) -> bool:
    return type(flags) is dict and all(map(are_flag_counts, flags.values()))


def _are_bounded(
    integers: Sequence[Any], least: int = -_MAX_INTEGER, most: int = _MAX_INTEGER
) -> bool:
    return type(sum(integers)) is int and (
        not integers or (least <= min(integers) and max(integers) <= most)
    )


def _are_edges(edges: dict[str, Any]) -> bool:
    # A bookkeeper checks all rows of a lane, 100,000 and more, before it starts. So this checks
    # sums and extremes instead of fields: a sum is an integer only if all of its terms are integers
    # (or bool, which does no harm), and text or None cannot be added at all.
    counts: list[Any] = []
    hashes: list[Any] = []
    numbers = 0.0
    for name, edge in edges.items():
        if ">" not in name:
            return False
        try:
            counts += _edge_counts(edge)
        except KeyError:
            for outcome in _OUTCOMES:
                edge.setdefault(outcome, 0)
            counts += _edge_counts(edge)
        if "lines" in edge:
            counts.append(edge["lines"])
        hashes.append(edge["differs"])
        numbers += edge["age"] + edge["seconds"]
    return (
        _are_bounded(counts)
        and _are_bounded(hashes, 0, HASH_MASK)
        and type(numbers) is float
        and isfinite(numbers)
    )
