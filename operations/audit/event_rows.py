"""What do the events that are still in the topics say about the data of runs?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from farandole.broker.settings import Settings
from farandole.catalog.ownership import Owner, parse_root
from farandole.catalog.profiled_events import profiling_stage
from farandole.events.envelope import UnreadableEventError, check_type
from farandole.events.quality_row import QualityKey
from farandole.events.record import Record
from farandole.events.topology_version import EventSpec
from farandole.ledger.edge_data import EdgeData
from farandole.operations.audit.audit_reader import AuditReader, OwnedEvent
from farandole.operations.dead_letters.dead_event import dead_event
from farandole.operations.dead_letters.letter_selection import account_field
from farandole.worker.row_data import RowDataReader

_MAX_BYTES = 8 * 1024 * 1024  # of rows that are read at once


class _Profiled(NamedTuple):
    """How the events of one owner are profiled."""

    stage: str | None
    """The stage whose lanes profile them when they consume them; None if those that emit them
    do."""
    rows: RowDataReader


@dataclass(slots=True)
class _Rows:
    version: int
    profiled: _Profiled
    consumed: list[bytes] = field(default_factory=list)
    ids: list[bytes] = field(default_factory=list)
    died: list[bytes] = field(default_factory=list)


class EventRows:
    """Reads the events of the types that are profiled for each run, and the dead letters of the
    stages that profile them. Windows are left out: which of them an event is in depends on when it
    was worked."""

    def __init__(
        self,
        settings: Settings,
        reader: AuditReader,
        add: Callable[[EdgeData], None],
        is_wanted: Callable[[QualityKey], bool],
    ) -> None:
        """`add` gets the parts of the profiles for which `is_wanted` returns True."""
        self._settings = settings
        self._reader = reader
        self._add = add
        self._is_wanted = is_wanted
        self._profiled: dict[Owner, _Profiled | None] = {}
        self._readers: dict[tuple[int, str], RowDataReader] = {}
        self._rows: dict[tuple[QualityKey, int], _Rows] = {}
        self._bytes = 0
        self.cut: set[QualityKey] = set()
        """Profiles with an event whose dead letter was cut, so that its data are not there."""

    async def read(self) -> None:
        """Read all of them. Raises BrokerError."""
        types: dict[str, str] = {}
        stages: set[str] = set()
        for version in self._reader.versions.values():
            for name, spec in version.events.items():
                if _is_by_run(spec):
                    types[spec.topic] = name
                    stages |= {profiling_stage(version, name) or ""}
        async for events in self._reader.events(types):
            for event in events:
                self._add_event(event)
        names, pipeline = self._settings.names, self._reader.pipeline
        dead = {names.dead_topic(pipeline, stage): stage for stage in stages - {""}}
        async for letters in self._reader.read("dead letters", sorted(dead)):
            for letter in letters:
                self._add_letter(letter, dead[letter.topic], types)
        self._flush()

    def _add_event(self, event: OwnedEvent) -> None:
        owner, profiled = event.owner, self._profiled_by(event.owner)
        if profiled is None:
            return
        if profiled.stage is not None:
            counts = self._reader.has_consumed(profiled.stage, event.record)
        else:
            # A program with transactions says nothing of the data that it emits.
            counts = owner.stage is not None and (
                owner.version.stages[owner.stage].external is not True
            )
        rows = self._rows_of(event, profiled) if counts else None
        if rows is not None:
            rows.consumed.append(_data_of(event))
            rows.ids.append(event.id)

    def _add_letter(self, letter: Record, stage: str, types: Mapping[str, str]) -> None:
        """Add the event of a dead letter of a stage, unless it has died before."""
        run = account_field(letter, "run")
        if account_field(letter, "replays") != "0" or not run:  # without a run it is in no books
            return
        if account_field(letter, "cut"):
            event_type = types.get(account_field(letter, "topic"), "")
            self.cut.add(QualityKey(self._reader.pipeline, event_type, run, None))
            return
        record = dead_event(letter)
        event = None if record is None else self._reader.owned(record)
        profiled = None if event is None else self._profiled_by(event.owner)
        if event is None or profiled is None or profiled.stage != stage:
            return
        rows = self._rows_of(event, profiled)
        if rows is not None:
            rows.died.append(_data_of(event))

    def _profiled_by(self, owner: Owner) -> _Profiled | None:
        """Return how the events of an owner are profiled; None if they are not, or in windows."""
        if owner not in self._profiled:
            version, name = owner.version, owner.event_type
            event = version.events[name]
            found = None
            if _is_by_run(event):
                place = version.version, name
                if place not in self._readers:
                    self._readers[place] = RowDataReader(event)
                found = _Profiled(profiling_stage(version, name), self._readers[place])
            self._profiled[owner] = found
        return self._profiled[owner]

    def _rows_of(self, event: OwnedEvent, profiled: _Profiled) -> _Rows | None:
        """Return where the row of an event goes; None if nobody wants it."""
        owner = event.owner
        run = event.run.decode(errors="replace")
        key = QualityKey(self._reader.pipeline, owner.event_type, run, None)
        if not self._is_wanted(key):
            return None
        self._bytes += len(event.record.value or b"")
        if self._bytes > _MAX_BYTES:
            self._flush()
        place = key, owner.version.version
        if place not in self._rows:
            self._rows[place] = _Rows(owner.version.version, profiled)
        return self._rows[place]

    def _flush(self) -> None:
        """Hand over what was read."""
        rows, self._rows, self._bytes = self._rows, {}, 0
        for (key, version), of_run in rows.items():
            part = EdgeData(key, version, of_run.profiled.stage or "")
            if of_run.consumed:
                read = of_run.profiled.rows.read(of_run.consumed, of_run.ids)
                part.profile, part.tallies = read.profile, read.tallies
            if of_run.died:
                part.died = of_run.profiled.rows.read_died(of_run.died)
            self._add(part)


def _is_by_run(event: EventSpec) -> bool:
    """Return True if the data of an event type are profiled for each run."""
    return event.is_profiled and event.is_by_run


def _data_of(event: OwnedEvent) -> bytes:
    """Return the data of an event, as the lane has read them."""
    record = event.record
    if event.owner.stage is None and record.headers:
        with suppress(UnreadableEventError):
            envelope = parse_root(record)
            check_type(envelope.attributes, event.owner.event_type)
            return envelope.data
    return record.value or b""
