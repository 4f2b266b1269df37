"""Where are the causes and the effects of a record found?

Causes are read one by one: the id of an effect contains the position of the cause. Effects are
searched for in the topics of the stages that subscribe, from the time of the cause on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.catalog.ownership import VersionIndex
from farandole.events.event_position import living_name
from farandole.events.kafka_names import MAX_TOPIC_LENGTH
from farandole.events.record import Record
from farandole.events.record_time import known_time_ms
from farandole.events.topology_version import Version
from farandole.ledger.event_trace import (
    CauseMatcher,
    RecordPosition,
    TraceTarget,
    cause_position,
    effect_topics,
    event_topics,
)
from farandole.operations.errors import GoneError, NotFoundError
from farandole.operations.events.record_lookup import record_at
from farandole.operations.reason_text import reason_text
from farandole.operations.reasons import Reason

_CLOCK_SKEW_MS = 60_000  # ms, the largest difference between the clocks of two workers
_MAX_CAUSES = 1_000  # causes above an event: no graph is so deep

ReportTopics = Callable[[Sequence[str]], None]
"""Called with the topics that are read next."""


@dataclass(slots=True)
class FoundRecords:
    """The records that a trace has found so far."""

    causes: list[Record] = field(default_factory=list)
    """The first is the root."""
    event: Record | None = None
    effects: list[Record] = field(default_factory=list)
    dead: list[Record] = field(default_factory=list)
    notes: list[Reason] = field(default_factory=list)
    """Records that could not be read, and why."""


class EventTracer:
    """Follows events of one pipeline up and down."""

    def __init__(
        self,
        settings: Settings,
        admin: ClusterAdmin,
        versions: Iterable[Version],
        limit: int,
        report: ReportTopics,
    ) -> None:
        """`limit`: the number of effects after which the search ends."""
        self._settings = settings
        self._admin = admin
        self._versions = [*versions]
        self._index = VersionIndex(self._versions)
        self._limit = limit
        self._report = report

    def stage_of(self, record: Record) -> str | None:
        """Return the stage that emitted a record; None if it is a root."""
        owner = self._index.owner_of(record)
        return None if owner is None else owner.stage

    def type_of(self, record: Record) -> str:
        """Return the record's event type; its topic if no version has it."""
        owner = self._index.owner_of(record)
        return record.topic if owner is None else owner.event_type

    def _id_name(self, record: Record) -> str:
        return living_name(self.type_of(record), self._index.life(record.topic))

    def _version_of(self, record: Record) -> Version | None:
        owner = self._index.owner_of(record)
        return None if owner is None else owner.version

    async def target_record(self, target: TraceTarget) -> Record:
        """Return the record at the position that a target names. Raises NotFoundError
        `unknown_event_type` or `unknown_event`, and GoneError `event_gone`."""
        topics = event_topics(self._versions, target.name[:MAX_TOPIC_LENGTH])
        if not topics:
            types = [*dict.fromkeys(t for v in self._versions for t in v.events)]
            raise NotFoundError(
                "unknown_event_type",
                f"no event type or topic {target.name!r}; there are {', '.join(types)}",
                name=target.name,
                known=types,
            )
        for topic in topics:
            position = RecordPosition(topic, target.partition, target.offset)
            found = await self.record_or_reason(position, target.life)
            if not isinstance(found, Reason):
                return found
            reason = found
        if reason.code in ("record_gone", "topic_recreated"):
            raise GoneError("event_gone", reason_text(reason), reason=reason.to_data())
        raise NotFoundError("unknown_event", reason_text(reason), reason=reason.to_data())

    async def record_or_reason(
        self, position: RecordPosition, life: int | None = None
    ) -> Record | Reason:
        """Return the record at a position, or the reason why there is none. `life` is the life of
        the topic; None for the topic as it is now."""
        tp = TopicPartition(position.topic, position.partition)
        subject = {"position": str(position)}
        if life not in (None, self._index.life(position.topic)):
            return Reason("topic_recreated", subject)
        if position.partition >= (await self._admin.topics([position.topic])).get(
            position.topic, 0
        ):
            return Reason("partition_missing", {"partition": f"{tp.topic}/{tp.partition}"})
        first = (await self._admin.start_offsets([tp]))[tp]
        end = (await self._admin.end_offsets([tp]))[tp]
        if position.offset < first:
            return Reason("record_gone", {**subject, "first": first})
        if position.offset >= end:
            return Reason("record_not_written", {**subject, "end": end})
        record = await record_at(self._settings, *position)
        return record if record is not None else Reason("record_no_event", subject)

    async def find_causes(self, record: Record, found: FoundRecords) -> None:
        """Add the record and its causes to `found.causes`, one seek each."""
        found.causes.append(record)
        while self.stage_of(record) is not None and len(found.causes) < _MAX_CAUSES:
            version = self._version_of(record)
            assert version is not None  # it has a stage
            subject = {"position": str(RecordPosition.of(record))}
            named = cause_position(dict(record.headers), version)
            if named is None:
                found.notes.append(Reason("cause_not_named", subject))
                return
            cause = await self.record_or_reason(*named)
            if isinstance(cause, Reason):
                found.notes.append(Reason("cause_missing", {**subject, "reason": cause}))
                return
            record = cause
            found.causes.insert(0, record)

    async def find_effects(self, start: Record, target: TraceTarget, found: FoundRecords) -> None:
        """Add the event and its effects to `found`, level by level.

        If the target is an id, `start` is the cause of the event. Of all effects of the cause, only
        the event is followed; `found.event` remains None if it was not found.
        """
        level: Sequence[Record] = [start]
        if target.id is None:
            found.event = found.causes.pop()
        else:
            level = [
                record
                for record in await self._effects_of(level, found, letters=False)
                if dict(record.headers).get("ce_id") == target.id.encode()
            ]
            if not level:
                return
            found.event, *others = level
            found.notes += [
                Reason("id_repeated", {"id": target.id, "position": str(RecordPosition.of(other))})
                for other in others
            ]
        while level and len(found.effects) < self._limit:
            level = await self._effects_of(level, found)
            left = self._limit - len(found.effects)
            if len(level) > left:
                found.notes.append(Reason("effects_limited", {"limit": self._limit}))
            level = level[:left]
            found.effects += level

    async def _effects_of(
        self, level: Sequence[Record], found: FoundRecords, *, letters: bool = True
    ) -> list[Record]:
        """Return the effects of these records; add the dead letters of those that died to
        `found`."""
        version = self._version_of(level[0])
        if version is None:
            return []
        types = {self.type_of(record) for record in level}
        wanted = effect_topics(version, self._settings.names, types)
        existing = await self._admin.topics()
        topics = [t for t in (*wanted.outputs, *(wanted.dead if letters else ())) if t in existing]
        partitions = [TopicPartition(t, i) for t in topics for i in range(existing[t])]
        since = min(known_time_ms(record.timestamp) or 0 for record in level) - _CLOCK_SKEW_MS
        start = await self._admin.offsets_at(partitions, since)
        causes = CauseMatcher(
            version.installation, [(self._id_name(r), RecordPosition.of(r)) for r in level]
        )
        effects: list[Record] = []
        if topics:
            self._report(topics)
        async with aclosing(scan(self._settings, topics, start=start)) as batches:
            async for records in batches:
                if records[0].topic in wanted.dead:
                    found.dead += [r for r in records if causes.matches_dead_letter(r.headers)]
                    continue
                if len(effects) <= self._limit:
                    effects += [r for r in records if causes.matches_effect(r.headers)]
        return effects
