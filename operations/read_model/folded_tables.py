"""What do the records say that were read so far?

It only folds: it asks nobody, and knows no clock but the one that it is given. A record that is no
row, or that only a newer release can read, changes nothing and is told in `skipped`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from pydantic import ValidationError

from farandole.catalog.topology_table import TopologyDecoder, TopologyTable
from farandole.events.alert_record import Alert, parse_alert
from farandole.events.controls_in_force import TimedDocument
from farandole.events.incident_record import Incident
from farandole.events.ledger_entry import parse_ledger_entry
from farandole.events.record import Record, UndecodableRecord
from farandole.events.row_format import NewerFormatError
from farandole.events.run_row import parse_run_row
from farandole.events.safe_text import short_line
from farandole.events.schedule_row import BACKFILL_PREFIX, ORDER_PREFIX, SCHEDULE_PREFIX
from farandole.notifier.notifier_tables import read_incidents
from farandole.notifier.read_positions import ReadPosition
from farandole.operations.control.control_query import UnreadableControl, add_control_record
from farandole.operations.read_model.change_journal import ChangeJournal
from farandole.operations.read_model.entry_rates import EntryRates
from farandole.operations.read_model.gate_queues import JudgedGates, OpenRun
from farandole.operations.read_model.open_edges import OpenEdges
from farandole.operations.read_model.open_letters import OpenLetterHead, OpenLetters
from farandole.operations.read_model.revision import Place, Revision
from farandole.operations.read_model.run_index import RunIndex
from farandole.operations.read_model.sources import PASSING, Source, Table
from farandole.operations.results import Result
from farandole.operations.schedules.schedule_table import decode_schedule_rows

MAX_SKIPPED = 100
MAX_ALERTS = 10_000
MAX_INCIDENTS = 20_000
MAX_RECENT_ROWS = 1_000
"""Rows of runs that are kept as they were read: those that have changed last."""
TOMBSTONE_LIFE_MS = 12 * 3600 * 1000
"""A deletion may be missing in the log if it is older: compaction keeps tombstones for 24 hours."""

_SCHEDULE_PREFIXES = (SCHEDULE_PREFIX, BACKFILL_PREFIX, ORDER_PREFIX)


class SkippedRecord(Result):
    """A record that tells nothing."""

    topic: str
    partition: int
    offset: int
    key: str
    why: str


def wall_clock() -> int:
    """Return the time in milliseconds of the epoch."""
    return int(datetime.now(UTC).timestamp() * 1000)


class FoldedTables:
    """Everything that the followed topics say. `now` returns milliseconds of the epoch."""

    def __init__(self, now: Callable[[], int] = wall_clock) -> None:
        self._now = now
        self.runs = RunIndex()
        self.edges = OpenEdges()
        self.judged_gates = JudgedGates()
        self.rates = EntryRates()
        self.incidents: dict[str, Incident] = {}
        """By the key of their row."""
        self.alerts: OrderedDict[str, Alert] = OrderedDict()
        """Those that fire, by key."""
        self.documents: dict[bytes, TimedDocument] = {}
        self.unreadable_controls: dict[bytes, UnreadableControl] = {}
        self.schedule_rows: dict[bytes, bytes] = {}
        self.shares: dict[bytes, bytes] = {}
        self.skipped: OrderedDict[tuple[str, int, str], SkippedRecord] = OrderedDict()
        """The last of them, by topic, partition and key."""
        self.journals: Mapping[Table, ChangeJournal] = {
            table: ChangeJournal() for table in Table if table not in PASSING
        }
        self._letters: dict[str, OpenLetters] = {}
        self._recent: OrderedDict[str, bytes] = OrderedDict()
        self._topology_rows: dict[bytes, bytes] = {}
        self._decoder = TopologyDecoder()
        self._topology: TopologyTable | None = TopologyTable()
        self._sources: dict[str, Source] = {}
        self._offsets: dict[str, int] = {}
        self._loading: set[str] = set()

    @property
    def revision(self) -> Revision:
        """Up to where everything was read. Runs count once their earlier rows are loaded."""
        return Revision({s: o for s, o in self._offsets.items() if s not in self._loading})

    @property
    def topology(self) -> TopologyTable:
        """The published versions."""
        if self._topology is None:
            self._topology = self._decoder.decode(dict(self._topology_rows))
        return self._topology

    def incident(self, key: str) -> Incident | None:
        """Return the incident of this key; None if there is none."""
        return self.incidents.get(key)

    def open_runs(self) -> Iterator[OpenRun]:
        """Iterate over the runs that have not ended and have anything on an edge."""
        for run, loads in self.edges.by_run():
            known = self.runs.summary(run)
            if known is not None and known.closed is None:
                yield OpenRun(run, known.opened, loads)

    def letters(self) -> dict[str, OpenLetterHead]:
        """Return the open letters by `pipeline/stage`, without stages that never had any."""
        return {key: letters.head() for key, letters in self._letters.items()}

    def letter_head(self, key: str) -> OpenLetterHead | None:
        """Return the open letters of `pipeline/stage`; None if its topic is not followed."""
        letters = self._letters.get(key)
        return letters.head() if letters else None

    def recent_row(self, run: str) -> bytes | None:
        """Return the newest row of a run as it was read; None if it is not among those that have
        changed last."""
        return self._recent.get(run)

    def source(self, name: str) -> Source | None:
        """Return the source of that name; None if it is not followed."""
        return self._sources.get(name)

    def is_known(self, revision: Revision) -> bool:
        """Return False if a revision names a source that is not followed: a topic that was deleted
        since."""
        return all(source in self._sources for source in revision)

    def add_source(self, source: Source, *, begins: int = 0, is_cut: bool = False) -> None:
        """Begin to follow a partition at the offset `begins`. Of runs, what is before it comes by
        `load_run`. `is_cut`: whether earlier records are left out."""
        self._sources[source.name] = source
        journal = self.journals.get(source.table)
        if journal is not None and (source.table is Table.RUNS or is_cut):
            journal.begin(Place(source.name, begins))
        if source.table is Table.RUNS:
            self._loading.add(source.name)
            self.runs.begin_loading()
        if source.table is Table.LETTERS:
            key = f"{source.pipeline}/{source.stage}"
            self._letters[key] = OpenLetters(
                source.pipeline, source.stage, left_out=begins if is_cut else 0
            )

    def drop_source(self, source: Source) -> None:
        """Forget what a partition has told: it is gone, or is read anew."""
        del self._sources[source.name]
        self._offsets.pop(source.name, None)
        self._loading.discard(source.name)
        journal = self.journals.get(source.table)
        if journal is not None:
            journal.forget_all()
        match source.table:
            case Table.TOPOLOGY:
                self._topology_rows, self._topology = {}, None
            case Table.CONTROL:
                self.documents, self.unreadable_controls = {}, {}
            case Table.RUNS:
                self._drop_runs(source.name)
            case Table.INCIDENTS:
                self.incidents = {}
            case Table.ALERTS:
                self.alerts.clear()
            case Table.SCHEDULES:
                self.schedule_rows = {}
            case Table.SHARES:
                self.shares = {}
            case Table.LETTERS:
                del self._letters[f"{source.pipeline}/{source.stage}"]
        for key in [key for key in self.skipped if key[:2] == (source.topic, source.partition)]:
            del self.skipped[key]

    def drop_letters_before(self, source: Source, offset: int) -> None:
        """Forget the letters that retention has deleted."""
        key = f"{source.pipeline}/{source.stage}"
        if self._letters[key].drop_before(offset):
            self.journals[Table.LETTERS].note(key)

    def load_run(self, source: Source, record: Record) -> None:
        """Take a row that was written before the partition was followed; rows may come in any
        order. Never raises for what a record contains."""
        try:
            self._put_run(source, record)
        except (NewerFormatError, ValueError) as error:
            self._skip(record, _one_line(error))

    def finish_loading(self, source: Source) -> None:
        """All earlier rows of this partition of runs were loaded."""
        self._loading.discard(source.name)
        self.journals[Table.RUNS].forget_all()
        if not self._loading:
            self.runs.finish_loading()

    def apply(self, source: Source, record: Record) -> None:
        """Take the next record of a partition. Never raises for what a record contains."""
        if source.table not in PASSING:
            self._offsets[source.name] = record.offset + 1
        if isinstance(record, UndecodableRecord):
            self._skip(record, record.why)
            return
        place = Place(source.name, record.offset)
        journal = self.journals.get(source.table)
        if journal is not None and 0 < record.timestamp < self._now() - TOMBSTONE_LIFE_MS:
            journal.begin(place._replace(offset=record.offset + 1))
        try:
            key = self._fold(source, record)
        except (NewerFormatError, ValueError) as error:
            self._skip(record, _one_line(error))
            return
        if key is not None and journal is not None:
            journal.note(key, place)

    def _fold(self, source: Source, record: Record) -> str | None:
        """Return the key of the row that has changed; None if none has. Raises NewerFormatError and
        ValueError."""
        match source.table:
            case Table.ENTRIES:
                entry = parse_ledger_entry(record.value)
                if entry is not None:
                    self.rates.take(entry, self._now())
                return None
            case Table.LETTERS:
                key = f"{source.pipeline}/{source.stage}"
                try:
                    self._letters[key].take(record)
                finally:
                    self.journals[Table.LETTERS].note(key, Place(source.name, record.offset))
                return None
            case Table.RUNS:
                return self._put_run(source, record)
        if record.key is None:
            raise ValueError("the record has no key")
        text = record.key.decode(errors="backslashreplace")
        self.skipped.pop((record.topic, record.partition, text), None)
        match source.table:
            case Table.TOPOLOGY:
                _put(self._topology_rows, record.key, record.value)
                self._topology = None
            case Table.CONTROL:
                add_control_record(record, self.documents, self.unreadable_controls)
            case Table.INCIDENTS:
                return self._put_incident(record.key, record.value, text)
            case Table.ALERTS:
                return self._put_alert(record.value)
            case Table.SCHEDULES:
                if not record.key.startswith(_SCHEDULE_PREFIXES):
                    return None
                if record.value is not None:
                    decode_schedule_rows({record.key: record.value})
                _put(self.schedule_rows, record.key, record.value)
            case Table.SHARES:
                _put(self.shares, record.key, record.value)
        return text

    def _put_run(self, source: Source, record: Record) -> str | None:
        self._offsets[source.name] = max(record.offset + 1, self._offsets.get(source.name, 0))
        if record.key is None:
            return None
        row = parse_run_row(record.value)
        if row is None and record.value is not None:
            raise ValueError("the value is no row of a run")
        run = record.key.decode(errors="backslashreplace")
        if not self.runs.put(run, row, Place(source.name, record.offset)):
            return None
        self.edges.put(run, row)
        self.judged_gates.put(run, row)
        self._recent.pop(run, None)
        if record.value is not None and source.name not in self._loading:
            self._recent[run] = record.value
            if len(self._recent) > MAX_RECENT_ROWS:
                self._recent.popitem(last=False)
        return run

    def _drop_runs(self, source: str) -> None:
        kept = [known for known in self.runs if known.place.source != source]
        gone = [known.summary.run for known in self.runs if known.place.source == source]
        self.runs = RunIndex.of(kept, is_loaded=not self._loading)
        for run in gone:
            self.edges.put(run, None)
            self.judged_gates.put(run, None)
            self._recent.pop(run, None)

    def _put_incident(self, key: bytes, value: bytes | None, text: str) -> str | None:
        if ReadPosition.is_key(key):
            return None
        if value is None:
            return text if self.incidents.pop(text, None) else None
        found = read_incidents({key: value})
        if not found:
            raise ValueError("the value is no incident")
        self.incidents.pop(text, None)
        self.incidents[text] = found[0]
        if len(self.incidents) > MAX_INCIDENTS:
            self._forget_incident()
        return text

    def _forget_incident(self) -> None:
        resolved = (key for key, each in self.incidents.items() if each.resolved is not None)
        oldest = next(resolved, next(iter(self.incidents)))
        del self.incidents[oldest]
        self.journals[Table.INCIDENTS].note(oldest)

    def _put_alert(self, value: bytes | None) -> str | None:
        if value is None:
            return None
        alert = parse_alert(value)
        before = self.alerts.pop(alert.key, None)
        if alert.state == "resolved":
            return alert.key if before else None
        self.alerts[alert.key] = alert
        if len(self.alerts) > MAX_ALERTS:
            oldest, _ = self.alerts.popitem(last=False)
            self.journals[Table.ALERTS].note(oldest)
        return alert.key

    def _skip(self, record: Record, why: str) -> None:
        key = "" if record.key is None else record.key.decode(errors="backslashreplace")
        name = record.topic, record.partition, key
        self.skipped.pop(name, None)
        self.skipped[name] = SkippedRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=short_line(key),
            why=why,
        )
        while len(self.skipped) > MAX_SKIPPED:
            self.skipped.popitem(last=False)


def _put(rows: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    rows.pop(key, None)
    if value is not None:
        rows[key] = value


def _one_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return short_line(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    return short_line(str(error))
