"""Which schedules have fired after the backup was taken?

Where topics of events were kept they hold triggers of which the saved rows do not know. Without a
record of them their planned times would fire again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import aclosing

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.firing_record import FiringRecord, parse_firing, serialize_firing
from farandole.events.kafka_names import KafkaNames
from farandole.events.record import Record
from farandole.events.record_time import known_time, to_milliseconds
from farandole.events.schedule_origin import schedule_origin
from farandole.events.schedule_row import (
    SCHEDULE_PREFIX,
    FiredRun,
    ScheduleRow,
    parse_schedule_row,
    schedule_key,
)
from farandole.operations.backup.backup_file import SavedRecord

_REASON = "it fired after the backup was taken that was restored"


class LaterFirings:
    """The saved rows and firings of schedules, brought up to what the kept topics say."""

    def __init__(self, records: Iterable[SavedRecord]) -> None:
        """`records`: those that are restored, already in the names of the new installation."""
        names = KafkaNames()
        self._rows: dict[bytes, ScheduleRow] = {}
        self._fired: set[bytes] = set()
        self._changed: dict[bytes, FiringRecord] = {}
        for saved in records:
            if saved.key is None or saved.value is None:
                continue
            if saved.topic == names.schedules_topic and saved.key.startswith(SCHEDULE_PREFIX):
                self._rows[saved.key] = parse_schedule_row(saved.value)
            elif saved.topic == names.firings_topic:
                firing = parse_firing(saved.value)
                if firing.outcome == "fired":
                    self._fired.add(saved.key)

    def add(self, pipeline: str, trigger: Record) -> None:
        """Add a record of a topic to which schedules of this pipeline send their triggers."""
        origin = schedule_origin(trigger.headers)
        if origin is None or origin.repeats:
            return
        key = schedule_key(pipeline, origin.schedule)
        row = self._rows.get(key)
        headers = {name: (value or b"").decode() for name, value in trigger.headers}
        event = headers.get("ce_id", "")
        fired = known_time(trigger.timestamp)
        if row is None or fired is None:
            return
        firing = FiringRecord(
            pipeline=pipeline,
            schedule=origin.schedule,
            planned=origin.planned,
            suffix=event.partition("#")[2],
            outcome="fired",
            reason=_REASON,
            at=fired,
            version=row.version,
            event=event,
            type=headers.get("ce_type", ""),
        )
        name = firing.key.record_key
        if firing.key.event_id != event or name in self._fired:
            return
        self._fired.add(name)
        self._changed[name] = firing
        run = FiredRun(
            planned=firing.planned, suffix=firing.suffix, event=event, topic=trigger.topic,
            fired=fired, record=firing,
        )  # fmt: skip
        waiting = [w for w in row.waiting if (w.planned, w.suffix) != (run.planned, run.suffix)]
        # The lane finds its run by the event's id.
        self._rows[key] = row.model_copy(
            update={
                "through": max(row.through, firing.planned),
                "waiting": tuple(waiting),
                "runs": (*row.runs, run),
                "last": run,
            }
        )

    def records(self, records: Iterable[SavedRecord]) -> list[SavedRecord]:
        """Return the records, with what was added."""
        names = KafkaNames()
        kept = [
            saved._replace(value=self._rows[saved.key].model_dump_json().encode())
            if saved.topic == names.schedules_topic and saved.key in self._rows
            else saved
            for saved in records
            if not (saved.topic == names.firings_topic and saved.key in self._changed)
        ]
        return kept + [
            SavedRecord(
                names.firings_topic, 0, 0, to_milliseconds(firing.at), key, serialize_firing(firing)
            )
            for key, firing in self._changed.items()
        ]


async def with_later_firings(
    settings: Settings,
    admin: ClusterAdmin,
    records: list[SavedRecord],
    kept: Mapping[str, str],
    since_ms: int,
) -> list[SavedRecord]:
    """Return the records with what has fired at or after `since_ms`, in milliseconds of the epoch.
    `kept`: the pipeline of each topic of triggers that was kept. Raises BrokerError."""
    found = LaterFirings(records)
    existing = await admin.all_topics()
    for topic, pipeline in kept.items():
        partitions = [TopicPartition(topic, index) for index in range(existing.get(topic, 0))]
        start = await admin.offsets_at(partitions, since_ms)
        if not partitions:
            continue
        async with aclosing(scan(settings, [topic], start=start, admin=admin)) as batches:
            async for triggers in batches:
                for trigger in triggers:
                    found.add(pipeline, trigger)
    return found.records(records)
