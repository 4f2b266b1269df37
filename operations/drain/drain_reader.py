"""How are the facts about a drain read from Kafka?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import InputLag, partition_lag, program_input_lag
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.active_stages import active_stages
from farandole.catalog.input_faults import ExistingTopics, lost_inputs
from farandole.catalog.ownership import VersionIndex
from farandole.events.controls_in_force import DrainInForce, drain_in_force
from farandole.events.drain_document import (
    ACKNOWLEDGEMENT_KEY,
    Acknowledgement,
    parse_acknowledgement,
)
from farandole.events.run_row import RunRow, in_flight, parse_run_row
from farandole.events.topology_version import Version
from farandole.operations.control.control_query import active_pauses, read_control_state
from farandole.operations.drain.drain_state import LagByStage, ParkedEvents, throttle_reasons
from farandole.operations.reasons import Reason
from farandole.operations.status.waiting_events import WaitingEvents, count_waiting_events
from farandole.router.cluster_snapshot import MAX_OFFSETS_READ, stage_input_lags, unread_events
from farandole.router.topology_store import published_versions_of

_LEDGER_PAUSE = 0.2  # seconds between two looks at the bookkeeper's offsets


class KafkaDrainReader:
    """`farandole.operations.drain.drain_state.DrainReader` over a cluster. One that is kept reads
    only those run rows again that have changed."""

    def __init__(self, admin: ClusterAdmin, settings: Settings, pipeline: str) -> None:
        self._admin = admin
        self._settings = settings
        self._pipeline = pipeline
        self._names = settings.names
        self._rows: dict[bytes, RunRow] = {}
        self._read_rows: dict[TopicPartition, int] = {}
        self._versions: Sequence[Version] = ()
        self._waiting: Mapping[str, WaitingEvents] = {}

    async def drain(self) -> DrainInForce | None:
        documents = await read_control_state(self._settings)
        return drain_in_force(documents.values(), self._pipeline, datetime.now(UTC))

    async def versions(self) -> Sequence[Version]:
        self._versions = await published_versions_of(self._settings, self._pipeline)
        return self._versions

    async def lags(self, versions: Sequence[Version]) -> LagByStage:
        existing = await self._admin.all_topics()
        found = await stage_input_lags(self._admin, self._settings, versions, existing)
        active = active_stages({version.version: version for version in versions})
        return {stage: lags for stage, lags in found.items() if stage in active}

    async def acknowledgements(
        self, stages: Iterable[str]
    ) -> Mapping[str, Mapping[int, Acknowledgement]]:
        topics = {self._names.state_topic(self._pipeline, stage): stage for stage in stages}
        found: dict[str, dict[int, Acknowledgement]] = {stage: {} for stage in topics.values()}
        async with aclosing(scan(self._settings, [*topics], admin=self._admin)) as batches:
            async for records in batches:
                for record in records:
                    if record.key != ACKNOWLEDGEMENT_KEY:
                        continue
                    of_stage = found[topics[record.topic]]
                    read = parse_acknowledgement(record.value)
                    if read is None:
                        of_stage.pop(record.partition, None)
                    else:
                        of_stage[record.partition] = read
        return found

    async def takers(self, stage: str, *, external: bool) -> int:
        group = self._names.stage_group(self._pipeline, stage)
        newest = max(
            (version for version in self._versions if stage in version.stages),
            key=lambda version: version.version,
        )
        if not (external and newest.stages[stage].is_relayed):
            return await self._admin.count_members(group)
        # Its lanes settle what the program has handled.
        program = await program_input_lag(self._admin, self._names, newest, stage)
        inputs = {each.partition: each.event_type for each in program}
        lanes = {each.partition: each for each in await partition_lag(self._admin, group, inputs)}
        behind = sum(lanes[each.partition].position < each.position for each in program)
        outside = self._names.outside_group(self._pipeline, stage)
        return behind + await self._admin.count_members(outside)

    async def unread(self, versions: Sequence[Version], lags: LagByStage) -> Mapping[str, int]:
        edges = {stage: [*of] for stage, of in lags.items()}
        found: dict[str, int] = {}
        for each in await unread_events(self._settings, versions, edges):
            if each.events:
                found[each.stage] = found.get(each.stage, 0) + each.events
        return found

    async def events_behind_roots(
        self, versions: Sequence[Version], lags: LagByStage
    ) -> Mapping[str, int]:
        index = VersionIndex(versions) if versions else None
        found: dict[str, int] = {}
        for stage, of_stage in lags.items():
            start = {each.partition: each.position for each in of_stage}
            topics = sorted({topic for topic, _ in start})
            if sum(each.lag for each in of_stage) > MAX_OFFSETS_READ or index is None:
                found[stage] = sum(each.lag for each in of_stage)  # too many to look through
                continue
            scanning = scan(self._settings, topics, start=start, admin=self._admin)
            async with aclosing(scanning) as batches:
                async for records in batches:
                    owners = [index.owner_of(record) for record in records]
                    emitted = sum(owner is not None and owner.stage is not None for owner in owners)
                    if emitted:
                        found[stage] = found.get(stage, 0) + emitted
        return found

    async def parked(self, stages: Iterable[str]) -> Mapping[str, ParkedEvents]:
        self._waiting = await count_waiting_events(
            self._admin, self._settings, self._pipeline, stages
        )
        return {
            stage: ParkedEvents(waiting.count, waiting.due)
            for stage, waiting in self._waiting.items()
            if waiting.count
        }

    async def ledger_ends(self) -> Mapping[int, int]:
        topic = self._names.ledger_topic
        width = (await self._admin.topics([topic])).get(topic, 0)
        partitions = [TopicPartition(topic, index) for index in range(width)]
        ends = await self._admin.end_offsets(partitions)
        return {tp.partition: end for tp, end in ends.items()}

    async def ledger_behind(self, ends: Mapping[int, int]) -> int:
        partitions = {TopicPartition(self._names.ledger_topic, index): "" for index in ends}
        firsts = await self._admin.start_offsets(list(partitions))
        found = await partition_lag(self._admin, self._names.bookkeeper_group, partitions)
        done = {
            each.partition: firsts[each.partition] if each.committed is None else each.committed
            for each in found
        }
        return sum(max(0, ends[tp.partition] - offset) for tp, offset in done.items())

    async def bookkeepers(self) -> int:
        return await self._admin.count_members(self._names.bookkeeper_group)

    async def wait(self) -> None:
        await asyncio.sleep(_LEDGER_PAUSE)

    async def runs_in_flight(self) -> Sequence[RunRow]:
        topic = self._names.runs_topic
        width = (await self._admin.topics([topic])).get(topic, 0)
        partitions = [TopicPartition(topic, index) for index in range(width)]
        start = {tp: self._read_rows.get(tp, 0) for tp in partitions}
        # What is read of it is all that is written when this begins, or more.
        ends = await self._admin.end_offsets(partitions)
        async with aclosing(
            scan(self._settings, [topic], start=start, admin=self._admin)
        ) as batches:
            async for records in batches:
                for record in records:
                    if record.key is not None:
                        self._take_row(record.key, record.value)
        self._read_rows = ends
        return [*self._rows.values()]

    def _take_row(self, run: bytes, value: bytes | None) -> None:
        row = parse_run_row(value)
        if row is None and value is not None:
            return  # no bookkeeper wrote it
        self._rows.pop(run, None)
        if (
            row is not None
            and row["pipeline"] == self._pipeline
            and any(in_flight(edge) > 0 for edge in row["edges"].values())
        ):
            self._rows[run] = row

    async def obstacles(self, stages: Collection[str]) -> Sequence[Reason]:
        documents = await read_control_state(self._settings)
        now = datetime.now(UTC)
        pauses = active_pauses(documents, self._pipeline, stages, now)
        found = [
            Reason("stage_on_hold", {"stage": stage, "by": pause.by, "until": pause.until})
            for stage, pause in pauses.items()
        ]
        found += throttle_reasons(
            [*documents.values()], self._pipeline, stages, self._versions, now
        )
        for stage in stages:
            if not await self._admin.count_members(self._names.stage_group(self._pipeline, stage)):
                found.append(Reason("stage_unworked", {"stage": stage}))
            for_person = self._waiting.get(stage, WaitingEvents()).for_person
            if for_person:
                found.append(Reason("rows_for_person", {"stage": stage, "count": for_person}))
            for lane in self._waiting.get(stage, WaitingEvents()).held:
                fields = {"stage": stage, "lane": lane.lane, "why": lane.why}
                found.append(Reason("breaker_open", fields))
        return [*found, *await self._lost(stages)]

    async def _lost(self, stages: Collection[str]) -> list[Reason]:
        newest = self._versions[-1]
        changed = (await ExistingTopics.read(self._admin, [newest])).changed(newest)
        found = []
        for stage, lags in (await self.lags(self._versions)).items():
            known: list[InputLag] = [each for each in lags if each.event_type in changed]
            if stage in stages and await lost_inputs(self._admin, known, changed):
                found.append(Reason("offset_lost", {"stage": stage}))
        return found


@asynccontextmanager
async def open_drain_reader(settings: Settings, pipeline: str) -> AsyncIterator[KafkaDrainReader]:
    """Yield a reader of the facts about a pipeline. Raises BrokerError."""
    async with ClusterAdmin.open(settings) as admin:
        yield KafkaDrainReader(admin, settings, pipeline)
