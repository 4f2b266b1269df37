"""What becomes of saved rows if the topics that they speak of have begun anew?

A restored topic that is empty counts its offsets from 0 again. So what names a position in it is
changed: else a new event at an old position would be taken for the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import orjson

from farandole.events import retry_record
from farandole.events.canary_row import is_canary_key
from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.kafka_names import KafkaNames
from farandole.ledger.bookkeeper_lane import POSITION_KEY
from farandole.operations.backup.backup_file import SavedRecord
from farandole.scheduler.scheduler_state import BOOKS_KEY

OFFSET_SHIFT = 2**40
"""Added to the offset of an event whose topic has begun anew: no new event will have it."""


class RestoredRows:
    """Changes saved records for an installation whose namespace may be another."""

    def __init__(self, old: KafkaNames, new: KafkaNames, fresh: Set[str]) -> None:
        """`fresh`: the topics that have begun anew, without the namespace."""
        self._old, self._new, self._fresh = old, new, fresh

    def change(self, saved: SavedRecord) -> SavedRecord:
        """Return the record as it is restored."""
        names = KafkaNames()
        if saved.value is None:
            return saved
        if saved.topic.endswith(".dead"):
            return self._changed_letter(saved)
        if saved.topic.endswith(".retry"):
            return self._changed_retry_row(saved)
        if saved.topic == names.topology_topic and b"@" in (saved.key or b""):
            return saved._replace(value=orjson.dumps(self._version(orjson.loads(saved.value))))
        if saved.topic == names.bookkeeper_state_topic and saved.key == POSITION_KEY:
            return saved._replace(value=b"0") if names.ledger_topic in self._fresh else saved
        if saved.topic == names.bookkeeper_state_topic and is_canary_key(saved.key):
            # Another switch may get its generation, an offset of a topic that has begun anew.
            return saved._replace(value=None) if names.control_topic in self._fresh else saved
        if saved.topic == names.schedules_topic:
            return self._changed_schedule(saved)
        if saved.topic == names.incidents_topic:
            return saved._replace(value=orjson.dumps(self._incident(orjson.loads(saved.value))))
        return saved

    def topic(self, name: str) -> str:
        """Return the name of a topic in the restored installation, by its old full name."""
        return self._new.prefix + name.removeprefix(self._old.prefix)

    def is_fresh(self, name: str) -> bool:
        """Return True if the topic with this old full name has begun anew."""
        return name.removeprefix(self._old.prefix) in self._fresh

    def _version(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a version's row. In a fresh topic it begins at 0, so the newest has every root;
        `life` lets the ids of its runs and events differ from the old ones."""
        for event in row.get("events", {}).values():
            if self.is_fresh(event["topic"]):
                event["boundaries"] = [0] * len(event.get("boundaries", []))
                event["life"] = event.get("life", 1) + 1
                event.pop("topic_id", None)
            event["topic"] = self.topic(event["topic"])
        for stage in row.get("stages", {}).values():
            for own in ("parking", "state", "raw"):
                if stage.get(own):
                    stage[own]["topic"] = self.topic(stage[own]["topic"])
        return row

    def _incident(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return an incident's row: alerts of a fresh topic are all newer than it."""
        if row.get("firing") is not None and KafkaNames().alerts_topic in self._fresh:
            row["seen"] = 0
        for sample in row.get("samples", ()):
            sample["dead_topic"] = self.topic(sample["dead_topic"])
            sample["topic"] = self.topic(sample["topic"])
        return row

    def _changed_schedule(self, saved: SavedRecord) -> SavedRecord:
        """Return a row of the scheduler. Runs whose events are lost do not keep a schedule from
        firing."""
        row: dict[str, Any] = orjson.loads(saved.value or b"")
        runs = [run for run in row.get("runs") or () if not self.is_fresh(run["topic"])]
        for run in [*runs, *([row["last"]] if row.get("last") else [])]:
            if self.is_fresh(run["topic"]):
                run["state"] = "ended"
            run["topic"] = self.topic(run["topic"])
        if "runs" in row:
            row["runs"] = runs
        return saved._replace(value=orjson.dumps(row))

    def _changed_letter(self, saved: SavedRecord) -> SavedRecord:
        headers = dict(saved.headers)
        topic = (headers.get(f"{DEAD_HEADER_PREFIX}topic") or b"").decode(errors="replace")
        offset = headers.get(f"{DEAD_HEADER_PREFIX}offset") or b""
        if not topic or not offset.isdigit():
            return saved  # a settlement
        headers[f"{DEAD_HEADER_PREFIX}topic"] = self.topic(topic).encode()
        if self.is_fresh(topic):
            headers[f"{DEAD_HEADER_PREFIX}offset"] = b"%d" % (int(offset) + OFFSET_SHIFT)
        return saved._replace(headers=list(headers.items()))

    def _changed_retry_row(self, saved: SavedRecord) -> SavedRecord:
        try:
            event = retry_record.parse_retry_row(saved.value or b"")
        except ValueError:
            return saved  # the state of a breaker
        kind = (saved.key or b"").removesuffix(event.row_name)
        shift = OFFSET_SHIFT if self.is_fresh(event.topic) else 0
        moved = event._replace(topic=self.topic(event.topic), offset=event.offset + shift)
        row = retry_record.make_retry_row(moved, kind)
        return saved._replace(key=row.key, value=row.value)


def with_moved_cursor(records: Sequence[SavedRecord], ends: Mapping[int, int]) -> list[SavedRecord]:
    """Return the records, with the scheduler's place in the books where it is once the rows of runs
    are written in this order. `ends`: by partition of `farandole.runs`, where the first of them
    will be; 0 for a partition that is not in it."""
    names = KafkaNames()
    return [
        saved._replace(value=_moved_books(saved.value, records, ends))
        if (saved.topic, saved.key) == (names.schedules_topic, BOOKS_KEY) and saved.value
        else saved
        for saved in records
    ]


def _moved_books(value: bytes, records: Sequence[SavedRecord], ends: Mapping[int, int]) -> bytes:
    row: dict[str, Any] = orjson.loads(value)
    read = {int(partition): offset for partition, offset in row.get("cursor", {}).items()}
    runs = [each for each in records if each.topic == KafkaNames().runs_topic]
    row["cursor"] = {
        str(partition): ends.get(partition, 0)
        + sum(each.partition == partition and each.offset < offset for each in runs)
        for partition, offset in read.items()
    }
    return orjson.dumps(row)


def in_place(records: Iterable[SavedRecord], filler: SavedRecord) -> Iterable[SavedRecord]:
    """Yield records with `filler` for each offset that is missing, so that each gets its own offset
    again when they are written into an empty partition in this order."""
    at = 0
    for record in records:
        while at < record.offset:
            yield filler._replace(offset=at)
            at += 1
        yield record
        at += 1
