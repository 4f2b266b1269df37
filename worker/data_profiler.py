"""What does a lane say in the ledger about the data of the events that a transaction has consumed?

An event is looked at once: in the transaction that consumes it first, whatever becomes of it there,
and not when it is tried again or replayed as it was. Its data are read anew from their JSON, since
the function may have changed what it got.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple, cast

import orjson

from farandole.catalog.profiled_events import profiles_input, profiling_stage
from farandole.events.envelope import UnreadableEventError
from farandole.events.ledger_entry import LedgerEntry, ledger_partition
from farandole.events.profile_delta import (
    MAX_DELTA_BYTES,
    ProfileDelta,
    window_partition,
    window_start,
)
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.record_time import past_time_ms
from farandole.events.retry_record import REPLAY_PREFIX, ParkedEvent, parse_retry_row
from farandole.events.topology_version import Version
from farandole.quality.profiles.sample_ids import first_raw_ids
from farandole.worker.input_edge import Lineage
from farandole.worker.key_memory import KeyMemory
from farandole.worker.lane_state import LaneState
from farandole.worker.ledger_entries import MAX_ENTRY_BYTES, event_id_of
from farandole.worker.lineage import LOOKUP_ERRORS, LineageResolver
from farandole.worker.row_data import RowDataReader
from farandole.worker.transaction_buffer import TransactionBuffer

_LEAST_DELTA_BYTES = 4 * 1024  # for the exact counts of some ten columns


class _Place(NamedTuple):
    """Of which profile a row is."""

    version: int
    event: str
    run: bytes | None
    window: int | None
    """When the window begins, in milliseconds of the epoch as below; None for the run."""
    until: int = 0


@dataclass(slots=True)
class _Rows:
    """The rows of one profile in one transaction."""

    version: Version
    consumed: list[bytes] = field(default_factory=list)
    ids: list[bytes] = field(default_factory=list)
    """The id of each consumed event."""
    died: list[bytes] = field(default_factory=list)
    mended: list[int] = field(default_factory=list)
    """The places of those that a person has changed."""


class DataProfiler:
    """Profiles the data that the lanes of one stage are the first to read, or alone to emit."""

    def __init__(
        self,
        pipeline: str,
        stage: str,
        lane: int,
        lineages: LineageResolver,
        ledger_topic: str,
        retry_topic: str | None,
        state: LaneState,
    ) -> None:
        self._pipeline = pipeline
        self._stage = stage
        self._lane = lane
        self._lineages = lineages
        self._ledger_topic = ledger_topic
        self._retry_topic = retry_topic
        self._reads: dict[str, bool] = {}
        self._readers: dict[tuple[str, str], RowDataReader] = {}
        self._keys = KeyMemory(state)

    def restore(self) -> None:
        """Begin with what the lane's state says."""
        self._keys.restore()

    def entries(
        self, buffer: TransactionBuffer, records: Sequence[Record]
    ) -> dict[Partition, list[OutgoingRecord]]:
        """Return the entries about the data of a transaction. They stand before its other entries.
        `records` are those that it has settled or parked."""
        now = int(buffer.now.timestamp() * 1000)
        rows: dict[_Place, _Rows] = {}
        if any(map(self._reads_first, self._lineages.versions())):
            self._sort(rows, self._first_consumed(records, buffer.mended), now, died=False)
            self._sort(rows, buffer.died, now, died=True)
        for account in buffer.accounts.each():
            for output, values in account.emitted_values.items():
                place = self._place(account.edge.version, output.event_type, account.run, now)
                found = rows.setdefault(place, _Rows(account.edge.version))
                found.consumed.extend(values)
                found.ids.extend(account.emitted_ids[output])
        return self._entries(rows, now) if rows else {}

    def _reads_first(self, version: Version) -> bool:
        known = self._reads.get(version.name)
        if known is None:
            known = self._reads[version.name] = profiles_input(version, self._stage)
        return known

    def _first_consumed(
        self, records: Iterable[Record], mended: Sequence[Record]
    ) -> Iterator[tuple[Record, Lineage]]:
        for record in chain(filter(None, map(self._new_data, records)), mended):
            try:
                lineage = self._lineages.lineage(record)
            except LOOKUP_ERRORS:
                continue  # it was sent to another partition, and is consumed there
            except UnreadableEventError:
                lineage = self._lineages.stray(record)
            yield record, lineage

    def _new_data(self, record: Record) -> Record | None:
        """Return the event in a record whose data nobody has looked at; None if there is none."""
        if isinstance(record, ParkedEvent):
            return None
        return _repaired(record) if record.topic == self._retry_topic else record

    def _sort(
        self,
        rows: dict[_Place, _Rows],
        events: Iterable[tuple[Record, Lineage]],
        now: int,
        *,
        died: bool,
    ) -> None:
        """Add the data of events to the rows of their profiles."""
        last: Lineage | None = None
        found: _Rows | None = None
        for record, lineage in events:
            if lineage is not last:  # most events have the same as the one before
                version, event_type = lineage.edge.version, lineage.edge.event_type
                spec = version.events[event_type]
                found = None
                if spec.is_profiled and profiling_stage(version, event_type) == self._stage:
                    at = past_time_ms(record.timestamp, now)
                    place = self._place(version, event_type, lineage.run, at)
                    found = rows.setdefault(place, _Rows(version))
                # Events of one lineage can be of several windows.
                last = lineage if spec.is_by_run else None
            if found is None:
                continue
            raw = (record.value if lineage.data is None else lineage.data) or b""
            if died:
                found.died.append(raw)
            else:
                if isinstance(record, ParkedEvent):
                    found.mended.append(len(found.consumed))
                found.consumed.append(raw)
                found.ids.append(lineage.run if lineage.is_root else event_id_of(record))

    def _place(self, version: Version, event_type: str, run: bytes, at: int) -> _Place:
        spec = version.events[event_type].profile
        if spec is None or spec.per is None:
            return _Place(version.version, event_type, run, None)
        start = window_start(at, spec.per)
        return _Place(version.version, event_type, None, start, start + round(spec.per * 1000))

    def _entries(
        self, rows: Mapping[_Place, _Rows], now: int
    ) -> dict[Partition, list[OutgoingRecord]]:
        largest = max(MAX_DELTA_BYTES // len(rows), _LEAST_DELTA_BYTES)
        by_partition: dict[int, list[ProfileDelta]] = {}
        for place, found in rows.items():
            version = found.version
            if not version.ledger:
                continue
            if place.run is None:
                number = window_partition(self._pipeline, place.event, version.ledger)
            else:
                number = ledger_partition(place.run, version.ledger)
            delta = self._delta(place, found, largest)
            by_partition.setdefault(number, []).append(delta)
        return {
            Partition(self._ledger_topic, number): [
                OutgoingRecord(None, value) for value in self._values(deltas, now)
            ]
            for number, deltas in by_partition.items()
        }

    def _delta(self, place: _Place, rows: _Rows, largest: int) -> ProfileDelta:
        """Return what is to be said of a profile's rows, in about so many bytes."""
        delta: ProfileDelta = {
            "version": place.version,
            "event": place.event,
            "stage": profiling_stage(rows.version, place.event) or "",
        }
        if place.run is not None:
            delta["run"] = place.run.decode()
        if place.window is not None:
            delta |= {"window": place.window, "until": place.until}
        if rows.mended:
            delta["mended"] = len(rows.mended)
        reader = self._reader(rows.version, place.event)
        share = largest // (bool(rows.consumed) + bool(rows.died) + reader.has_rules)
        if rows.consumed:
            read = reader.read(rows.consumed, rows.ids, {*rows.mended})
            delta["profile"] = _fragment(read.profile.to_delta(share))
            delta["ids"] = first_raw_ids(rows.ids)
            if read.tallies is not None:
                delta["checks"] = _fragment(read.tallies.to_delta(share))
            # Whoever emits an event does not have all events of its key.
            if reader.notes_keys and place.run is not None and delta["stage"]:
                keys = self._keys.tally(
                    place.event, place.run, read.keys, read.profile.rows, hides=reader.hides_keys
                )
                if keys is not None:
                    delta["keys"] = keys.to_json()
        if rows.died:
            delta["died"] = _fragment(reader.read_died(rows.died).to_delta(share))
        return delta

    def _reader(self, version: Version, event_type: str) -> RowDataReader:
        key = version.name, event_type
        if key not in self._readers:
            self._readers[key] = RowDataReader(version.events[event_type])
        return self._readers[key]

    def _values(self, deltas: Sequence[ProfileDelta], now: int) -> Iterator[bytes]:
        """Yield the values of as few records as possible."""
        entry: LedgerEntry = {
            "pipeline": self._pipeline,
            "stage": self._stage,
            "lane": self._lane,
            "at": now,
            "seconds": 0.0,
            "runs": [],
            "profiles": [*deltas],
        }
        value = orjson.dumps(entry)
        if len(value) <= MAX_ENTRY_BYTES or len(deltas) == 1:
            yield value
            return
        half = len(deltas) // 2
        yield from self._values(deltas[:half], now)
        yield from self._values(deltas[half:], now)


def _fragment(written: bytes) -> dict[str, Any]:
    return cast(dict[str, Any], orjson.Fragment(written))  # in the place of what it is the text of


def _repaired(row: Record) -> ParkedEvent | None:
    """Return the event of a replay whose value a person has changed; None for any other row."""
    if row.value is None or row.key is None or not row.key.startswith(REPLAY_PREFIX):
        return None
    try:
        event = parse_retry_row(row.value)
    except ValueError:
        return None
    return event if event.repaired else None
