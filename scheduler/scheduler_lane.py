"""What does the scheduler's lane do when a planned time has come, a run has ended, or somebody has
published or ordered something?

The lane wakes at the next time at which anything is to happen. What it decides then, it writes in
one transaction: events, their records, the rows of their schedules, and how far the books are read.
Nothing fires before versions and control documents are read to their ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog

from farandole.catalog.ownership import VersionIndex
from farandole.events.alert_record import Alert, alert_to_record
from farandole.events.alert_tracker import ROUND_MS
from farandole.events.control_documents import CancelDocument, serialize_control
from farandole.events.controls_in_force import TimedDocument, drain_in_force, stage_mode
from farandole.events.firing_alerts import firing_alert_row, parse_firing_alerts
from farandole.events.firing_record import FiringKey, FiringRecord, serialize_firing
from farandole.events.header_codec import encode_headers
from farandole.events.kafka_names import KafkaNames
from farandole.events.next_step import CommandLine, plain_command_line
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.record_time import EPOCH, to_milliseconds
from farandole.events.root_record import RootRecord
from farandole.events.schedule_row import SCHEDULE_PREFIX, ScheduleRow, schedule_key
from farandole.events.schedules_in_force import ScheduleDocuments, schedule_documents
from farandole.lanes.lane_port import PlacedOffsets, StateTables
from farandole.lanes.lane_work import BatchResult
from farandole.scheduler.arrival_intake import ArrivalIntake, Intake, WaitingSchedule
from farandole.scheduler.dependencies import add_arrivals, room_for
from farandole.scheduler.facts import Facts, VersionsByPipeline
from farandole.scheduler.orders import OrderedSchedule, Orders
from farandole.scheduler.pause_state import pause_state
from farandole.scheduler.run_arrivals import ScheduleName
from farandole.scheduler.schedule_alerts import (
    ScheduleCondition,
    clock_condition,
    may_alert,
    outdated_alert,
    schedule_conditions,
    schedule_tracker,
)
from farandole.scheduler.schedule_decision import (
    MAX_BYTES,
    ScheduleChange,
    Surroundings,
    decide,
    new_row,
    refused_arrival,
    with_dependencies,
)
from farandole.scheduler.schedule_history import PipelineHistory, ScheduleHistory
from farandole.scheduler.scheduler_state import SchedulerState
from farandole.scheduler.trigger import Firing, Refusal, TriggerMaker
from farandole.scheduler.wake_queue import WakeQueue
from farandole.telemetry.meter import Meter
from farandole.telemetry.metric_catalog import FIRING_LATENESS, FIRINGS

log = structlog.get_logger()

ALERT_PREFIX = b"alert/"  # before the key of an alert in the lane's state
MAX_EVENTS = 1_000
"""Events in one transaction; further ones follow in the next. It takes some 0.2 s of processor
time."""
MAX_RECORDS = 2_000
"""Records of planned times in one transaction."""
DECIDING_SECONDS = 0.2
"""How long the lane decides before it writes: meanwhile its process sends no heartbeat. All the
schedules of a new version are decided over at once."""
AHEAD = timedelta(seconds=2)
"""How long before its planned time a firing is prepared, while nothing else is to be done."""
PREPARING_SECONDS = 0.1
"""How long the lane prepares before it looks whether something is to be done."""
LAST_PREPARED = timedelta(milliseconds=300)
"""How long before a planned time the lane begins nothing any more that may delay it."""
RUNS_IN_READ = 500
MAX_READS = 20
"""How often records of `farandole.runs` are taken in one transaction, `RUNS_IN_READ` each time."""
ASLEEP_AFTER = timedelta(seconds=30)
"""The lane has slept if it was not asked for so long when to wake."""
BURST = timedelta(seconds=1)
"""How long what was confirmed counts for everything that was due then."""
ROUND = timedelta(milliseconds=ROUND_MS)
LOOK_BACK = timedelta(minutes=1)
"""How much earlier than it says a trigger may have been published: clocks differ."""


class _Fired(NamedTuple):
    """Which row waits for the run that an event has opened."""

    key: bytes
    event: str


class SchedulerLane:
    """The `farandole.lanes.lane_work.LaneWork` of the scheduler.

    Its input, the control topic, only wakes it: documents are read as a table."""

    def __init__(
        self,
        names: KafkaNames,
        facts: Facts,
        source: str,
        tzdata: str,
        command_line: CommandLine = plain_command_line,
        leave: Callable[[str], None] = lambda _: None,
        meter: Meter | None = None,
    ) -> None:
        """`source` is the `ce_source` of the alerts; `tzdata` the release of the time zone database
        by which this process plans. `command_line` writes the commands in the alerts' texts.
        `leave` is called with a newer release by which rows were planned: Kafka would go on giving
        the lane to this process, which must leave the group. `meter` counts firings."""
        self.meter = meter or Meter()
        self._state_partition = Partition(names.schedules_topic, 0)
        self._firings = Partition(names.firings_topic, 0)
        self._alerts = Partition(names.alerts_topic, 0)
        self._control = Partition(names.control_topic, 0)
        self._facts = facts
        self._source = source
        self._tzdata = tzdata
        self._leave = leave
        self._newer_tzdata = ""
        self._has_left = False
        self._refused = ""  # why Kafka has refused the last transaction
        self._sent: list[_Fired] = []
        """The events of the last transaction."""
        self._is_alone = False  # a transaction has one event only
        self._refusals: dict[tuple[str, str], str] = {}
        """Why Kafka refuses an event, by its pipeline and its id."""
        self._tracker = schedule_tracker(command_line)
        self._maker = TriggerMaker()
        self._state = SchedulerState()
        self._intake = ArrivalIntake()
        self._forget()

    def _forget(self) -> None:
        """Forget everything that is known beside the rows."""
        self._queue = WakeQueue()
        self._orders = Orders(self._state, self._facts, self._tzdata)
        self._versions: VersionsByPipeline | None = None
        self._histories: dict[str, PipelineHistory] = {}
        self._indexes: dict[str, VersionIndex] = {}
        self._documents: Sequence[TimedDocument] | None = None
        self._schedule_documents: ScheduleDocuments = {}
        self._partitions: Mapping[str, int] | None = None
        self._failures: dict[bytes, str] = {}
        """Why nothing can be decided over a schedule."""
        self._unknown: set[bytes] = set()
        """The schedules that wait for the books."""
        self._watched: set[bytes] = set()
        """The schedules that may have an alert."""
        self._awake_since: datetime | None = None
        self._last_alive: datetime | None = None
        self._next_round: datetime | None = None
        self._next_preparation = EPOCH
        self._confirmed: datetime | None = None
        """When the outside was read to its end; None if it was not yet in this session."""
        self._placed: list[tuple[_Fired, Partition, int]] = []
        """At which offsets events stand whose runs are not noted yet."""
        self._has_unplaced = bool(self._state.unplaced_runs())
        self._uncounted: list[FiringRecord] = []
        """What the transaction under way says for the first time."""
        self._clear_writes()

    def _clear_writes(self) -> None:
        self._events: dict[Partition, list[OutgoingRecord]] = {}
        self._fired: dict[Partition, list[_Fired]] = {}
        self._event_count = self._event_bytes = 0
        self._records: dict[bytes, FiringRecord] = {}
        self._cancels: list[str] = []
        self._ended_documents: list[bytes] = []

    # -- the lane's work

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
    def timed(self) -> SchedulerLane:
        return self

    def note_refused(self, why: str) -> None:
        """Note that Kafka has refused a record of the last transaction. The lane opens again, and
        finds the event that it is: else no other would be published."""
        self._refused = why

    def open(self, tables: StateTables) -> None:
        if self._refused:
            if len(self._sent) == 1:
                (sent,) = self._sent
                self._refusals[_names_of(sent.key)[0], sent.event] = self._refused
            self._is_alone = True
        self._refused = ""
        rows = tables[self._state_partition.topic]
        self._state.restore(rows)
        self._intake.restore(rows)
        self._forget()
        firing = parse_firing_alerts(ALERT_PREFIX, rows)
        for key in firing.foreign:
            log.warning("state.foreign", key=key.decode(errors="backslashreplace"))
        self._tracker.restore(firing.alerts)
        released = (row.tzdata for row in self._state.rows() if isinstance(row, ScheduleRow))
        newest = max(released, default="")
        self._newer_tzdata = newest if newest > self._tzdata else ""
        self._has_left = False
        self._facts.runs.follow(self._state.cursor)
        self._facts.forget_past_firings()

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        return BatchResult(len(records), {})

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        return BatchResult(1, {})

    def on_idle(self) -> BatchResult | None:
        return None

    def on_hold(self) -> BatchResult | None:
        return None

    async def close(self) -> BatchResult | None:
        """Write the runs of what was published last, so that nobody has to look for them."""
        now = self._facts.now()
        if now is None or self._confirmed is None:
            return None
        self._note_placed()
        return self._result(now)

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        for record in self._uncounted:
            self._count(record)
        self._uncounted = []
        if self._has_left:
            self._leave(self._newer_tzdata)
        fired: Mapping[Partition, Sequence[_Fired]] = done.receipt or {}
        for partition, placed in offsets.items():
            self._placed += [
                (each, partition, offset)
                for each, offset in zip(fired[partition], placed, strict=True)
            ]

    def wake_in(self) -> float | None:
        if self._newer_tzdata:
            return None if self._has_left else 0
        now = self._facts.now()
        if now is None or self._confirmed is None:
            return 0
        self._note_alive(now)
        if self._has_news() or self._is_to_prepare(now):
            return 0
        times = [time for time in (self._queue.next, self._next_round) if time is not None]
        return (min(times) - now).total_seconds() if times else None

    async def on_wake(self) -> BatchResult | None:
        if self._newer_tzdata:
            return await self._end_outdated()
        now = self._facts.now()
        if now is not None and self._goes_on(now):
            assert self._confirmed is not None
            self._decide_due(self._confirmed, now)
            return self._result(now)
        self._note_placed()
        if now is None or self._confirmed is None or self._may_fire(now):
            await self._facts.confirm()
            now = self._facts.now()
            if now is None:
                return None  # the clock has jumped meanwhile
            self._confirmed = now
            self._note_alive(now)
            if self._has_unplaced:
                self._take_versions(now)
                await self._find_unplaced()
            if self._look_around(now):
                self._decide_due(now, now)
        if self._is_round(now):
            alerts = self._tracker.update(self._conditions(now), to_milliseconds(now))
            return self._result(now, alerts)
        done = self._result(now)
        if done is None and self._is_to_prepare(now):
            self._prepare(now)
        return done

    async def _end_outdated(self) -> BatchResult | None:
        """Tell that this process must not plan by its time zone database, and leave."""
        await self._facts.confirm()
        now = self._facts.now()
        if now is None:
            return None
        self._has_left = True
        planned = {
            row.pipeline
            for row in self._state.rows()
            if isinstance(row, ScheduleRow) and row.tzdata > self._tzdata
        }
        alerts = [
            outdated_alert(pipeline, self._tzdata, self._newer_tzdata, now)
            for pipeline in sorted(planned)
        ]
        # One that fires is resolved by the next owner, which plans by a newer release.
        new = [alert for alert in alerts if alert.key not in self._tracker.firing]
        if not new:
            self._leave(self._newer_tzdata)
        return self._result(now, new)

    def _goes_on(self, now: datetime) -> bool:
        """Return True if more is due of what the last transaction had no room for: everything was
        confirmed a moment ago, and nobody has published or ordered anything since, as far as it is
        known."""
        first = self._queue.next
        return (
            self._confirmed is not None
            and self._facts.versions is self._versions
            and self._facts.documents is self._documents
            and first is not None
            and first <= self._confirmed
            and now - self._confirmed < BURST
        )

    def _may_fire(self, now: datetime) -> bool:
        """Take over what has happened, and return True if a schedule is to be looked at now."""
        self._look_around(now)
        first = self._queue.next
        return first is not None and first <= now

    # -- what fires soon

    def _is_to_prepare(self, now: datetime) -> bool:
        first = self._queue.next
        return (
            first is not None
            and LAST_PREPARED <= first - now <= AHEAD
            and now >= self._next_preparation
        )

    def _prepare(self, now: datetime) -> None:
        """Do now what does not depend on what happens until then: a thousand planned times may come
        at once."""
        ends = time.monotonic() + PREPARING_SECONDS
        self._maker.forget_past(now)
        for key in self._queue.due_by(now + AHEAD):
            if time.monotonic() > ends:
                return
            if key.startswith(SCHEDULE_PREFIX):
                self._prepare_firing(key, now)
        self._next_preparation = now + AHEAD / 2

    def _prepare_firing(self, key: bytes, now: datetime) -> None:
        pipeline, schedule = _names_of(key)
        row, versions = self._state.schedule(key), self._histories.get(pipeline)
        if row is None or row.next is None or row.next <= now or versions is None:
            return
        history = ScheduleHistory(versions, schedule)
        spec, version = history.spec, versions.newest.version
        if spec is None or row.version != version:
            return
        firing = Firing(FiringKey(pipeline, schedule, row.next), version, spec)
        try:
            self._maker.prepare(firing, history, self._partitions or {})
            history.next_planned(row.next)  # it is remembered
        except Exception as error:  # the decision will say so
            log.debug("schedule.not_prepared", schedule=key.decode(), why=str(error), exc_info=True)

    # -- what has happened outside

    def _has_news(self) -> bool:
        facts = self._facts
        return (
            facts.versions is not self._versions
            or facts.documents is not self._documents
            or facts.partitions is not self._partitions
            or facts.runs.has_some
            or facts.files.has_some
            or self._intake.has_files
            or bool(self._placed)
            or (bool(self._unknown) and not facts.runs.are_behind)
        )

    def _note_alive(self, now: datetime) -> None:
        """Note since when the lane has looked at planned times without a break."""
        if self._last_alive is None or now - self._last_alive > ASLEEP_AFTER:
            self._awake_since = now
        self._last_alive = now

    def _look_around(self, now: datetime) -> bool:
        """Take over what was published, ordered and finished, and let the schedules that it
        concerns be looked at. Return False if there is more than one transaction takes."""
        self._take_versions(now)
        self._take_documents(now)
        if self._facts.partitions is not self._partitions:
            self._partitions = self._facts.partitions
            self._touch((row.key for row in self._state.rows() if _waits(row)), now)
            self._touch(self._orders.keys(), now)
        if self._unknown and not self._facts.runs.are_behind:
            unknown, self._unknown = self._unknown, set()
            self._touch(unknown, now)
        self._take_files(now)
        return self._take_runs(now)

    def _touch(self, keys: Iterable[bytes], now: datetime) -> None:
        """Let these schedules be looked at now, the one first that has waited for longest."""
        for key in keys:
            row = self._state.schedule(key)
            due = None if row is None else row.due
            self._queue.hasten(key, now if due is None else min(due, now))

    def _take_versions(self, now: datetime) -> None:
        versions = self._facts.versions
        if versions is self._versions:
            return
        before, self._versions = self._histories, versions
        self._maker.forget()
        self._histories = {}
        for pipeline, published in versions.items():
            known = before.get(pipeline)
            if known is not None and known.versions == published:
                self._histories[pipeline] = known
                continue
            history = self._histories[pipeline] = PipelineHistory(published)
            self._indexes.pop(pipeline, None)
            old = {} if known is None else known.newest.schedules
            new = history.newest.schedules
            changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
            self._touch((schedule_key(pipeline, name) for name in changed), now)
        self._forget_failures()
        for row in [*self._state.rows()]:
            if row.pipeline in self._histories:
                if row.pipeline not in before or _waits(row):
                    self._touch([row.key], now)
            elif row.pipeline in self._facts.unreadable:
                self._queue.set(row.key, None)
            else:
                self._delete(row.key)  # the pipeline was deleted
        self._take(
            self._intake.expect(self._waiting_schedules(now), self._facts.unreadable, now), now
        )
        self._facts.files.watch(self._intake.urls)
        self._touch(self._orders.keys(), now)

    def _forget_failures(self) -> None:
        """Forget what is wrong with schedules that are in no file any more."""
        published = {
            schedule_key(pipeline, schedule)
            for pipeline, history in self._histories.items()
            for schedule in history.newest.schedules
        }
        self._failures = {key: why for key, why in self._failures.items() if key in published}

    def _waiting_schedules(self, now: datetime) -> Iterator[WaitingSchedule]:
        """Yield the schedules that wait for something beside their planned times."""
        for pipeline, versions in self._histories.items():
            for schedule, spec in versions.newest.schedules.items():
                if spec.after:
                    history = ScheduleHistory(versions, schedule)
                    begins = [history.waits_since(each) or now for each in spec.after]
                    yield WaitingSchedule((pipeline, schedule), spec, begins)

    def _take_documents(self, now: datetime) -> None:
        documents = self._facts.documents
        if documents is self._documents:
            return
        self._documents = documents
        self._touch(self._orders.take(documents), now)
        before, self._schedule_documents = self._schedule_documents, schedule_documents(documents)
        new = self._schedule_documents
        for pipeline, schedule in {*before, *new}:
            name = pipeline, schedule
            if before.get(name) != new.get(name) and pipeline in self._histories:
                every = self._histories[pipeline].newest.schedules
                names = (schedule,) if schedule else every
                self._touch((schedule_key(pipeline, each) for each in names if each in every), now)

    def _take_runs(self, now: datetime) -> bool:
        """Note how runs stand that somebody waits for. Return False if more are to be read."""
        if self._has_unplaced:
            return True  # the row of a run whose id is not known would be passed over
        for _ in range(MAX_READS):
            read = self._facts.runs.take(RUNS_IN_READ)
            if read is None:
                return True
            for change in read.changes:
                self._touch(self._state.apply(change), now)
            at_end = not self._facts.runs.has_some
            self._take(self._intake.take_runs(read.changes, now, is_at_end=at_end), now)
            self._state.move_cursor(read.cursor)
        return not self._facts.runs.has_some

    def _take_files(self, now: datetime) -> None:
        """Note which files are new that somebody waits for."""
        changed = self._intake.take_looks(self._facts.files.take())
        self._watched.update(schedule_key(*name) for name in changed)
        for intake in self._intake.take_files(self._room, now):
            self._take(intake, now)

    def _room(self, name: ScheduleName, index: str) -> int:
        """Return how many arrivals of a dependency a schedule can take now."""
        pipeline, schedule = name
        history = ScheduleHistory(self._histories[pipeline], schedule)
        row, spec = self._row(schedule_key(pipeline, schedule), history), history.spec
        if row is None or spec is None:
            return 0
        return room_for(spec, with_dependencies(row, history).arrivals, index)

    def _take(self, intake: Intake, now: datetime) -> None:
        """Give the schedules what has come for them."""
        self._state.put_bytes(intake.rows)
        for (pipeline, schedule), new in intake.arrivals.items():
            key = schedule_key(pipeline, schedule)
            history = ScheduleHistory(self._histories[pipeline], schedule)
            row, spec = self._row(key, history), history.spec
            if row is None or spec is None:
                continue
            row = with_dependencies(row, history)
            added = add_arrivals(spec, row.arrivals, new)
            self._state.put(row.model_copy(update={"arrivals": added.arrivals}))
            for _, arrival in added.refused:
                self._record(refused_arrival(row, spec, arrival, now, self._tzdata))
            self._touch([key], now)

    def _row(self, key: bytes, history: ScheduleHistory) -> ScheduleRow | None:
        """Return the row of a schedule, a new one if it has none yet; None if the newest version
        does not have the schedule."""
        row = self._state.schedule(key)
        begins = history.begins if row is None else None
        if begins is None:
            return row
        newest = history.pipeline.newest
        return new_row(newest.pipeline, history.schedule, begins, newest.version)

    # -- what fires

    def _decide_due(self, confirmed: datetime, now: datetime) -> None:
        """Decide over the schedules whose time has come at `confirmed`, as many as fit into a
        transaction."""
        most = self._most_events
        ends = time.monotonic() + DECIDING_SECONDS
        while (
            self._event_count < most
            and self._event_bytes < MAX_BYTES
            and len(self._records) < MAX_RECORDS
            and time.monotonic() < ends
        ):
            key = self._queue.take(confirmed)
            if key is None:
                self._is_alone = False
                self._refusals.clear()
                return
            if key.startswith(SCHEDULE_PREFIX):
                self._decide(key, confirmed, now)
            else:
                self._execute(key, confirmed)

    @property
    def _most_events(self) -> int:
        """How many events a transaction may have."""
        return 1 if self._is_alone else MAX_EVENTS

    def _decide(self, key: bytes, confirmed: datetime, now: datetime) -> None:
        pipeline, schedule = _names_of(key)
        versions = self._histories.get(pipeline)
        if versions is None:
            return
        history = ScheduleHistory(versions, schedule)
        row = self._row(key, history)
        if row is None:
            return
        try:
            change = decide(row, history, self._surroundings(row, history, now), confirmed)
        except Exception as error:  # one schedule must not stop all others
            # Mostly the file names what this release, or this machine, does not know.
            known = isinstance(error, ValueError)
            log.warning(
                "schedule.failed", schedule=key.decode(), why=str(error), exc_info=not known
            )
            self._failures[key] = str(error) if known else repr(error)
            self._watched.add(key)
            return
        self._failures.pop(key, None)
        self._apply(key, change)
        self._intake.note_room((pipeline, schedule))

    def _surroundings(
        self, row: ScheduleRow, history: ScheduleHistory, now: datetime
    ) -> Surroundings:
        assert self._awake_since is not None
        books_are_behind = self._facts.runs.are_behind
        spec = history.spec
        return Surroundings(
            written=now,
            pause=pause_state(self._schedule_documents, history, now, was_paused=row.paused),
            awake_since=self._awake_since,
            books_are_behind=books_are_behind,
            arrivals_known=None
            if spec is None
            else self._intake.known_until(spec, now, books_are_behind=books_are_behind),
            make_trigger=self._trigger_maker(history, now),
            most=self._most_events,
            tzdata=self._tzdata,
        )

    def _trigger_maker(
        self, history: ScheduleHistory, now: datetime
    ) -> Callable[[Firing], RootRecord | Refusal]:
        """Return what makes the event of a firing, or says why there is none."""
        partitions = self._partitions or {}

        def make(firing: Firing) -> RootRecord | Refusal:
            why = self._refusals.get((firing.key.pipeline, firing.key.event_id))
            if why is not None:
                return Refusal(f"Kafka refuses the event: {why}")
            return self._maker.make(firing, history, partitions, now)

        return make

    def _apply(self, key: bytes, change: ScheduleChange) -> None:
        """Take over what was decided over a schedule."""
        if change.is_over:
            self._delete(key)
        else:
            before = self._state.schedule(key)
            if change.row is not before:
                self._tell_moved(change.row, before)
                self._state.put(change.row)
            self._queue.set(key, change.wake)
            if may_alert(change.row):
                self._watched.add(key)
            if any(each.alert == "schedule.unknown" for each in change.row.waiting):
                self._unknown.add(key)
        runs = {run.event: run for run in change.row.runs}
        for root in change.events:
            record = runs[root.event_id].record
            assert record is not None
            self._publish(key, root, record)
        for record in change.records:
            self._record(record)
        self._cancels += change.cancels

    def _execute(self, key: bytes, now: datetime) -> None:
        """Decide over an order, and take over what was decided."""
        try:
            change = self._orders.decide(
                key, lambda pipeline, name: self._ordered_schedule(pipeline, name, now), now
            )
        except Exception as error:  # nor must an order: it waits for another version
            known = isinstance(error, ValueError)
            log.warning("order.failed", order=key.decode(), why=str(error), exc_info=not known)
            return
        schedule = change.schedule
        if schedule is not None and schedule is not self._state.schedule(schedule.key):
            self._state.put(schedule)
            self._touch([schedule.key], now)  # before the order is looked at again
        if change.backfill is not None and change.backfill != self._state.backfill(key):
            self._state.put(change.backfill)
        if change.order is not None:
            self._state.put_order(key, change.order)
        if change.is_over:
            self._state.delete(key)
        for firing in change.firings:
            assert schedule is not None
            assert firing.run.record is not None
            watching = schedule.key if change.backfill is None else key
            self._publish(watching, firing.root, firing.run.record)
        for record in change.records:
            self._record(record)
        if change.ends is not None:
            self._ended_documents.append(change.ends)
        self._queue.set(key, change.wake)

    def _ordered_schedule(
        self, pipeline: str, schedule: str, now: datetime
    ) -> OrderedSchedule | str | None:
        """Return the schedule that an order is about (`orders.FindSchedule`)."""
        if pipeline in self._facts.unreadable:
            return None
        versions = self._histories.get(pipeline)
        if versions is None:
            return f"there is no pipeline {pipeline}"
        history = ScheduleHistory(versions, schedule)
        row = self._row(schedule_key(pipeline, schedule), history)
        if row is None or history.spec is None:
            return f"{versions.newest.name} has no schedule {schedule}"
        return OrderedSchedule(history, row, self._trigger_maker(history, now), self._most_events)

    def _tell_moved(self, row: ScheduleRow, before: ScheduleRow | None) -> None:
        moved = row.moved
        if moved is not None and before is not None and moved != before.moved:
            log.warning(
                "schedule.moved",
                schedule=row.key.decode(),
                tzdata=moved.tzdata,
                before=moved.before,
                after=moved.after,
            )

    def _publish(self, key: bytes, root: RootRecord, record: FiringRecord) -> None:
        assert root.partition is not None
        partition = Partition(root.topic, root.partition)
        out = OutgoingRecord(root.key, root.value, encode_headers(root.headers))
        self._events.setdefault(partition, []).append(out)
        self._fired.setdefault(partition, []).append(_Fired(key, record.event))
        self._event_count += 1
        self._event_bytes += len(root.value or b"")
        self._record(record)

    def _count(self, record: FiringRecord) -> None:
        labels = (record.pipeline, record.schedule)
        self.meter.count(FIRINGS, *labels, record.outcome).add()
        if record.outcome == "fired":
            late = (record.at - record.planned).total_seconds()
            self.meter.histogram(FIRING_LATENESS, *labels).observe(late)

    def _record(self, record: FiringRecord) -> None:
        if record.run is None:  # it is written again once its run is known
            self._uncounted.append(record)
        self._records[record.key.record_key] = record
        self._orders.note(record)

    def _delete(self, key: bytes) -> None:
        self._state.delete(key)
        self._queue.set(key, None)
        self._failures.pop(key, None)

    # -- the runs that events have opened

    def _note_placed(self) -> None:
        """Note which runs the events of the last transactions have opened."""
        placed, self._placed = self._placed, []
        for fired, partition, offset in placed:
            self._place(fired, *partition, offset)

    def _place(self, fired: _Fired, topic: str, partition: int, offset: int) -> None:
        """Note which run an event has opened, now that its offset is known."""
        pipeline, _ = _names_of(fired.key)
        versions = self._histories.get(pipeline)
        if versions is None:
            self._state.place(fired.key, fired.event, None)  # the pipeline was deleted meanwhile
            return
        index = self._indexes.get(pipeline)
        if index is None:
            index = self._indexes[pipeline] = VersionIndex(versions.versions)
        run = index.root_run(topic, partition, offset).decode()
        record = self._state.place(fired.key, fired.event, run)
        if record is not None:
            self._record(record)

    async def _find_unplaced(self) -> None:
        """Find the events of an earlier owner whose runs nobody has noted."""
        by_topic: dict[str, dict[str, bytes]] = {}
        unplaced = self._state.unplaced_runs()
        for key, run in unplaced:
            by_topic.setdefault(run.topic, {})[run.event] = key
        since = min((run.fired for _, run in unplaced), default=None)
        for topic, keys in by_topic.items():
            assert since is not None
            found = {**await self._facts.find_triggers({topic: [*keys]}, since - LOOK_BACK)}
            if missing := keys.keys() - found.keys():
                # A record bears the time of who wrote it, whose clock may have been wrong.
                found |= await self._facts.find_triggers({topic: missing}, EPOCH)
            for event, key in keys.items():
                place = found.get(event)
                if place is not None:
                    self._place(_Fired(key, event), *place)
                else:
                    log.warning("schedule.trigger_gone", topic=topic, event=event)
                    self._state.place(key, event, None)
        self._has_unplaced = False

    # -- alerts

    def _is_round(self, now: datetime) -> bool:
        """Return True from time to time: alerts are to be looked at."""
        first = self._queue.next
        if first is not None and first <= now:
            return False  # what is not decided yet may resolve an alert that is true
        if self._next_round is not None and now < self._next_round:
            return False
        self._next_round = now + ROUND
        return True

    def _conditions(self, now: datetime) -> list[ScheduleCondition]:
        firing = {
            schedule_key(alert.pipeline, alert.schedule)
            for alert in self._tracker.firing.values()
            if alert.schedule is not None
        }
        found: list[ScheduleCondition] = []
        still_watched: set[bytes] = set()
        waits: dict[tuple[str, str], bool] = {}
        for key in self._watched | firing:
            row = self._state.schedule(key)
            pipeline, schedule = _names_of(key)
            failure = self._failures.get(key) or self._intake.problem((pipeline, schedule))
            if row is None and not failure:
                continue
            if row is None:
                row = new_row(pipeline, schedule, now, 0)
            if failure or may_alert(row):
                still_watched.add(key)
            root = pipeline, self._trigger_of(pipeline, schedule)
            if root not in waits:  # many schedules may trigger the same
                waits[root] = self._roots_wait(*root, now)
            found += schedule_conditions(row, now, failure=failure, roots_wait=waits[root])
        self._watched = still_watched
        difference = self._facts.clock_difference
        with_schedules = [p for p, history in self._histories.items() if history.newest.schedules]
        return [*found, *(clock_condition(pipeline, difference) for pipeline in with_schedules)]

    def _trigger_of(self, pipeline: str, schedule: str) -> str:
        """Return the event type that a schedule triggers; empty if that is not known."""
        versions = self._histories.get(pipeline)
        spec = None if versions is None else versions.newest.schedules.get(schedule)
        return "" if spec is None else spec.triggers

    def _roots_wait(self, pipeline: str, event_type: str, now: datetime) -> bool:
        """Return True if roots of this type wait on purpose."""
        documents, versions = self._documents or (), self._histories.get(pipeline)
        if versions is None or drain_in_force(documents, pipeline, now) is not None:
            return True
        return all(
            stage_mode(documents, pipeline, stage, now).mode == "hold"
            for stage in versions.newest.subscribers(event_type)
        )

    # -- what is written

    def _result(self, now: datetime, alerts: Sequence[Alert] | None = None) -> BatchResult | None:
        """Return the transaction to commit; None if there is nothing to write. `alerts`: those that
        have changed; None if nobody has looked."""
        changed = alerts or ()
        rows = [
            *(firing_alert_row(ALERT_PREFIX, alert) for alert in changed),
            *self._state.take_changes(also_cursor=alerts is not None),
        ]
        source, id_ = self._source, f"{self._state_partition.topic}/{to_milliseconds(now)}/"
        firings = [
            OutgoingRecord(key, serialize_firing(record)) for key, record in self._records.items()
        ]
        cancels = [CancelDocument(run=run, by="scheduler") for run in self._cancels]
        writes: dict[Partition, list[OutgoingRecord]] = {
            **self._events,
            self._state_partition: rows,
            self._firings: firings,
            self._alerts: [
                alert_to_record(alert, source, f"{id_}{alert.key}".encode(), now)
                for alert in changed
            ],
            self._control: [
                *(OutgoingRecord(each.key, serialize_control(each)) for each in cancels),
                *(OutgoingRecord(key, None) for key in self._ended_documents),
            ],
        }
        writes = {partition: records for partition, records in writes.items() if records}
        fired = self._fired
        self._sent = [each for of in fired.values() for each in of]
        self._clear_writes()
        return BatchResult(0, writes, fired, placed=fired.keys()) if writes else None


def _waits(row: Any) -> bool:
    return isinstance(row, ScheduleRow) and bool(row.waiting)


def _names_of(key: bytes) -> tuple[str, str]:
    """Return the pipeline and the schedule of a row, by its key."""
    _, pipeline, schedule, *_ = key.decode().split("/")
    return pipeline, schedule
