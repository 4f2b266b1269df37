"""How does a test run a pipeline?"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import orjson
from pydantic import BaseModel
from pydantic_core import to_json

from farandole.catalog.control_misfits import mode_misfit
from farandole.catalog.ownership import VersionIndex
from farandole.events.envelope import trigger_headers
from farandole.events.event_key import event_key
from farandole.events.flag_document import FlagDocument, flag_misfit
from farandole.events.header_codec import encode_headers
from farandole.events.kafka_names import KafkaNames
from farandole.events.key_partitioner import partition_for_key
from farandole.events.outcome import Outcome
from farandole.events.quality_row import QualityKey
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.release_document import ReleaseDocument
from farandole.events.root_record import TRIGGER_SOURCE
from farandole.events.switch_document import SwitchDocument
from farandole.events.throttle_document import ThrottleDocument
from farandole.events.topology_version import EventSpec, StageSpec
from farandole.ledger.edge_data import EdgeData
from farandole.stages.cel_expression import compile_attribute_condition
from farandole.testing.event_tree import EventTree, Place, StageStep
from farandole.testing.faults import StageFaults
from farandole.testing.loaded_topology import load_topology
from farandole.testing.memory_cluster import MemoryCluster, NotAtRestError
from farandole.testing.memory_quality import known_data, verdicts_of
from farandole.testing.results import DeadLetter, Event, ParkedRow, Report, Unsent, Verdict
from farandole.testing.scheduled_root import scheduled_root
from farandole.testing.virtual_time import VirtualClock, VirtualTimeLoop
from farandole.worker.codecs import codec_for

if TYPE_CHECKING:
    from farandole.quality.profiles.edge_profile import EdgeProfile

DAY = 86_400.0


class Pipeline:
    """A pipeline that runs in memory, from its topology file to its books.

    Use it as a context manager, `with Pipeline("topology.yaml") as pipeline:`, or by the pytest
    fixture `pipeline`. `run` works off what was sent; the results are read afterwards.
    """

    def __init__(
        self,
        file: str | Path = "topology.yaml",
        *,
        folder: str | Path | None = None,
        stages: Collection[str] | None = None,
        effects: bool = True,
        start: datetime | None = None,
        flags: Mapping[str, Any] | None = None,
    ) -> None:
        """`folder`: where the stages' modules are; by default the folder of the file. `stages`: the
        only stages that run; by default all that are not external. `effects`: False if stages that
        write to the outside (`effects:` in the file) do not run. `start`: the pipeline's time at
        the beginning; by default the time of now. `flags`: values other than the defaults of the
        file, as by `flag`. Raises TopologyError if the file is not fit to be applied, LookupError
        for a stage or flag that it does not have, and ValueError for a value of another type."""
        names = KafkaNames()

        def runs(name: str, stage: StageSpec) -> bool:
            return (stages is None or name in stages) and (effects or not stage.has_effects)

        folder = None if folder is None else Path(folder)
        loaded = load_topology(Path(file), folder, names, runs)
        for stage in stages or ():
            _require_known(stage, [*loaded.functions, *loaded.resting], "stage")
        began = time.time() if start is None else start.timestamp()
        self._clock = VirtualClock(float(int(began)))
        self._faults = StageFaults(self._clock.now)
        functions = {
            name: code._replace(function=self._faults.wrap(name, code.function))
            for name, code in loaded.functions.items()
        }
        self.version = loaded.version
        """The version that the file describes, as a router would publish it, with the stages that
        run."""
        self.resting: Mapping[str, StageSpec] = loaded.resting
        """The stages of the file that do not run."""
        self._cluster = MemoryCluster(self.version, names, functions, self._clock)
        for name, value in (flags or {}).items():
            self.flag(name, value)
        self._index = VersionIndex([self.version])
        self._names = names
        self._runner: asyncio.Runner | None = None
        self._roots: dict[Place, Event] = {}
        """In the order in which they were sent."""
        self._sent_without_key = 0
        self._tree: EventTree | None = None

    # -- the events that come in

    def send(self, event_type: str, data: Any, *, key: str | bytes | None = None) -> Event:
        """Publish an event as `farandole trigger` does, and return it. It opens a run.

        `data`: a model, or what JSON has; `bytes` are published as they are. `key`: by default the
        field that the file names. The partition is the one that Kafka chooses for the key."""
        spec = self._event_spec(event_type)
        raw = data if isinstance(data, bytes) else _to_json(data, self.version.format)
        return self._publish(event_type, *self._root(event_type, spec, raw, key))

    def fire(
        self,
        schedule: str,
        planned: datetime | str | None = None,
        *,
        after: Sequence[Mapping[str, str]] = (),
    ) -> Event:
        """Publish the event that a schedule of the file triggers, with its data for a planned time,
        and return it. It opens a run. Pauses, calendars and the end of the run before play no part.

        `planned`: a time, or a text as the file has them, local in the zone of the schedule; by
        default the first planned time after the pipeline's time. `after`: what has come that the
        schedule depends on, in the order of the file: `{"run": "k7mq2vtd4x3aa", "status":
        "failed"}`, `{"file": "s3://in/a.csv", "etag": "1"}`; by default something made up. Raises
        LookupError for a schedule that the file does not have, and ValueError with the reason if it
        cannot trigger its event."""
        _require_known(schedule, self.version.schedules, "schedule")
        root = scheduled_root(self.version, schedule, planned, after, self.now)
        event_type = self.version.schedules[schedule].triggers
        outgoing = OutgoingRecord(root.key, root.value, encode_headers(root.headers))
        return self._publish(event_type, Partition(root.topic, root.partition or 0), outgoing)

    def _publish(self, event_type: str, partition: Partition, outgoing: OutgoingRecord) -> Event:
        place = Place(event_type, partition.partition, len(self._cluster.kafka.log(partition)))
        self._cluster.append(partition, outgoing)
        self._tree = None
        (record,) = self._cluster.kafka.read_committed(partition, place.offset, 1)
        run = self._index.root_run(record.topic, record.partition, record.offset).decode()
        self._roots[place] = Event(event_type, None, run, record)
        return self._roots[place]

    def _root(
        self, event_type: str, spec: EventSpec, raw: bytes, key: str | bytes | None
    ) -> tuple[Partition, OutgoingRecord]:
        if isinstance(key, str):
            key = key.encode()
        if key is None and spec.key is not None:
            key = _key_in(raw, spec.key, self.version.format)
        if key is None:
            index, self._sent_without_key = self._sent_without_key, self._sent_without_key + 1
        else:
            index = partition_for_key(key, spec.partitions)
        headers = trigger_headers(TRIGGER_SOURCE, event_type, f"sent-{len(self._roots)}", self.now)
        outgoing = OutgoingRecord(key, raw, encode_headers(headers))
        return Partition(spec.topic, index % spec.partitions), outgoing

    # -- switches and flags

    def switch(
        self,
        stage: str,
        mode: Literal["on", "hold", "bypass", "canary"],
        *,
        run: str = "",
        share: float | str | None = None,
        allow_effects: bool = False,
    ) -> None:
        """Switch a stage, as `farandole switch` does, from its next batch on: `hold` takes no
        event, `bypass` passes each on as it came, `canary` lets `run` (`package.module:function`)
        handle a share of the keys, 0.1 or `10%`. Raises LookupError for a stage that does not run,
        and ValueError if it cannot have the mode."""
        self._known_stages([stage])
        document = SwitchDocument(
            pipeline=self.version.pipeline,
            stage=stage,
            mode=mode,
            run=run,
            share=share,  # type: ignore[arg-type]  # it reads `10%` too
            allow_effects=allow_effects,
        )
        problem = mode_misfit(self.version, document)
        if problem is not None:
            raise ValueError(problem)
        self._cluster.controls.write(document)

    def release(self, run: str, stage: str = "") -> None:
        """Let a run into its gated stages, or into one, whatever its checks say, as `farandole
        gates release` does. Raises LookupError for a stage that does not run."""
        self._known_stages([stage] if stage else [])
        pipeline = self.version.pipeline
        self._cluster.controls.write(ReleaseDocument(pipeline=pipeline, stage=stage, run=run))

    def flag(
        self,
        name: str,
        value: Any,
        *,
        stage: str = "",
        share: float | str | None = None,
        when: str = "",
        seconds: float | None = None,
    ) -> None:
        """Set a flag of the file, as `farandole flag` does; functions read the value from the next
        batch on. Where the conditions do not fit, they read the default. `stage`: the only stage
        that reads it. `share`: of the keys, 0.05 or `5%`. `when`: a CEL expression over
        `attributes`. `seconds`: for how long, of the pipeline's time. Raises LookupError for a
        flag or stage that the file does not have, and ValueError for a value of another type or a
        wrong condition."""
        _require_known(name, self.version.flags, "flag")
        document = FlagDocument(
            pipeline=self.version.pipeline,
            flag=name,
            value=value,
            stage=stage,
            share=share,  # type: ignore[arg-type]  # it reads `5%` too
            when=when,
            until=None if seconds is None else self.now + timedelta(seconds=seconds),
        )
        if stage:
            self._known_stages([stage])
        spec = self.version.flags[name]
        problem = flag_misfit(document, spec, None, compile_attribute_condition)
        if problem is not None:
            raise ValueError(problem)
        self._cluster.controls.write(document)

    def clear_flag(self, name: str) -> None:
        """Let functions read the default of the file again. Raises LookupError."""
        _require_known(name, self.version.flags, "flag")
        cleared = FlagDocument(pipeline=self.version.pipeline, flag=name, clear=True)
        self._cluster.controls.write(cleared)

    # -- throttles and limits

    def throttle(
        self,
        rate: str | None = None,
        *,
        stage: str = "",
        limit: str = "",
        per_key: str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Set the rate of a stage, of a limit or, with neither, of the roots, as `farandole
        throttle` does: `100/s`, `off` for none, `file` for that of the file. `per_key`: the rate
        for each key of a stage. `seconds`: for how long, of the pipeline's time. Raises LookupError
        for a stage or limit that the file does not have, and ValueError for what is no rate."""
        if stage:
            self._known_stages([stage])
        if limit:
            _require_known(limit, self.version.limits, "limit")
        document = ThrottleDocument(
            pipeline=self.version.pipeline,
            stage=stage,
            limit=limit,
            rate=rate,
            per_key=per_key,
            until=None if seconds is None else self.now + timedelta(seconds=seconds),
        )
        self._cluster.controls.write(document)

    # -- time and faults

    @property
    def now(self) -> datetime:
        """The pipeline's time. Only `run` and `advance` move it."""
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def run(self) -> Report:
        """Work until every event is settled, and return the balance sheets. Waits take no time: the
        pipeline's clock jumps over them. Raises NotAtRestError if events still wait after a day of
        the pipeline's time."""
        if not self._settle(DAY):
            raise NotAtRestError(
                "after a day of the pipeline's time events still wait: a stage never recovers, or "
                "a throttle or a limit lets too little pass; `advance(seconds)` runs a part of "
                "that time, `heal(stage)` ends a fault"
            )
        return self.report()

    def advance(self, seconds: float) -> Report:
        """Work for so many seconds of the pipeline's time; 0: what can be done at once. What is due
        later waits. Return the balance sheets of then."""
        ends = self._clock.passed + seconds
        if self._settle(seconds):
            self._clock.advance(ends - self._clock.passed)
        return self.report()

    async def run_async(self) -> Report:
        """Do what `run` does, from an async test: its event loop goes on meanwhile."""
        return await asyncio.to_thread(self.run)

    async def advance_async(self, seconds: float) -> Report:
        """Do what `advance` does, from an async test."""
        return await asyncio.to_thread(self.advance, seconds)

    def fail(
        self,
        *stages: str,
        error: BaseException | None = None,
        times: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Let the functions of these stages fail before they are called: the next `times` calls, or
        all calls within so many `seconds` of the pipeline's time; without either, until `heal`.
        `error`: by default ConnectionError, as if what the stage needs were away."""
        for stage in self._known_stages(stages):
            raised = error or ConnectionError(f"what {stage} needs is away (a fault of the test)")
            until = float("inf") if seconds is None else self._clock.now() + seconds
            self._faults.fail(stage, raised, times, until)

    def heal(self, *stages: str) -> None:
        """End the faults of these stages; of all without a name."""
        for stage in self._known_stages(stages or tuple(self.version.stages)):
            self._faults.heal(stage)

    # -- the results

    def emitted(self, event_type: str) -> list[Event]:
        """Return the events of this type that stages have emitted: in the order in which their
        roots were sent, and below one root in the order of its tree."""
        self._event_spec(event_type)
        return [e for e in self._events() if e.event_type == event_type and e.stage is not None]

    def dead_letters(self, stage: str | None = None) -> list[DeadLetter]:
        """Return the events that this stage, or any, has given up on, in the order of `emitted`."""
        return [step.letter for step in self._steps(stage) if step.letter is not None]

    def parked(self, stage: str | None = None) -> list[ParkedRow]:
        """Return the rows of this stage, or any, that wait until a person decides, because a check
        parks them; in the order of `emitted`."""
        return [step.parked for step in self._steps(stage) if step.parked is not None]

    def dropped(self, stage: str | None = None) -> list[Unsent]:
        """Return the events that this stage, or any, consumed without a result although it emits:
        dropped by its function, or filtered by its `when:`."""
        return [
            Unsent(step.event, step.stage, step.outcome)
            for step in self._steps(stage)
            if step.outcome in (Outcome.DROPPED, Outcome.FILTERED)
        ]

    def verdicts(self, event_type: str | None = None) -> list[Verdict]:
        """Return what the checks of this event type, or of any, have found: about each run that has
        ended, in the order in which their roots were sent, and about each window as if it were over
        now. A check that compares a run with those before is not judged."""
        if event_type is not None:
            self._event_spec(event_type)
        found = verdicts_of(self.version, self.report().runs, self._known_data())
        return [each for each in found if event_type in (None, each.event_type)]

    def profile(
        self, event_type: str, run: str | None = None, *, died: bool = False
    ) -> EdgeProfile:
        """Return the profile of the data of this event type, of all runs and windows or of one run:
        `.rows`, `.columns["cents"].minimum`, `.nulls`, `.top(3)`, `.quantile(0.5)`. Each event
        counts once, as it came. `died`: of those that became dead letters, instead. Raises
        LookupError for an event type whose data are not profiled."""
        if not self._event_spec(event_type).is_profiled:
            raise LookupError(
                f"{event_type} is not profiled: the file has neither `profile:` nor `checks:` for"
                " it"
            )
        from farandole.quality.profiles.edge_profile import EdgeProfile  # on demand: it is slow

        whole = EdgeProfile()
        for key, data in self._known_data().items():
            if key.event == event_type and run in (None, key.run):
                whole.merge((data.died if died else data.profile) or EdgeProfile())
        return whole

    def _known_data(self) -> dict[QualityKey, EdgeData]:
        return known_data(self.version, self._names, self._cluster.kafka)

    def report(self) -> Report:
        """Return the balance sheets of now, as the bookkeeper has written them."""
        rows: dict[bytes, bytes | None] = {}
        for index in range(self.version.ledger):
            for record in self._cluster.kafka.read_committed(
                Partition(self._names.runs_topic, index)
            ):
                rows[record.key or b""] = record.value
        runs = (root.run.encode() for root in self.roots)
        with _seldom_collected():
            return Report([orjson.loads(row) for run in runs if (row := rows.get(run)) is not None])

    @property
    def roots(self) -> list[Event]:
        """The events that were sent."""
        return [*self._roots.values()]

    @property
    def tree(self) -> EventTree:
        """What each stage has made of each event."""
        if self._tree is None:
            with _seldom_collected():
                self._tree = EventTree(self.version, self._names, self._cluster.kafka)
        return self._tree

    def _events(self) -> Iterator[Event]:
        return self.tree.walk([*self._roots])

    def _steps(self, stage: str | None) -> Iterator[StageStep]:
        if stage is not None:
            self._known_stages([stage])
        for event in self._events():
            yield from (s for s in self.tree.steps(event) if stage in (None, s.stage))

    # -- beginning and end

    def close(self) -> None:
        """End the lanes."""
        if self._runner is not None:
            self._runner.run(self._cluster.close())
            self._runner.close()
            self._runner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    def _settle(self, seconds: float) -> bool:
        if self._runner is None:
            self._runner = asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(self._clock))
        self._tree = None
        with _seldom_collected():
            return self._runner.run(self._cluster.settle(seconds))

    def _event_spec(self, event_type: str) -> EventSpec:
        _require_known(event_type, self.version.events, "event type")
        return self.version.events[event_type]

    def _known_stages(self, stages: Collection[str]) -> Collection[str]:
        for stage in stages:
            _require_known(stage, self.version.stages, "stage that runs")
        return stages


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Run the garbage collector as seldom as a worker does: events make no cycles, and the logs
    that it would walk through again and again grow."""
    threshold = gc.get_threshold()
    gc.set_threshold(100_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*threshold)


def _require_known(name: str, known: Collection[str], kind: str) -> None:
    if name not in known:
        raise LookupError(f"there is no {kind} {name!r}; there are {', '.join(known)}")


def _to_json(data: Any, version_format: int) -> bytes:
    """Return the data as a stage would write them."""
    if isinstance(data, BaseModel):
        return codec_for(type(data)).encoder(version_format)(data)
    return to_json(data)


def _key_in(raw: bytes, field: str, version_format: int) -> bytes | None:
    try:
        return event_key(raw, field, version_format)
    except ValueError:  # hostile bytes are sent on purpose
        return None
