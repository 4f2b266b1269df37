"""What does a lane of the bookkeeper do with ledger entries, and what as time passes?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from farandole.events.alert_record import Alert
from farandole.events.alert_record import alert_to_record as outgoing_alert
from farandole.events.control_documents import serialize_control
from farandole.events.envelope import constant_headers
from farandole.events.firing_alerts import firing_alert_row, parse_firing_alerts
from farandole.events.header_codec import length_prefixed, make_header_block, varint_bytes
from farandole.events.kafka_names import KafkaNames
from farandole.events.next_step import CommandLine, plain_command_line
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.topology_version import Version
from farandole.lanes.lane_port import PlacedOffsets, StateTables
from farandole.lanes.lane_work import BatchResult
from farandole.ledger import entry_validation, late_run_alerts
from farandole.ledger.alert_text import condition_tracker
from farandole.ledger.canary_store import CanaryStore
from farandole.ledger.edge_data import EdgeData
from farandole.ledger.function_questions import (
    CallFunctions,
    FunctionQuestion,
    ask_functions,
    function_questions,
    has_functions,
    window_owner,
)
from farandole.ledger.gate_rows import GateRows
from farandole.ledger.profile_store import ProfileStore
from farandole.ledger.quality_rows import QualityRows
from farandole.ledger.run_fold import count_settled_events
from farandole.ledger.run_store import RunChange, RunStore
from farandole.ledger.stage_alerts import AlertCondition
from farandole.telemetry.meter import Meter
from farandole.telemetry.metric_catalog import LATE_RUNS, RUN_CHANGES, Metric

if TYPE_CHECKING:
    from farandole.ledger.data_verdicts import Answers

log = structlog.get_logger()

_FOLD_SECONDS = 0.5  # the longest time of folding in one transaction
_MAX_ROW_BYTES = 8 * 1024 * 1024  # approximate limit of the rows in one transaction
_LOG_INTERVAL = 10.0  # seconds between two log lines about foreign records

POSITION_KEY = b"position"
FIRING_PREFIX = b"firing/"  # before the key of an alert in the lane's state
_ID_HEADER = length_prefixed(b"ce_id")


def now_ms() -> int:
    """Return the time in milliseconds of the epoch."""
    return time.time_ns() // 1_000_000


class BookkeeperLane:
    """The `farandole.lanes.lane_work.LaneWork` over partition `index` of `farandole.ledger`.

    It folds entries into run rows, marks late runs, ends canary switches whose candidate is worse,
    and writes rows, alerts and ends in the transaction that commits the entries' offsets."""

    def __init__(
        self,
        names: KafkaNames,
        index: int,
        source: str,
        store: RunStore | None = None,
        clock: Callable[[], int] = now_ms,
        take_conditions: Callable[[Set[str]], Sequence[AlertCondition] | None] = lambda _: None,
        command_line: CommandLine = plain_command_line,
        *,
        read_age: Callable[[], float | None],
        throttled: Callable[[], Set[tuple[str, str]]] = frozenset,
        version_of: Callable[[str, int], Version | None] = lambda *_: None,
        read_versions: Callable[[], Awaitable[object]] | None = None,
        meter: Meter | None = None,
        call_functions: CallFunctions | None = None,
    ) -> None:
        """`source` is the `ce_source` of what the lane writes; `clock` returns milliseconds of the
        epoch. `read_age` returns how many seconds ago the ledger had been read to its end; None if
        entries are unread. `take_conditions` is given the keys of the alerts that fire, and returns
        the newest conditions of all stages, None if there are none since its last call; only one
        lane of the installation may have it.
        `command_line` writes the commands in the alerts' texts. `throttled` returns the pairs of a
        pipeline and a stage whose throttle holds events back now. `version_of` returns a published
        version by its pipeline and number, None if it is not known; `read_versions` reads those
        that are published now. Without them no data are checked. `meter` counts what becomes of
        runs. `call_functions` calls the functions of checks; without it such checks are skipped."""
        self._runs = Partition(names.runs_topic, index)
        self._state = Partition(names.bookkeeper_state_topic, index)
        self._alerts = Partition(names.alerts_topic, 0)
        self._control = Partition(names.control_topic, 0)
        self._names = names
        self._source = source
        self._store = store or RunStore()
        self._canaries = CanaryStore()
        self._data = ProfileStore()
        self._closed_windows: list[EdgeData] = []
        self._clock = clock
        self._read_age = read_age
        self._throttled = throttled
        self._version_of = version_of
        self._read_versions = read_versions
        self.meter = meter or Meter()
        self._uncounted: list[tuple[Metric, str]] = []
        """What is to be counted once the transaction is committed, with its label."""
        self._call_functions = call_functions
        self._answers: Mapping[str, Answers] = {}
        """What the functions of checks have answered for the transaction that is made, by run or
        window."""
        self._calls: asyncio.Task[Mapping[str, Answers]] | None = None
        """The calls about windows that are over, while nothing else is to be done."""
        self._new_alerts: list[Alert] = []
        self._take_conditions = take_conditions
        self._command_line = command_line
        self._alert_tracker = condition_tracker(command_line)
        self._foreign_count = 0
        self._last_logged = -_LOG_INTERVAL
        self._position = 0
        """The offset up to which (exclusive) all entries are folded into the rows. The lane's state
        contains it as well, because a group's offsets expire if no bookkeeper runs for a week, and
        it is worse to count entries twice than to miss some."""

    @property
    def deferred(self) -> None:
        return None

    @property
    def drained(self) -> None:
        return None

    @property
    def throttle(self) -> None:
        return None

    @property
    def timed(self) -> None:
        return None

    @property
    def open_runs(self) -> int:
        """How many runs are not over."""
        return self._store.open_count

    def open(self, tables: StateTables) -> None:
        self._new_alerts = []
        self._uncounted = []
        self._forget_calls()
        foreign = self._store.restore(tables[self._runs.topic])
        if foreign:
            log.warning("books.foreign", topic=self._runs.topic, rows=foreign)
        state = tables[self._state.topic]
        self._position = _restore_position(state)
        self._alert_tracker.restore(_restore_firing(state))
        self._canaries.restore(state)
        self._data.restore(state)
        self._closed_windows = []
        self._take_conditions(set())  # discarded, because they are older than the state

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        self._forget_calls()
        ends = time.monotonic() + _FOLD_SECONDS
        settled = 0
        for record in records:
            if record.offset >= self._position:
                self._fold_record(record)
                self._position = record.offset + 1
            settled += 1
            if self._store.changed_bytes >= _MAX_ROW_BYTES or time.monotonic() >= ends:
                break
        if settled == len(records):
            self._mark_late_runs()
            self._close_windows()
        if self._read_versions is not None and self._has_unknown_version():
            await self._read_versions()
        if self._call_functions is not None:
            questions = [*self._run_questions(), *self._window_questions(self._closed_windows)]
            self._answers = await ask_functions(self._call_functions, questions)
        return BatchResult(
            settled, self._writes(f"{record.topic}/{record.partition}/{record.offset}")
        )

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        """Skip an entry that ended the lane `deaths` times. Its runs will never be complete,
        because the entry's counts are missing."""
        log.error("entry.unread", partition=record.partition, offset=record.offset, deaths=deaths)
        self._position = record.offset + 1
        return BatchResult(1, self._writes(""))

    def on_idle(self) -> BatchResult | None:
        self._mark_late_runs()
        if self._windows_are_answered():
            self._close_windows()
        writes = self._writes(f"{self._runs.topic}/{self._runs.partition}/{self._clock()}")
        is_new = any(rows for place, rows in writes.items() if place != self._state)
        return BatchResult(0, writes) if is_new else None

    def on_hold(self) -> BatchResult | None:
        return None

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        for metric, label in self._uncounted:
            self.meter.count(metric, label).add()
        self._uncounted = []

    async def close(self) -> BatchResult | None:
        self._forget_calls()
        return None

    def _mark_late_runs(self) -> None:
        """Mark the runs as late that should have been complete when everything was read, if nothing
        is unread now. The times in entries play no part: they are of other machines' clocks."""
        age = self._read_age()
        if age is None:
            return
        due = self._clock() - int(age * 1000)
        late = [*self._store.mark_late(due, self._throttled())]
        self._uncounted += [(LATE_RUNS, row["pipeline"]) for row in late]
        self._new_alerts = [late_run_alerts.firing_alert(row) for row in late]

    def _close_windows(self) -> None:
        """Close the windows of profiles that were over when everything was read."""
        age = self._read_age()
        if age is not None:
            self._closed_windows += self._data.close_windows(self._clock() - int(age * 1000))

    def _run_questions(self) -> Iterator[FunctionQuestion]:
        """Yield the questions about the runs that have ended, and about those of whose gates the
        verdicts decide now."""
        closing = {run["run"] for run in self._store.closing_runs()}
        gates = self._gate_rows()
        asks: dict[str, bool] = {}
        for run in self._store.changed_runs():
            version = self._version_of(run["pipeline"], run["version"])
            if version is None:
                continue
            if version.name not in asks:
                asks[version.name] = has_functions(version)
            if not asks[version.name]:
                continue
            only = None if run["run"] in closing else gates.asked_checks(version, run)
            if only is None or only:
                found = self._data.of_run(run["run"])
                yield from function_questions(version, run["run"], found, only)

    def _window_questions(self, windows: Sequence[EdgeData]) -> Iterator[FunctionQuestion]:
        for data in windows:
            version = self._version_of(data.key.pipeline, data.version)
            if version is not None:
                yield from function_questions(version, window_owner(data), [data])

    def _windows_are_answered(self) -> bool:
        """Return True once the functions of checks have answered about the windows that are over.
        An idle lane does not wait for them."""
        age = self._read_age()
        if self._call_functions is None or age is None:
            return True
        if self._calls is None:
            over = self._data.windows_over(self._clock() - int(age * 1000))
            questions = [*self._window_questions(over)]
            if not questions:
                return True
            self._calls = asyncio.create_task(
                ask_functions(self._call_functions, questions), name="functions of checks"
            )
        if not self._calls.done():
            return False
        self._answers = self._calls.result()
        self._calls = None
        return True

    def _forget_calls(self) -> None:
        """Forget what functions were asked: what they were asked about may change."""
        if self._calls is not None:
            self._calls.cancel()
            self._calls = None
        self._answers = {}

    def _gate_rows(self) -> GateRows:
        return GateRows(
            self._names, self._version_of, self._data.of_run, self._command_line, self._answers
        )

    def _fold_record(self, record: Record) -> None:
        """Fold the entry in a record into its runs; count the record if it is not an entry."""
        entry = entry_validation.parse_entry(record.value, lambda: self._count_foreign(record))
        if entry is None:
            self._count_foreign(record)
            return
        for _ in range(self._data.fold(entry, record.offset, self._store.is_closed)):
            self._count_foreign(record)
        events = count_settled_events(entry)
        for each in entry["runs"]:
            self._store.apply_part(each, entry, events)
        self._canaries.fold(entry)

    def _count_foreign(self, record: Record) -> None:
        """Count a record, or a part of one, that is not valid, and log the count from time to
        time."""
        self._foreign_count += 1
        at = time.monotonic()
        if at - self._last_logged >= _LOG_INTERVAL:
            log.warning(
                "entry.foreign",
                partition=record.partition,
                offset=record.offset,
                records=self._foreign_count,
            )
            self._last_logged, self._foreign_count = at, 0

    def _writes(self, cause: str) -> dict[Partition, list[OutgoingRecord]]:
        """Return the rows, alerts and state to commit. The ids of the events begin with `cause`."""
        at = self._clock()
        gates = self._gate_rows()
        for run in self._store.changed_runs():
            gates.update(run, at)
        quality_rows = self._quality_rows(at)
        changes = self._store.take_changes(at)
        self._uncounted += [
            (RUN_CHANGES, change.transition)
            for change in changes
            if change.transition not in (None, "progressed")
        ]
        for change in changes:
            if change.row is None:
                self._data.close_run(change.run.decode())
        written = datetime.fromtimestamp(at / 1000, UTC)
        blocks = {
            transition: make_header_block(
                constant_headers(self._source, f"run.{transition}", written)
            )
            for transition in {change.transition for change in changes}
            if transition is not None
        }
        id_ = f"{cause}/".encode()

        def outgoing(change: RunChange) -> OutgoingRecord:
            if change.transition is None:
                return OutgoingRecord(change.run, None)
            count, block = blocks[change.transition]
            return OutgoingRecord(
                change.run,
                change.row,
                varint_bytes(count + 1) + block + _ID_HEADER + length_prefixed(id_ + change.run),
            )

        conditions = self._take_conditions(self._alert_tracker.firing.keys())
        stage_alerts = [] if conditions is None else self._alert_tracker.update(conditions, at)
        alerts = [
            *self._new_alerts,
            *map(late_run_alerts.resolved_alert, self._store.take_no_longer_late()),
            *stage_alerts,
            *gates.alerts,
        ]
        self._new_alerts = []
        canary_rows, ends = self._canaries.take_changes()
        for end in ends:
            log.warning("switch.ended", pipeline=end.pipeline, stage=end.stage, why=end.why)
        return {
            self._control: [OutgoingRecord(end.key, serialize_control(end)) for end in ends],
            self._runs: [outgoing(change) for change in changes],
            self._alerts: [
                outgoing_alert(alert, self._source, id_ + alert.key.encode(), written)
                for alert in alerts
            ],
            self._state: [
                OutgoingRecord(POSITION_KEY, b"%d" % self._position),
                *(firing_alert_row(FIRING_PREFIX, alert) for alert in stage_alerts),
                *canary_rows,
                *self._data.take_changes(at),
            ],
            **gates.written,
            **quality_rows,
        }

    def _has_unknown_version(self) -> bool:
        """Return True if a run has changed whose version is not known yet: it may have gates, and
        checks."""
        return any(
            self._version_of(run["pipeline"], run["version"]) is None
            for run in self._store.changed_runs()
        )

    def _quality_rows(self, at: int) -> dict[Partition, list[OutgoingRecord]]:
        """Return the rows about the data of runs and windows that have ended, or were amended, and
        set the verdicts in the rows of the runs. All rows of a pipeline are in one partition, so
        that one reader knows them all."""
        rows = QualityRows(self._names, self._version_of, self._answers)
        for run in self._store.closing_runs():
            rows.add_run(run, self._data.close_run(run["run"]), at)
        windows, self._closed_windows = self._closed_windows, []
        for data in windows:
            rows.add_window(data, at)
        for data in self._data.take_amended():
            rows.add_amendment(data, at)
        return rows.written


def _restore_position(state: Mapping[bytes, bytes]) -> int:
    """Return the position in the lane's state. 0 if it has none that a bookkeeper wrote: then the
    committed offset alone says what is folded."""
    position = state.get(POSITION_KEY, b"0")
    if position.isdigit() and len(position) < 20:
        return int(position)
    log.warning("state.foreign", key=POSITION_KEY.decode())
    return 0


def _restore_firing(state: Mapping[bytes, bytes]) -> Sequence[Alert]:
    found = parse_firing_alerts(FIRING_PREFIX, state)
    for key in found.foreign:
        log.warning("state.foreign", key=key.decode(errors="backslashreplace"))
    return found.alerts
