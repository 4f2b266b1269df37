"""What does a lane say in the ledger about the data of the events that a transaction has consumed?

An event is looked at once: in the transaction that consumes it first, whatever becomes of it there,
and not when it is tried again or replayed as it was. Its data are read anew from their JSON, since
the function may have changed what it got.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import orjson

from farandole.catalog.ownership import UnknownVersionError
from farandole.catalog.profiled_events import profiling_stage
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
from farandole.events.topology_version import Version
from farandole.quality.profiles.sample_ids import first_raw_ids
from farandole.worker.input_edge import Lineage
from farandole.worker.key_memory import KeyMemory
from farandole.worker.lane_state import LaneState
from farandole.worker.ledger_entries import MAX_ENTRY_BYTES, EdgeAccount, event_id_of
from farandole.worker.lineage import LineageResolver, MisplacedRecordError
from farandole.worker.row_data import RowDataReader
from farandole.worker.transaction_buffer import TransactionBuffer, data_of

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
        state: LaneState,
    ) -> None:
        self._pipeline = pipeline
        self._stage = stage
        self._lane = lane
        self._lineages = lineages
        self._ledger_topic = ledger_topic
        self._readers: dict[tuple[str, str], RowDataReader] = {}
        self._keys = KeyMemory(state)

    def restore(self) -> None:
        """Begin with what the lane's state says."""
        self._keys.restore()

    def entries(self, buffer: TransactionBuffer) -> dict[Partition, list[OutgoingRecord]]:
        """Return the entries about the data of a transaction. They stand before its other
        entries."""
        now = int(buffer.now.timestamp() * 1000)
        rows: dict[_Place, _Rows] = {}
        for account in buffer.accounts.each():
            if account.consumed_values:
                self._add_consumed(rows, account, now)
            for output, values in account.emitted_values.items():
                version = account.edge.version
                found = self._rows_of(rows, version, output.event_type, account.run, now)
                found.consumed.extend(values)
                found.ids.extend(account.emitted_ids[output])
        for record in buffer.mended:
            if (known := self._lineage_of(record)) is not None:
                of_event = self._rows_of_event(rows, record, known, now)
                if of_event is not None:
                    of_event.mended.append(len(of_event.consumed))
                    of_event.consumed.append(data_of(record, known))
                    of_event.ids.append(known.run if known.is_root else event_id_of(record))
        for record, lineage in buffer.died:
            of_event = self._rows_of_event(rows, record, lineage, now)
            if of_event is not None:
                of_event.died.append(data_of(record, lineage))
        return self._entries(rows, now) if rows else {}

    def _add_consumed(self, rows: dict[_Place, _Rows], account: EdgeAccount, now: int) -> None:
        """Add the data of the consumed events of one run to the rows of their profiles."""
        version, event_type = account.edge.version, account.edge.event_type
        assert account.consumed_values is not None
        if account.consumed_at is None:
            found = self._rows_of(rows, version, event_type, account.run, now)
            found.consumed.extend(account.consumed_values)
            found.ids.extend(account.ids)
            return
        for value, id_, timestamp in zip(
            account.consumed_values, account.ids, account.consumed_at, strict=True
        ):
            at = past_time_ms(timestamp, now)
            found = self._rows_of(rows, version, event_type, account.run, at)
            found.consumed.append(value)
            found.ids.append(id_)

    def _lineage_of(self, record: Record) -> Lineage | None:
        """Return the lineage of an event; None if it is consumed by another lane."""
        try:
            return self._lineages.lineage(record)
        except MisplacedRecordError:
            return None
        except (UnreadableEventError, UnknownVersionError):
            return self._lineages.stray(record)

    def _rows_of_event(
        self, rows: dict[_Place, _Rows], record: Record, lineage: Lineage, now: int
    ) -> _Rows | None:
        """Return the rows of the profile of an event; None if this stage does not profile it."""
        edge = lineage.edge
        if edge.profiled_by != self._stage:
            return None
        at = past_time_ms(record.timestamp, now)
        return self._rows_of(rows, edge.version, edge.event_type, lineage.run, at)

    def _rows_of(
        self, rows: dict[_Place, _Rows], version: Version, event_type: str, run: bytes, at: int
    ) -> _Rows:
        """Return the rows of the profile of an event of a run, at `at` milliseconds."""
        place = self._place(version, event_type, run, at)
        found = rows.get(place)
        if found is None:
            found = rows[place] = _Rows(version)
        return found

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
