"""Where are the causes and the effects of a record found?

Causes are read at their positions: the id of an effect names that of its cause, or of a batch of
causes the first and the last offset. Effects are
searched for in the topics of the stages that subscribe, from the time of the cause on.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
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
from farandole.events.settlement_record import Settlement, own_settlement, parse_settlement
from farandole.events.topology_version import Version
from farandole.ledger.event_trace import (
    CauseMatcher,
    CauseRange,
    RecordPosition,
    TraceTarget,
    cause_range,
    effect_topics,
    event_topics,
)
from farandole.operations.errors import GoneError, NotFoundError
from farandole.operations.events.record_lookup import record_at
from farandole.operations.reason_text import reason_text
from farandole.operations.reasons import Reason

_CLOCK_SKEW_MS = 60_000  # ms, the largest difference between the clocks of two workers

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
    settlements: dict[RecordPosition, Settlement] = field(default_factory=dict)
    """Of dead letters, by the position of the letter."""
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
        """`limit`: the number of causes, and of effects, after which the search ends."""
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

    async def find_event(self, start: Record, target: TraceTarget, found: FoundRecords) -> None:
        """Set `found.event`. If the target is an id, `start` is its cause (of a batch, the first
        one), and the event is one of the effects; None if it is not among them."""
        if target.id is None:
            found.event = start
            return
        effects = await self._effects_of([start], found, letters=False)
        named = [r for r in effects if dict(r.headers).get("ce_id") == target.id.encode()]
        if not named:
            return
        found.event, *others = named
        found.notes += [
            Reason("id_repeated", {"id": target.id, "position": str(RecordPosition.of(other))})
            for other in others
        ]

    async def find_causes(self, start: Record, found: FoundRecords) -> None:
        """Add the causes of a record to `found.causes`, level by level, the farthest first."""
        level = [start]
        seen = {RecordPosition.of(start)}
        while level:
            above: list[Record] = []
            for causes, effect in self._cause_ranges(level, found).items():
                for record in await self._records_in(causes, effect, found):
                    if RecordPosition.of(record) not in seen:
                        seen.add(RecordPosition.of(record))
                        above.append(record)
            left = self._limit - len(found.causes)
            if len(above) > left:
                found.notes.append(Reason("causes_limited", {"limit": self._limit}))
                above = above[:left]
            found.causes[:0] = above
            level = above

    def _cause_ranges(
        self, level: Iterable[Record], found: FoundRecords
    ) -> dict[CauseRange, RecordPosition]:
        """Return where the causes of these records are, with the first of their effects. Roots have
        none."""
        ranges: dict[CauseRange, RecordPosition] = {}
        for record in level:
            if self.stage_of(record) is None:
                continue
            version = self._version_of(record)
            assert version is not None  # it has a stage
            causes = cause_range(dict(record.headers), version)
            if causes is None:
                subject = {"position": str(RecordPosition.of(record))}
                found.notes.append(Reason("cause_not_named", subject))
            else:
                ranges.setdefault(causes, RecordPosition.of(record))
        return ranges

    async def _records_in(
        self, causes: CauseRange, effect: RecordPosition, found: FoundRecords
    ) -> list[Record]:
        """Return the events in a range; add to `found.notes` why its first one cannot be read."""
        topic, partition, first, last, life = causes
        record = await self.record_or_reason(RecordPosition(topic, partition, first), life)
        records: list[Record] = []
        if isinstance(record, Reason):
            found.notes.append(Reason("cause_missing", {"position": str(effect), "reason": record}))
            if record.code == "topic_recreated":
                return []
        else:
            records = [record]
        if last > first:
            tp = TopicPartition(topic, partition)
            rest = scan(self._settings, [topic], start={tp: first + 1}, until={tp: last + 1})
            async with aclosing(rest) as batches:
                async for batch in batches:
                    records += batch
                    if len(records) > self._limit:
                        break
        return records

    async def find_effects(self, found: FoundRecords) -> None:
        """Add the effects of `found.event` to `found`, level by level."""
        level = [found.event] if found.event is not None else []
        while level and len(found.effects) < self._limit:
            level = await self._effects_of(level, found)
            left = self._limit - len(found.effects)
            if len(level) > left:
                found.notes.append(Reason("effects_limited", {"limit": self._limit}))
            level = level[:left]
            found.effects += level

    async def direct_effects(self, cause: Record) -> AsyncGenerator[Record]:
        """Yield the events that stages emitted for one event."""
        version = self._version_of(cause)
        if version is None:
            return
        wanted = effect_topics(version, self._settings.names, [self.type_of(cause)])
        causes = CauseMatcher(
            version.installation, [(self._id_name(cause), RecordPosition.of(cause))]
        )
        start = await self._starts(wanted.outputs, cause.timestamp)
        async with aclosing(scan(self._settings, [*wanted.outputs], start=start)) as batches:
            async for records in batches:
                for record in records:
                    if causes.matches_effect(record.headers):
                        yield record

    async def _starts(self, topics: Sequence[str], timestamp: int) -> dict[TopicPartition, int]:
        """Return where the effects of an event of that time begin at the earliest."""
        existing = await self._admin.all_topics()
        partitions = [TopicPartition(t, i) for t in topics for i in range(existing.get(t, 0))]
        since = (known_time_ms(timestamp) or 0) - _CLOCK_SKEW_MS
        return await self._admin.offsets_at(partitions, since)

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
        existing = await self._admin.all_topics()
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
                    for record in records:
                        _add_settlements(record, found)
                    continue
                if len(effects) <= self._limit:
                    effects += [r for r in records if causes.matches_effect(r.headers)]
        return effects


def _add_settlements(record: Record, found: FoundRecords) -> None:
    own = own_settlement(record.offset, record.headers)
    if own is not None:
        letter = RecordPosition(record.topic, record.partition, record.offset)
        found.settlements.setdefault(letter, own)
    settlement = parse_settlement(record.value, record.headers)
    if settlement is None:
        return
    for offset in settlement.settles:
        # A settlement settles only earlier letters, and the first one counts.
        if offset < record.offset:
            letter = RecordPosition(record.topic, record.partition, offset)
            found.settlements.setdefault(letter, settlement)
