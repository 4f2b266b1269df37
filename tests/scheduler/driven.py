"""The scheduler's lane over a simulated Kafka, with a clock, books and documents that tests own."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from farandole.catalog.ownership import VersionIndex
from farandole.events.alert_record import Alert, parse_alert
from farandole.events.control_documents import CancelDocument, ControlDocument, parse_control
from farandole.events.controls_in_force import TimedDocument
from farandole.events.error_names import published_error_name
from farandole.events.firing_record import FiringRecord, parse_firing
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import Partition, PartitionWrites, Record
from farandole.events.record_time import to_milliseconds
from farandole.events.schedule_document import ScheduleDocument
from farandole.events.schedule_row import ScheduleRow, parse_schedule_row, schedule_key
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.lanes.lane_observer import NullObserver
from farandole.lanes.lane_port import (
    CommittedOffset,
    LaneStoppedError,
    PlacedOffsets,
    WriteRejectedError,
)
from farandole.lanes.lane_protocol import run_lane
from farandole.lanes.simulated_kafka import (
    SimulatedKafka,
    SimulatedLock,
    SimulatedPort,
    simulation_step,
)
from farandole.scheduler.facts import (
    FileFacts,
    FolderLook,
    PastFiring,
    RunChange,
    RunCursor,
    RunsRead,
    TriggerPlace,
)
from farandole.scheduler.scheduler_lane import SchedulerLane

NAMES = KafkaNames()
GROUP = NAMES.scheduler_group
ID = f"{GROUP}:0"
CONTROL = Partition(NAMES.control_topic, 0)
STATE = Partition(NAMES.schedules_topic, 0)
FIRINGS = Partition(NAMES.firings_topic, 0)
ALERTS = Partition(NAMES.alerts_topic, 0)
PIPELINE = "p"
START = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
TZDATA = "2026f"


def at(text: str) -> datetime:
    """Return a time of the day on which tests begin: `10:05`, or `10:05:30`."""
    return datetime.fromisoformat(f"2026-11-30T{text}Z")


def version(
    number: int,
    published: datetime,
    schedules: Mapping[str, ScheduleSpec],
    pipeline: str = PIPELINE,
    events: Collection[str] = ("asked", "done"),
    stages: Mapping[str, StageSpec] | None = None,
) -> Version:
    """Return a version whose stage `s` makes events `done` of `asked`."""
    return Version(
        pipeline=pipeline,
        version=number,
        installation=UUID(int=7),
        published=published,
        published_by="here",
        events={
            name: EventSpec(topic=f"{pipeline}.{name}", partitions=1, boundaries=(0,))
            for name in events
        },
        stages=stages
        if stages is not None
        else {"s": StageSpec(run="p.s:s", subscribes=("asked",), emits=("done",))},
        schedules=schedules,
        ledger=1,
        format=3,
    )


@dataclass(eq=False)
class Books:
    """`farandole.runs`, as all processes read it, and what they know of its lag."""

    log: list[RunChange] = field(default_factory=list)
    are_behind: bool = False


@dataclass(eq=False)
class DrivenRuns:
    """`farandole.scheduler.facts.RunFacts`."""

    books: Books
    position: int = 0

    def follow(self, cursor: RunCursor) -> None:
        self.position = cursor.get(0, 0)

    def take(self, limit: int) -> RunsRead | None:
        changes = self.books.log[self.position : self.position + limit]
        if not changes:
            return None
        self.position += len(changes)
        return RunsRead(changes, {0: self.position})

    @property
    def has_some(self) -> bool:
        return self.position < len(self.books.log)

    @property
    def are_behind(self) -> bool:
        return self.books.are_behind


class NoFiles:
    """`farandole.scheduler.facts.FileFacts` of schedules that wait for no file."""

    has_some = False

    def watch(self, urls: Mapping[str, float]) -> None:
        pass

    def take(self) -> Mapping[str, FolderLook]:
        return {}


@dataclass(eq=False)
class DrivenFacts:
    """`farandole.scheduler.facts.Facts` of one process."""

    world: World
    runs: DrivenRuns
    files: FileFacts = field(default_factory=NoFiles)
    unreadable: frozenset[str] = frozenset()
    clock_difference: float | None = 0.0
    has_jumped: bool = False
    """The clock was not measured since it has jumped."""
    forgotten: int = 0
    """How often the lane has discarded what was read of past firings."""

    def now(self) -> datetime | None:
        return None if self.has_jumped else self.world.now

    async def confirm(self) -> None:
        await simulation_step("confirm")
        self.has_jumped = False

    @property
    def versions(self) -> Mapping[str, Sequence[Version]]:
        return self.world.versions

    @property
    def documents(self) -> Sequence[TimedDocument]:
        return self.world.documents

    @property
    def partitions(self) -> Mapping[str, int]:
        return self.world.partitions

    async def find_triggers(
        self, wanted: Mapping[str, Collection[str]], since: datetime
    ) -> Mapping[str, TriggerPlace]:
        await simulation_step("find")
        found = {}
        for topic, ids in wanted.items():
            for record in self.world.kafka.read_committed(Partition(topic, 0)):
                id_ = event_id(record)
                if id_ in ids and record.timestamp >= to_milliseconds(since):
                    found[id_] = TriggerPlace(topic, 0, record.offset)
        return found

    def past_firings(
        self, pipeline: str, schedule: str, start: datetime, end: datetime
    ) -> Sequence[PastFiring] | None:
        return [
            PastFiring(each.planned, each.suffix, each.outcome)
            for each in self.world.records(schedule, pipeline=pipeline)
            if start <= each.planned < end
        ]

    def forget_past_firings(self) -> None:
        self.forgotten += 1


@dataclass
class _Port(SimulatedPort):
    """A port to a Kafka whose topics of events take no larger values than this."""

    largest: int | None = None
    most_bytes: int = 0
    """Of the events of a transaction."""

    async def send(
        self,
        writes: PartitionWrites,
        offsets: Mapping[Partition, CommittedOffset],
        placed: Collection[Partition] = (),
    ) -> PlacedOffsets:
        sizes = [len(each.value or b"") for place in placed for each in writes[place]]
        if self.largest is not None and max(sizes, default=0) > self.largest:
            raise WriteRejectedError("too large")
        self.most_bytes = max(self.most_bytes, sum(sizes))
        return await super().send(writes, offsets, placed)


class _Observer(NullObserver):
    """Tells the lane what Kafka has refused, as the scheduler's service does."""

    def __init__(self, lane: SchedulerLane) -> None:
        self._lane = lane

    def lane_failed(self, reason: str, detail: str) -> None:
        if reason == published_error_name(WriteRejectedError):
            self._lane.note_refused(detail)


@dataclass(eq=False)
class Process:
    """A scheduler. Its lane lives as long as it is assigned."""

    facts: DrivenFacts
    lane: SchedulerLane
    port: _Port | None = None
    life: Coroutine[Any, Any, None] | None = None


@dataclass(eq=False)
class World:
    """Kafka, the clock, and what people have published and written."""

    now: datetime = START
    kafka: SimulatedKafka = field(default_factory=SimulatedKafka)
    versions: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)
    documents: tuple[TimedDocument, ...] = ()
    partitions: Mapping[str, int] = field(default_factory=dict)
    books: Books = field(default_factory=Books)
    lane: type[SchedulerLane] = SchedulerLane
    tzdata: str = TZDATA
    process: Process | None = None
    generation: int = 0
    failed: list[str] = field(default_factory=list)
    largest_event: int | None = None
    """Bytes of the largest data of an event that Kafka takes; None for any."""

    def __post_init__(self) -> None:
        self.kafka.clock = lambda: to_milliseconds(self.now)
        self.kafka.offsets[GROUP, CONTROL] = CommittedOffset(0)

    # -- what people do

    def publish(self, **schedules: ScheduleSpec) -> None:
        """Publish a version with these schedules now."""
        known = self.versions.get(PIPELINE, ())
        named = {name.replace("_", "-"): spec for name, spec in schedules.items()}
        self.add_version(version(len(known) + 1, self.now, named))

    def add_version(self, new: Version) -> None:
        known = self.versions.get(new.pipeline, ())
        self.versions = {**self.versions, new.pipeline: (*known, new)}
        self.partitions = {
            **self.partitions,
            **{event.topic: event.partitions for event in new.events.values()},
        }

    def write(self, document: ControlDocument) -> None:
        """Write a control document now."""
        others = [each for each in self.documents if each.key != document.key]
        generation = max((each.generation for each in self.documents), default=-1) + 1
        self.documents = (*others, TimedDocument(document, self.now, generation))

    def pause(self, schedule: str = "", until: datetime | None = None) -> None:
        self.write(ScheduleDocument(pipeline=PIPELINE, schedule=schedule, paused=True, until=until))

    def resume(self, schedule: str = "") -> None:
        self.write(ScheduleDocument(pipeline=PIPELINE, schedule=schedule, paused=False))

    # -- what workers and bookkeepers do

    def runs(self, event_type: str = "asked", pipeline: str = PIPELINE) -> list[str]:
        """Return the runs that triggers have opened, in their order."""
        topic = f"{pipeline}.{event_type}"
        index = VersionIndex(self.versions[pipeline])
        found = self.kafka.read_committed(Partition(topic, 0))
        return [index.root_run(topic, 0, record.offset).decode() for record in found]

    def run_changed(self, run: str, status: str = "running", *, over: bool = False) -> None:
        """Let the books have a new row of a run."""
        self.books.log.append(
            RunChange(
                run=run,
                transition="completed" if over else "opened",
                pipeline=PIPELINE,
                root="asked",
                status=status,
                closed=self.now if over else None,
            )
        )

    def end(self, run: str, status: str = "completed") -> None:
        """Let a run end."""
        self.run_changed(run, status, over=True)

    def end_all(self) -> None:
        """Let every run end that has not."""
        over = {change.run for change in self.books.log if change.closed is not None}
        for run in self.runs():
            if run not in over:
                self.end(run)

    # -- the scheduler

    def start(self) -> Process:
        """Start a scheduler, which gets the lane."""
        self.stop()
        facts = DrivenFacts(self, DrivenRuns(self.books))
        self.process = Process(facts, self.lane(NAMES, facts, "here", self.tzdata))
        self.assign(self.process)
        return self.process

    def assign(self, process: Process) -> None:
        """Give the lane to a process."""
        self.generation += 1
        self.kafka.generations[ID] = self.generation
        process.port = _Port(
            self.kafka,
            GROUP,
            ID,
            [CONTROL],
            self.generation,
            state=[STATE],
            largest=self.largest_event,
        )
        process.life = run_lane(
            process.port,
            process.lane,
            isolation=SimulatedLock(),
            observer=_Observer(process.lane),
            log=self._log,
        )
        self.step(process)

    def _log(self, event: str, **fields: Any) -> None:
        if event != "lane.born":
            self.failed.append(f"{event}: {fields}")

    def step(self, process: Process, answer: BaseException | None = None) -> str | None:
        """Let a process take a step, and return what it asks for next; None if it has ended."""
        assert process.life is not None
        try:
            if answer is not None:
                return str(process.life.throw(answer))
            return str(process.life.send(None))
        except (StopIteration, LaneStoppedError):
            process.life = None
            return None

    def stop(self) -> None:
        """End the scheduler in good order."""
        process, self.process = self.process, None
        if process is not None and process.port is not None:
            process.port.stopping = True
            for _ in range(1000):
                if process.life is None:
                    return
                self.step(process)
                self.kafka.complete(ID)
            raise AssertionError("it does not end")

    def kill(self) -> None:
        """Kill the scheduler."""
        process, self.process = self.process, None
        if process is not None and process.life is not None:
            process.life.close()

    def settle(self) -> None:
        """Let the scheduler do everything that it has to do now."""
        process = self.process
        assert process is not None
        for _ in range(100_000):
            asked = self.step(process)
            assert asked is not None
            if asked == "fetch":
                self.kafka.complete(ID)
                wake_in = process.lane.wake_in()
                if wake_in is None or wake_in > 0:
                    return
        raise AssertionError("it is never done")

    def advance(self, until: datetime) -> None:
        """Let time pass, and the scheduler do what it has to do."""
        process = self.process
        while True:
            wake_in = None
            if process is not None:
                self.settle()
                wake_in = process.lane.wake_in()
            if wake_in is None or self.now + timedelta(seconds=wake_in) > until:
                break
            self.now += timedelta(seconds=wake_in)
        self.now = until
        if process is not None:
            self.settle()

    # -- what came of it

    def events(self, topic: str = "p.asked") -> list[Record]:
        return self.kafka.read_committed(Partition(topic, 0))

    def records(self, schedule: str = "", pipeline: str = PIPELINE) -> list[FiringRecord]:
        """Return the newest record of each planned time, in their order."""
        found: dict[bytes, FiringRecord] = {}
        for record in self.kafka.read_committed(FIRINGS):
            assert record.key is not None
            assert record.value is not None
            found[record.key] = parse_firing(record.value)
        return sorted(
            (
                each
                for each in found.values()
                if each.pipeline == pipeline and schedule in ("", each.schedule)
            ),
            key=lambda each: (each.planned, each.suffix),
        )

    def outcomes(self, schedule: str = "") -> list[tuple[str, str]]:
        """Return when was planned what, and what became of it: `("10:05", "fired")`."""
        return [(f"{each.planned:%H:%M}", each.outcome) for each in self.records(schedule)]

    def row(self, schedule: str) -> ScheduleRow | None:
        """Return the row of a schedule; None if there is none."""
        value = self.table().get(schedule_key(PIPELINE, schedule))
        return None if value is None else parse_schedule_row(value)

    def table(self) -> dict[bytes, bytes]:
        rows: dict[bytes, bytes] = {}
        for record in self.kafka.read_committed(STATE):
            assert record.key is not None
            if record.value is None:
                rows.pop(record.key, None)
            else:
                rows[record.key] = record.value
        return rows

    def alerts(self) -> list[Alert]:
        found = self.kafka.read_committed(ALERTS)
        return [parse_alert(record.value) for record in found if record.value is not None]

    def cancelled(self) -> list[str]:
        found = (parse_control(r.value) for r in self.kafka.read_committed(CONTROL) if r.value)
        return [each.run for each in found if isinstance(each, CancelDocument)]


def event_id(record: Record) -> str:
    return dict(record.headers)["ce_id"].decode()
