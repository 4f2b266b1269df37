"""What are the attributes, the position and the data of a record?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from farandole.catalog.ownership import UnknownVersionError, VersionIndex
from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.envelope import UnreadableEventError, parse_envelope
from farandole.events.event_lines import EventLine, line_of_record
from farandole.events.firing_record import time_text
from farandole.events.json_text import compact_json, parse_json
from farandole.events.record import Record
from farandole.events.record_time import known_time
from farandole.events.run_ids import RUN_ID_PATTERN
from farandole.events.schedule_origin import schedule_origin
from farandole.events.topology_version import Version

_NUMBER_FIELDS = ("attempts", "replays", "partition", "offset", "timestamp")


@dataclass(frozen=True, slots=True)
class RecordResult:
    """A record as it was read. It is decoded only when a property is used, because readers of
    millions of records may need only the values."""

    record: Record
    reader: RecordReader

    def value_line(self) -> bytes:
        """Return the value as one line of JSON."""
        return json_line(self.record.value)

    def failure(self) -> Mapping[str, Any]:
        """Return the failure account of a dead letter; empty if the record is none."""
        return _failure_account(self.record)

    @property
    def run(self) -> str | None:
        """The run of the record, as `RecordReader.run_of` has it."""
        return self.reader.run_of(self.record, self.failure())

    def event_line(self) -> EventLine:
        """Return the event, or the one that died, as a line of a file. Raises ValueError if it
        cannot be read."""
        topic = self.failure().get("topic", self.record.topic)
        return line_of_record(self.reader.event_type(topic) or topic, self.record)

    def failure_data(self) -> dict[str, Any]:
        """Return why a dead letter died and its data, as data for orjson."""
        account = self.failure()
        return {
            "why": f"{account.get('error')}: {account.get('message')}",
            "data": orjson.Fragment(self.value_line()),
        }

    def to_data(self) -> dict[str, Any]:
        """Return attributes, position and data, as data for orjson: `id`, `type`, `run`, `key`,
        `partition`, `offset`, `time` (None if its producer gave it no usable one), and `data`,
        which is the JSON of the event unchanged.
        `unreadable` says why the record is no event, and is absent otherwise. `dead` is the failure
        account of a dead letter, and absent otherwise; its `topic`, `partition` and `offset` are
        those of the event. `schedule` and `planned` say which schedule a root comes from, and are
        absent otherwise."""
        record = self.record
        attributes: Mapping[str, str] = {}
        unreadable = None
        data = record.value
        try:
            envelope = parse_envelope(record)
            attributes, data = envelope.attributes, envelope.data
        except UnreadableEventError as error:
            unreadable = str(error)
        account = self.failure()
        topic = account.get("topic", record.topic)
        result: dict[str, Any] = {
            "id": attributes.get("id"),
            "type": attributes.get("type") or self.reader.event_type(topic),
            "run": self.reader.run_of(record, account),
            "key": None if record.key is None else record.key.decode(errors="backslashreplace"),
            "partition": record.partition,
            "offset": record.offset,
            "time": attributes.get("time") or known_time(record.timestamp),
        }
        if unreadable is not None:
            result["unreadable"] = unreadable
        if account:
            result["dead"] = account
        origin = schedule_origin(record.headers)
        if origin is not None:
            result |= {"schedule": origin.schedule, "planned": time_text(origin.planned)}
        return result | {"data": orjson.Fragment(json_line(data))}


class RecordReader:
    """Reads the records of one pipeline, by all its versions."""

    def __init__(self, versions: Iterable[Version]) -> None:
        """`versions`: at least one."""
        self._index = VersionIndex(versions)

    def read(self, record: Record) -> RecordResult:
        """Return the record together with what is needed to decode it."""
        return RecordResult(record, self)

    def event_type(self, topic: str) -> str | None:
        """Return the event type of this topic under the newest version that has it; None if none
        has."""
        starts = self._index.starts(topic, 0)
        return starts[0].event_type if starts else None

    def run_of(self, record: Record, account: Mapping[str, Any]) -> str | None:
        """Return the run of a record: the one that an output of a stage carries, or that a root
        opens. None if the topic belongs to no event type, or if a dead letter does not say where
        the event was."""
        headers = dict(record.headers)
        topic = account.get("topic", record.topic)
        if self._is_output(headers, topic):
            return headers["ce_runid"].decode(errors="replace")
        partition = account.get("partition", record.partition)
        offset = account.get("offset", record.offset)
        if not isinstance(partition, int) or not isinstance(offset, int):
            return None
        if partition < 0 or not self._index.has_topic(topic):
            return None
        return self._index.root_run(topic, partition, offset).decode()

    def _is_output(self, headers: Mapping[str, bytes], topic: str) -> bool:
        """Return True if a stage emitted the record, also under a version that was published after
        ours were read."""
        try:
            return self._index.claimed_owner(headers, topic) is not None
        except UnknownVersionError:
            return RUN_ID_PATTERN.fullmatch(headers["ce_runid"]) is not None
        except UnreadableEventError:
            return False


def json_line(value: bytes | None) -> bytes:
    """Return a value as one line of JSON: unchanged if it is one, otherwise the nearest JSON."""
    if not value:
        return b"null"
    try:
        parse_json(value)
    except ValueError:
        return orjson.dumps(value.decode(errors="backslashreplace"))
    return compact_json(value.decode()).encode() if b"\n" in value else value


def _failure_account(record: Record) -> dict[str, Any]:
    account: dict[str, Any] = {
        name.removeprefix(DEAD_HEADER_PREFIX): (value or b"").decode(errors="replace")
        for name, value in record.headers
        if name.startswith(DEAD_HEADER_PREFIX)
    }
    for name in _NUMBER_FIELDS:
        # Anybody may write such a record: what is no number stays text.
        text = account.get(name, "")
        if text.isdecimal() and len(text) < 19:  # JSON takes 64 bits
            account[name] = int(text)
    return account
