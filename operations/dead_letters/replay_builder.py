"""What is written to replay dead letters, and which of them cannot be replayed?

A replay is a row in the retry topic of the stage that failed, for the lane that had the event. The
same transaction adds a ledger entry: the event is no longer dead but parked. No other stage gets
the event again.

Three ways out if the version of the letter is not the newest any more:

- By default the event is handled under its own version. If that is retired, the replay opens it
  again (`router/version_reopening.py`).
- By the newest version: the event stays in the books of its own version, and what it causes is
  emitted under the newest.
- A root that died under a retired version can be published again as the root of another run: all
  its subscribers get it, and in the books of the old run it remains dead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from farandole.events import retry_record
from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.dead_letter_truncation import approximate_record_size
from farandole.events.header_codec import encode_headers
from farandole.events.ledger_entry import RunPart, ledger_partition
from farandole.events.record import OutgoingRecord, Record
from farandole.events.record_time import known_time_ms
from farandole.events.retry_record import ParkedEvent
from farandole.events.root_record import repeat_headers
from farandole.events.run_ids import RUN_ID_PATTERN
from farandole.events.topology_version import Version
from farandole.operations.dead_letters.letter_selection import account_field
from farandole.operations.reason_text import reason_text
from farandole.operations.reasons import Reason
from farandole.router.topic_specs import MAX_EVENT_BYTES

_BATCH_OVERHEAD = 1024  # bytes of a record batch around a row
_SOURCE = b"farandole://"  # the beginning of `ce_source` of every event that a stage emitted


class NotReplayableError(Exception):
    """A letter cannot be replayed. The reason is an object, so that letters with the same reason
    can be counted."""

    def __init__(self, code: str, **fields: Any) -> None:
        self.reason = Reason(code, fields)
        super().__init__(reason_text(self.reason))


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
    handled_by: Version | None = None
    """The newest version, if that is to handle the event; None for its own."""
    new_root: NewRunRoot | None = None
    """The root that is published instead of a row of the retry topic; None for an ordinary
    replay."""

    @property
    def handling_version(self) -> Version:
        """The version whose stage handles the event, with its schema and its settings."""
        return self.handled_by or self.version

    @property
    def needs_version(self) -> str:
        """The name of the version whose stages must be hosted; empty for a new run."""
        return "" if self.new_root is not None else self.handling_version.name

    @property
    def size(self) -> int:
        """The approximate size in bytes."""
        event = self.event
        return approximate_record_size(event.key, event.value, event.headers)

    @property
    def retry_row(self) -> OutgoingRecord:
        """The row of the retry topic that orders the replay."""
        return retry_record.make_retry_row(self.event, retry_record.REPLAY_PREFIX)


class StageTopic(NamedTuple):
    """Partitions and limits of a stage's retry topic."""

    stage: str
    lanes: int
    largest: int
    """The largest record that it takes, in bytes."""


def prepare_replay(record: Record, topic: StageTopic, versions: Mapping[str, Version]) -> Replay:
    """Return the replay of a letter; `versions` are by name. Raises NotReplayableError."""
    replay = parse_letter(record, topic.stage, versions)
    check_replayable(replay, topic)
    return replay


def parse_letter(record: Record, stage: str, versions: Mapping[str, Version]) -> Replay:
    """Return the replay of a letter, without checking that the version, the lane and the retry
    topic allow it. Raises NotReplayableError if something is missing in the letter."""
    topic = account_field(record, "topic")
    partition = _parse_number(account_field(record, "partition"))
    offset = _parse_number(account_field(record, "offset"))
    if not topic or partition is None or offset is None:
        raise NotReplayableError("letter_no_position")
    if any(name == f"{DEAD_HEADER_PREFIX}cut" for name, _ in record.headers):
        raise NotReplayableError("letter_cut")
    if record.value is None:
        raise NotReplayableError("letter_no_value")
    run = account_field(record, "run").encode()
    if not RUN_ID_PATTERN.fullmatch(run):
        raise NotReplayableError("letter_run_unknown")
    version = versions.get(account_field(record, "version"))
    if version is None:
        raise NotReplayableError("letter_version_unknown")
    if stage not in version.stages:
        raise NotReplayableError("letter_not_a_stage", stage=stage, version=version.name)
    inputs = version.stages[stage].subscribes
    event_type = next((t for t in inputs if version.events[t].topic == topic), None)
    if event_type is None:
        raise NotReplayableError("letter_not_an_input", stage=stage, version=version.name)
    event = ParkedEvent(
        topic=topic,
        partition=partition,
        offset=offset,
        value=record.value,
        key=record.key,
        headers=tuple(h for h in record.headers if not h[0].startswith(DEAD_HEADER_PREFIX)),
        timestamp=known_time_ms(
            _number_or(_parse_number(account_field(record, "timestamp")), record.timestamp)
        )
        or 0,
        before=_number_or(_parse_number(account_field(record, "attempts")), 0),
        replays=_number_or(_parse_number(account_field(record, "replays")), 0) + 1,
        first_failed=_parse_milliseconds(account_field(record, "first_failed")),
    )
    return Replay(record.offset, partition, event, run, version, stage, event_type)


def check_replayable(replay: Replay, topic: StageTopic) -> None:
    """Raise NotReplayableError if no lane would handle the replay, or if the row is larger than the
    retry topic allows, or no lane could read it."""
    if replay.lane >= topic.lanes:
        raise NotReplayableError("letter_lane_gone", stage=topic.stage, lanes=topic.lanes)
    row = replay.retry_row
    overhead = len(row.value or b"") - len(replay.event.value or b"")
    if (
        overhead > retry_record.RETRY_HEADROOM
        or approximate_record_size(row.key, row.value, ()) + _BATCH_OVERHEAD > topic.largest
    ):
        raise NotReplayableError("letter_too_large")
    try:
        retry_record.parse_retry_row(row.value or b"")
    except ValueError as error:
        # Before it is settled: the lane would skip the row, and nothing would be replayed.
        raise NotReplayableError("letter_unreadable_row", problem=str(error)) from None


def replay_by_newest(replay: Replay, newest: Version) -> Replay:
    """Return the replay that the newest version handles. Raises NotReplayableError if the stage
    does not read the event's topic any more."""
    stage, event_type = newest.stages.get(replay.stage), replay.event_type
    if stage is None or event_type not in stage.subscribes:
        raise NotReplayableError(
            "letter_not_in_newest", stage=replay.stage, event_type=event_type, newest=newest.name
        )
    if newest.events[event_type].topic != replay.event.topic:
        raise NotReplayableError(
            "letter_other_topic",
            event_type=event_type,
            topic=replay.event.topic,
            newest=newest.name,
        )
    if newest.name == replay.version.name:
        return replay
    event = replay.event._replace(wired_by=newest.name)
    return replay._replace(event=event, handled_by=newest)


def replay_as_new_run(replay: Replay, newest: Version) -> Replay:
    """Return the record that publishes a root of a retired version again, linked to the run that it
    opened, as `farandole again` does. Raises NotReplayableError if it is no root of the newest
    version."""
    event_type, old = replay.event_type, replay.version.name
    event = newest.events.get(event_type)
    if event is None or event_type not in newest.roots() or not newest.subscribers(event_type):
        raise NotReplayableError(
            "letter_not_a_root", version=old, event_type=event_type, newest=newest.name
        )
    headers = replay.event.headers
    if any(name == "ce_source" and (value or b"").startswith(_SOURCE) for name, value in headers):
        raise NotReplayableError("letter_emitted_by_stage", version=old)
    linked = repeat_headers(headers, replay.run.decode())
    size = approximate_record_size(replay.event.key, replay.event.value, linked)
    if size + _BATCH_OVERHEAD > MAX_EVENT_BYTES:
        raise NotReplayableError("letter_too_large_to_link")
    # The partition of the first time. If the topic is narrower now, a worker forwards the event to
    # the partition of its key.
    partition = replay.event.partition % event.partitions
    record = OutgoingRecord(replay.event.key, replay.event.value, encode_headers(linked))
    return replay._replace(new_root=NewRunRoot(event.topic, partition, record))


def ledger_entries(
    replays: Iterable[Replay], pipeline: str, stage: str, at: int
) -> dict[int, OutgoingRecord]:
    """Return the ledger entries for letters that are replayed in one transaction, by partition of
    the ledger. They settle nothing: what was dead is parked. There is no entry for a version that
    was published before there were books."""
    parts: dict[int, dict[tuple[bytes, int], RunPart]] = {}
    for each in replays:
        if not each.version.ledger or each.new_root is not None:
            continue
        number = ledger_partition(each.run, each.version.ledger)
        # No root: it was written when the run was opened; a part that settles nothing opens none.
        part = parts.setdefault(number, {}).setdefault(
            (each.run, each.version.version),
            {"run": each.run.decode(), "version": each.version.version, "in": {}, "out": {}},
        )
        # The age is 0: no event is settled here whose age could be measured.
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
    """Return the rows of the retry topic, by lane."""
    found: dict[int, list[OutgoingRecord]] = {}
    for each in replays:
        if each.new_root is None:
            found.setdefault(each.lane, []).append(each.retry_row)
    return found


def new_run_roots(replays: Sequence[Replay]) -> dict[tuple[str, int], list[OutgoingRecord]]:
    """Return the roots of new runs, by topic and partition."""
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
        return known_time_ms(int(datetime.fromisoformat(text).timestamp() * 1000)) or 0
    except (ValueError, OverflowError):
        return 0
