"""What is written to replay dead letters, and which of them cannot be replayed?

A replay is an order to the lane that had the event, in the stage's retry topic; the books say in
the same transaction that the event is dead no more but parked. Nobody but the stage that failed
sees it.

Nobody works a version that is retired. What it had as a root can be published anew, as the root of
another run: all that subscribe to it see it, and in the books of the old run it stays dead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from farandole.console.dead_letters.letters import said
from farandole.events import retry
from farandole.events.deadletter import FAMILY, size
from farandole.events.envelope import AGAIN
from farandole.events.headers import encoded
from farandole.events.ids import RUN
from farandole.events.ledger import Part, partition_of
from farandole.events.record import Outgoing, Record
from farandole.events.retry import Waiting
from farandole.events.topology import Version
from farandole.router.derive import LARGEST_EVENT

_MARGIN = 1024  # bytes of a record batch around a row


class NotReplayable(Exception):  # noqa: N818 -- what the letter is
    """Why a letter cannot be replayed, in words that many letters have in common."""


class Anew(NamedTuple):
    """The root of a new run."""

    topic: str
    partition: int
    record: Outgoing


class Replay(NamedTuple):
    """A letter that can be replayed."""

    letter: int
    """Its offset in the dead-letter topic."""
    lane: int
    event: Waiting
    run: bytes
    version: Version
    stage: str
    event_type: str
    anew: Anew | None = None
    """What is published instead of the order."""

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        event = self.event
        return size(event.key, event.value, event.headers)

    @property
    def row(self) -> Outgoing:
        return retry.row(self.event, retry.REPLAY)


class Retrying(NamedTuple):
    """A stage's retry topic, as it is."""

    stage: str
    lanes: int
    largest: int
    """Bytes that a record of it may have."""


def replay(record: Record, to: Retrying, versions: Mapping[str, Version]) -> Replay:
    """What replays a letter; `versions` by their names. Raises NotReplayable."""
    made = read(record, to.stage, versions)
    fitting(made, to)
    return made


def read(record: Record, stage: str, versions: Mapping[str, Version]) -> Replay:
    """A letter with all that it takes to replay it, whether or not its version, its lane and the
    retry topic allow it. Raises NotReplayable."""
    topic = said(record, "topic")
    partition, offset = _number(said(record, "partition")), _number(said(record, "offset"))
    if not topic or partition is None or offset is None:
        raise NotReplayable("it does not say where the event stood")
    if any(name == f"{FAMILY}cut" for name, _ in record.headers):
        raise NotReplayable("it was cut to fit into its topic")
    if record.value is None:
        raise NotReplayable("it has no value: a tombstone is no event")
    run = said(record, "run").encode()
    if not RUN.fullmatch(run):
        raise NotReplayable("its run is not known")
    version = versions.get(said(record, "version"))
    if version is None:
        raise NotReplayable("its version was never published here")
    if stage not in version.stages:
        raise NotReplayable(f"{stage} is no stage of {version.name}")
    taken = version.stages[stage].subscribes
    event_type = next((t for t in taken if version.events[t].topic == topic), None)
    if event_type is None:
        raise NotReplayable(f"it stood in a topic that {stage} does not take in {version.name}")
    event = Waiting(
        topic=topic,
        partition=partition,
        offset=offset,
        value=record.value,
        key=record.key,
        headers=tuple(h for h in record.headers if not h[0].startswith(FAMILY)),
        timestamp=_or(_number(said(record, "timestamp")), record.timestamp),
        before=_or(_number(said(record, "attempts")), 0),
        replays=_or(_number(said(record, "replays")), 0) + 1,
        first_failed=_milliseconds(said(record, "first_failed")),
    )
    return Replay(record.offset, partition, event, run, version, stage, event_type)


def fitting(made: Replay, to: Retrying) -> None:
    """Raises NotReplayable where nobody would work it, or its row is larger than the retry topic
    takes."""
    if made.version.retired is not None:
        raise NotReplayable(f"{made.version.name} is retired")
    if made.lane >= to.lanes:
        raise NotReplayable(f"its lane is gone: {to.stage} has {to.lanes}")
    row = made.row
    account = len(row.value or b"") - len(made.event.value or b"")
    if account > retry.ROOM or size(row.key, row.value, ()) + _MARGIN > to.largest:
        raise NotReplayable("with its headers and key it is too large for the retry topic")


def as_new_run(made: Replay, newest: Version) -> Replay:
    """What publishes a root of a retired version once more, linked to the run that it opened, as
    `farandole again` does. Raises NotReplayable."""
    event = newest.events.get(made.event_type)
    if (
        event is None
        or made.event_type not in newest.roots()
        or not newest.subscribers(made.event_type)
    ):
        raise NotReplayable(
            f"{made.version.name} is retired, and {made.event_type} is no root of {newest.name}"
        )
    its = made.event.headers
    ours = b"farandole://"
    if any(name == "ce_source" and (value or b"").startswith(ours) for name, value in its):
        raise NotReplayable(f"{made.version.name} is retired, and a stage has emitted the event")
    headers = [*(h for h in its if h[0] != AGAIN), (AGAIN, made.run)]
    if size(made.event.key, made.event.value, headers) + _MARGIN > LARGEST_EVENT:
        raise NotReplayable("it is too large to be linked to its run")
    # Where its key had it; of a topic that is narrower now the worker finds the key's own place.
    partition = made.event.partition % event.partitions
    record = Outgoing(made.event.key, made.event.value, encoded(headers))
    return made._replace(anew=Anew(event.topic, partition, record))


def entries(replays: Iterable[Replay], pipeline: str, stage: str, at: int) -> dict[int, Outgoing]:
    """What the books say of letters that are replayed in one transaction, by partition of the
    ledger. Nothing is settled: what was dead is parked. Of a version from before there were books
    nothing is said."""
    parts: dict[int, dict[tuple[bytes, int], Part]] = {}
    for each in replays:
        if not each.version.ledger or each.anew is not None:
            continue
        number = partition_of(each.run, each.version.ledger)
        # No root: whoever opened the run has said it, and a part that settles nothing opens none.
        part = parts.setdefault(number, {}).setdefault(
            (each.run, each.version.version),
            {"run": each.run.decode(), "version": each.version.version, "in": {}, "out": {}},
        )
        # As old as it is written: no event is settled here whose age could be told.
        edge: Any = part["in"].setdefault(
            each.event_type, {"n": 0, "hash": 0, "oldest": at, "dead": 0, "parked": 0}
        )
        edge["dead"] -= 1
        edge["parked"] += 1
    return {
        number: Outgoing(
            None,
            orjson.dumps(
                {
                    "pipeline": pipeline,
                    "stage": stage,
                    "lane": 0,
                    "at": at,
                    "seconds": 0.0,
                    "runs": [*runs.values()],
                }
            ),
        )
        for number, runs in parts.items()
    }


def rows(replays: Sequence[Replay]) -> dict[int, list[Outgoing]]:
    """The orders, by lane."""
    found: dict[int, list[Outgoing]] = {}
    for each in replays:
        if each.anew is None:
            found.setdefault(each.lane, []).append(each.row)
    return found


def roots(replays: Sequence[Replay]) -> dict[tuple[str, int], list[Outgoing]]:
    """The roots of new runs, by topic and partition."""
    found: dict[tuple[str, int], list[Outgoing]] = {}
    for each in replays:
        if each.anew is not None:
            found.setdefault(each.anew[:2], []).append(each.anew.record)
    return found


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _or(number: int | None, other: int) -> int:
    return other if number is None else number


def _milliseconds(text: str) -> int:
    try:
        return max(0, int(datetime.fromisoformat(text).timestamp() * 1000))
    except (ValueError, OverflowError):
        return 0
