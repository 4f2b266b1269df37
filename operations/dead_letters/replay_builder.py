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

from farandole.events import retry_record
from farandole.events.dead_letter import DEAD_HEADER_PREFIX, approximate_record_size
from farandole.events.envelope import REPEATED_RUN_HEADER
from farandole.events.header_codec import encode_headers
from farandole.events.ledger_entry import RunPart, ledger_partition
from farandole.events.record import OutgoingRecord, Record
from farandole.events.retry_record import ParkedEvent
from farandole.events.run_ids import RUN_ID_PATTERN
from farandole.events.topology_version import Version
from farandole.operations.dead_letters.letter_selection import account_field
from farandole.router.topic_specs import MAX_EVENT_BYTES

_BATCH_OVERHEAD = 1024  # bytes of a record batch around a row


class NotReplayableError(Exception):
    """Why a letter cannot be replayed, in words that many letters have in common."""


class NewRunRoot(NamedTuple):
    """The root of a new run."""

    topic: str
    partition: int
    record: OutgoingRecord


class Replay(NamedTuple):
    """A letter that can be replayed."""

    letter_offset: int
    """Its offset in the dead-letter topic."""
    lane: int
    event: ParkedEvent
    run: bytes
    version: Version
    stage: str
    event_type: str
    new_root: NewRunRoot | None = None
    """What is published instead of the order."""

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        event = self.event
        return approximate_record_size(event.key, event.value, event.headers)

    @property
    def retry_row(self) -> OutgoingRecord:
        return retry_record.make_retry_row(self.event, retry_record.REPLAY_PREFIX)


class RetryTopic(NamedTuple):
    """A stage's retry topic, as it is."""

    stage: str
    lanes: int
    largest: int
    """Bytes that a record of it may have."""


def prepare_replay(record: Record, to: RetryTopic, versions: Mapping[str, Version]) -> Replay:
    """What replays a letter; `versions` by their names. Raises NotReplayableError."""
    made = parse_letter(record, to.stage, versions)
    check_replayable(made, to)
    return made


def parse_letter(record: Record, stage: str, versions: Mapping[str, Version]) -> Replay:
    """A letter with all that it takes to replay it, whether or not its version, its lane and the
    retry topic allow it. Raises NotReplayableError."""
    topic = account_field(record, "topic")
    partition, offset = (
        _parse_number(account_field(record, "partition")),
        _parse_number(account_field(record, "offset")),
    )
    if not topic or partition is None or offset is None:
        raise NotReplayableError("it does not say where the event stood")
    if any(name == f"{DEAD_HEADER_PREFIX}cut" for name, _ in record.headers):
        raise NotReplayableError("it was cut to fit into its topic")
    if record.value is None:
        raise NotReplayableError("it has no value: a tombstone is no event")
    run = account_field(record, "run").encode()
    if not RUN_ID_PATTERN.fullmatch(run):
        raise NotReplayableError("its run is not known")
    version = versions.get(account_field(record, "version"))
    if version is None:
        raise NotReplayableError("its version was never published here")
    if stage not in version.stages:
        raise NotReplayableError(f"{stage} is no stage of {version.name}")
    taken = version.stages[stage].subscribes
    event_type = next((t for t in taken if version.events[t].topic == topic), None)
    if event_type is None:
        raise NotReplayableError(
            f"it stood in a topic that {stage} does not take in {version.name}"
        )
    event = ParkedEvent(
        topic=topic,
        partition=partition,
        offset=offset,
        value=record.value,
        key=record.key,
        headers=tuple(h for h in record.headers if not h[0].startswith(DEAD_HEADER_PREFIX)),
        timestamp=_number_or(_parse_number(account_field(record, "timestamp")), record.timestamp),
        before=_number_or(_parse_number(account_field(record, "attempts")), 0),
        replays=_number_or(_parse_number(account_field(record, "replays")), 0) + 1,
        first_failed=_parse_milliseconds(account_field(record, "first_failed")),
    )
    return Replay(record.offset, partition, event, run, version, stage, event_type)


def check_replayable(made: Replay, to: RetryTopic) -> None:
    """Raises NotReplayableError where nobody would work it, or its row is larger than the retry
    topic takes."""
    if made.version.retired is not None:
        raise NotReplayableError(f"{made.version.name} is retired")
    if made.lane >= to.lanes:
        raise NotReplayableError(f"its lane is gone: {to.stage} has {to.lanes}")
    row = made.retry_row
    account = len(row.value or b"") - len(made.event.value or b"")
    if (
        account > retry_record.RETRY_HEADROOM
        or approximate_record_size(row.key, row.value, ()) + _BATCH_OVERHEAD > to.largest
    ):
        raise NotReplayableError("with its headers and key it is too large for the retry topic")


def replay_as_new_run(made: Replay, newest: Version) -> Replay:
    """What publishes a root of a retired version once more, linked to the run that it opened, as
    `farandole again` does. Raises NotReplayableError."""
    event = newest.events.get(made.event_type)
    if (
        event is None
        or made.event_type not in newest.roots()
        or not newest.subscribers(made.event_type)
    ):
        raise NotReplayableError(
            f"{made.version.name} is retired, and {made.event_type} is no root of {newest.name}"
        )
    its = made.event.headers
    ours = b"farandole://"
    if any(name == "ce_source" and (value or b"").startswith(ours) for name, value in its):
        raise NotReplayableError(
            f"{made.version.name} is retired, and a stage has emitted the event"
        )
    headers = [*(h for h in its if h[0] != REPEATED_RUN_HEADER), (REPEATED_RUN_HEADER, made.run)]
    if (
        approximate_record_size(made.event.key, made.event.value, headers) + _BATCH_OVERHEAD
        > MAX_EVENT_BYTES
    ):
        raise NotReplayableError("it is too large to be linked to its run")
    # Where its key had it; of a topic that is narrower now the worker finds the key's own place.
    partition = made.event.partition % event.partitions
    record = OutgoingRecord(made.event.key, made.event.value, encode_headers(headers))
    return made._replace(new_root=NewRunRoot(event.topic, partition, record))


def ledger_entries(
    replays: Iterable[Replay], pipeline: str, stage: str, at: int
) -> dict[int, OutgoingRecord]:
    """What the books say of letters that are replayed in one transaction, by partition of the
    ledger. Nothing is settled: what was dead is parked. Of a version from before there were books
    nothing is said."""
    parts: dict[int, dict[tuple[bytes, int], RunPart]] = {}
    for each in replays:
        if not each.version.ledger or each.new_root is not None:
            continue
        number = ledger_partition(each.run, each.version.ledger)
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
        number: OutgoingRecord(
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


def retry_rows(replays: Sequence[Replay]) -> dict[int, list[OutgoingRecord]]:
    """The orders, by lane."""
    found: dict[int, list[OutgoingRecord]] = {}
    for each in replays:
        if each.new_root is None:
            found.setdefault(each.lane, []).append(each.retry_row)
    return found


def new_run_roots(replays: Sequence[Replay]) -> dict[tuple[str, int], list[OutgoingRecord]]:
    """The roots of new runs, by topic and partition."""
    found: dict[tuple[str, int], list[OutgoingRecord]] = {}
    for each in replays:
        if each.new_root is not None:
            found.setdefault(each.new_root[:2], []).append(each.new_root.record)
    return found


def _parse_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _number_or(number: int | None, other: int) -> int:
    return other if number is None else number


def _parse_milliseconds(text: str) -> int:
    try:
        return max(0, int(datetime.fromisoformat(text).timestamp() * 1000))
    except (ValueError, OverflowError):
        return 0
