"""Which stage has made what of which event?

Read from the topics alone, as `farandole trace` does: an id names its cause, and a dead letter the
event that it was. What has neither effect nor letter was dropped or filtered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from farandole.catalog.ownership import VersionIndex
from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.envelope import UnreadableEventError
from farandole.events.event_position import EventPosition
from farandole.events.kafka_names import KafkaNames
from farandole.events.outcome import Outcome
from farandole.events.record import Partition, Record
from farandole.events.retry_record import PARKED_PREFIX, ParkedEvent, parse_retry_row
from farandole.events.topology_version import Version
from farandole.lanes.simulated_kafka import SimulatedKafka
from farandole.stages.cel_expression import compile_expression
from farandole.testing.results import DeadLetter, Event, ParkedRow


class Place(NamedTuple):
    """Where an event stands."""

    event_type: str
    partition: int
    offset: int


class StageStep(NamedTuple):
    """What one stage has made of one event."""

    stage: str
    event: Event
    outcome: Outcome | None
    """HANDLED, DROPPED, FILTERED or DEAD; None if it is not settled yet."""
    outputs: Sequence[Event] = ()
    """What the stage emitted for it. The results of a list belong to the first event of the
    list."""
    letter: DeadLetter | None = None
    parked: ParkedRow | None = None
    """Why it waits until a person decides; None if it does not."""


class EventTree:
    """All events of one version in a Kafka in memory, and what became of each."""

    def __init__(self, version: Version, names: KafkaNames, kafka: SimulatedKafka) -> None:
        self._version = version
        self._names = names
        self._kafka = kafka
        self._index = VersionIndex([version])
        self._effects: dict[tuple[str, Place], list[tuple[EventPosition, Event]]] = {}
        self._events = dict(self._read_events())
        for effects in self._effects.values():
            effects.sort(key=_index)
        self._subscribers = {name: version.subscribers(name) for name in version.events}

    @cached_property
    def _steps(self) -> dict[Place, list[StageStep]]:
        found: dict[Place, list[StageStep]] = {}
        for stage, spec in self._version.stages.items():
            for event_type in spec.subscribes:
                for step in self._judge(stage, event_type):
                    found.setdefault(_place(step.event), []).append(step)
        return found

    @cached_property
    def _letters(self) -> dict[tuple[str, Place], DeadLetter]:
        return {
            (stage, place): letter
            for stage in self._version.stages
            for place, letter in self._read_letters(stage)
        }

    @cached_property
    def _parked(self) -> dict[tuple[str, Place], ParkedEvent]:
        return dict(self._read_parked())

    def steps(self, event: Event) -> Sequence[StageStep]:
        """Return what each stage that subscribes to an event has made of it."""
        return self._steps.get(_place(event), ())

    def outputs(self, event: Event) -> list[Event]:
        """Return what the stages that subscribe to an event have emitted for it."""
        place, subscribers = _place(event), self._subscribers[event.event_type]
        return [e for s in subscribers for _, e in self._effects.get((s, place), ())]

    def walk(self, roots: Sequence[Place]) -> Iterator[Event]:
        """Yield the events below these roots, each before what it caused. What several events
        caused together comes with the first of them."""
        waiting = [self._events[place] for place in reversed(roots)]
        while waiting:
            event = waiting.pop()
            yield event
            waiting += reversed(self.outputs(event))

    def _read_events(self) -> Iterator[tuple[Place, Event]]:
        for event_type, spec in self._version.events.items():
            for index in range(spec.partitions):
                for record in self._kafka.read_committed(Partition(spec.topic, index)):
                    yield Place(event_type, index, record.offset), self._event(event_type, record)

    def _event(self, event_type: str, record: Record) -> Event:
        """Return the event in a record, and note what caused it."""
        headers = dict(record.headers)
        try:
            owner = self._index.claimed_owner(headers, record.topic)
        except UnreadableEventError:
            owner = None
        if owner is None or owner.stage is None:
            run = self._index.root_run(record.topic, record.partition, record.offset)
            return Event(event_type, None, run.decode(), record)
        event = Event(event_type, owner.stage, headers["ce_runid"].decode(), record)
        position = EventPosition.parse(headers["ce_id"].decode())
        cause = Place(position.event_type, position.partition, position.offset)
        self._effects.setdefault((owner.stage, cause), []).append((position, event))
        return event

    def _read_letters(self, stage: str) -> Iterator[tuple[Place, DeadLetter]]:
        topic = self._names.dead_topic(self._version.pipeline, stage)
        types = {event.topic: name for name, event in self._version.events.items()}
        for record in self._kafka.read_committed(Partition(topic, 0)):
            account = {
                name.removeprefix(DEAD_HEADER_PREFIX): value.decode(errors="replace")
                for name, value in record.headers
                if name.startswith(DEAD_HEADER_PREFIX)
            }
            place = Place(
                types[account["topic"]], int(account["partition"]), int(account["offset"])
            )
            yield (
                place,
                DeadLetter(
                    self._events[place],
                    stage,
                    account["error"],
                    account["message"],
                    int(account["attempts"]),
                    account.get("traceback", ""),
                ),
            )

    def _judge(self, stage: str, event_type: str) -> Iterator[StageStep]:
        """Yield what a stage has made of each event of one type. They are taken in their order,
        because the results of a list name only its first event and the last offset."""
        spec, event_spec = self._version.stages[stage], self._version.events[event_type]
        group = self._names.stage_group(self._version.pipeline, stage)
        when = spec.when.get(event_type)
        accepts = compile_expression(when) if when is not None else None
        for index in range(event_spec.partitions):
            partition = Partition(event_spec.topic, index)
            committed = self._kafka.offsets.get((group, partition))
            settled = committed.offset if committed is not None else 0
            last, run = -1, ""  # of the list of events that was worked last
            for record in self._kafka.read_committed(partition):
                place = Place(event_type, index, record.offset)
                event = self._events[place]
                effects = self._effects.get((stage, place), [])
                letter = self._letters.get((stage, place))
                outcome: Outcome | None = Outcome.HANDLED
                if letter is not None:
                    outcome = Outcome.DEAD
                elif effects:
                    if effects[0][0].more:
                        last, run = record.offset + effects[0][0].more, event.run
                elif record.offset >= settled or (stage, place) in self._parked:
                    outcome = None
                elif accepts is not None and not accepts(event.data, event.attributes):
                    outcome = Outcome.FILTERED
                elif spec.emits and not (record.offset <= last and event.run == run):
                    outcome = Outcome.DROPPED
                outputs = [each for _, each in effects]
                row = self._parked_row(stage, place) if outcome is None else None
                yield StageStep(stage, event, outcome, outputs, letter, row)

    def _parked_row(self, stage: str, place: Place) -> ParkedRow | None:
        waits = self._parked.get((stage, place))
        if waits is None or not waits.waits_for_person:
            return None
        return ParkedRow(self._events[place], stage, waits.checks.split(", "), waits.message)

    def _read_parked(self) -> Iterator[tuple[tuple[str, Place], ParkedEvent]]:
        """Yield the stage and the place of each event that waits, for another try or a person."""
        types = {event.topic: name for name, event in self._version.events.items()}
        for stage, spec in self._version.stages.items():
            if spec.parking is None:
                continue
            for index in range(spec.parking.partitions):
                rows: dict[bytes, bytes | None] = {}
                for record in self._kafka.read_committed(Partition(spec.parking.topic, index)):
                    rows[record.key or b""] = record.value
                for key, value in rows.items():
                    if value is not None and key.startswith(PARKED_PREFIX):
                        parked = parse_retry_row(value)
                        place = Place(types[parked.topic], parked.partition, parked.offset)
                        yield (stage, place), parked


def _index(effect: tuple[EventPosition, Event]) -> int:
    return effect[0].index


def _place(event: Event) -> Place:
    return Place(event.event_type, event.record.partition, event.record.offset)
