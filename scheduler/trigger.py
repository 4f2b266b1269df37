"""Which event does a firing publish, and what keeps it from doing so?

What a planned time triggers, and with which data, is what its own version says. The event is one of
the newest version, whose workers will take it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from farandole.events.firing_record import FiringKey
from farandole.events.key_partitioner import partition_for_key
from farandole.events.root_record import RootRecord, new_root, root_at, schedule_source
from farandole.events.schedule_origin import origin_headers
from farandole.events.schedule_row import Arrival
from farandole.events.schedule_spec import ScheduleSpec
from farandole.events.topology_version import EventSpec, Version
from farandole.scheduler.data_misfit import misfit_finder
from farandole.scheduler.planned_times import previous_included
from farandole.scheduler.schedule_history import ScheduleHistory
from farandole.scheduler.time_zones import load_zone
from farandole.scheduler.trigger_data import TemplateError, TemplateValues, render

MAX_TRIGGER_BYTES = 900_000
"""Bytes of the data of a trigger, below what a topic of events takes with its headers."""


class Firing(NamedTuple):
    """A planned time, or what stands for one, that is to fire now."""

    key: FiringKey
    version: int
    """The version by which it is planned."""
    spec: ScheduleSpec
    """What that version says."""
    arrivals: Mapping[str, Arrival] = {}
    """What it fires with, by the index of the dependency."""


class Refusal(NamedTuple):
    """Why a firing cannot publish its event."""

    reason: str
    may_pass: bool = False
    """It may be possible later, without a change of the file."""


class TriggerMaker:
    """Makes the events of firings. It keeps what is the same for all of one schedule."""

    def __init__(self) -> None:
        self._targets: dict[tuple[str, int, str], _Target | Refusal] = {}
        """By pipeline, newest version and event type."""
        self._data: dict[tuple[str, int, str], _Data] = {}
        """By pipeline, version and schedule."""
        self._prepared: dict[FiringKey, _Prepared] = {}

    def forget(self) -> None:
        """Forget everything: versions have changed."""
        self._targets.clear()
        self._data.clear()
        self._prepared.clear()

    def forget_past(self, now: datetime) -> None:
        """Forget what was prepared for times that have come: it was used, or nothing fired."""
        self._prepared = {key: it for key, it in self._prepared.items() if key.planned > now}

    def prepare(
        self, firing: Firing, history: ScheduleHistory, partitions: Mapping[str, int]
    ) -> None:
        """Make the event of a planned time that comes soon, unless it is prepared: `make` then
        costs little. Without arrivals, data depend on nothing that happens until then."""
        known = self._prepared.get(firing.key)
        if firing.arrivals or (known is not None and known.is_for(firing, partitions)):
            return
        made = self._make(firing, history, partitions, firing.key.planned)
        self._prepared[firing.key] = _Prepared(firing.version, partitions, made)

    def make(
        self,
        firing: Firing,
        history: ScheduleHistory,
        partitions: Mapping[str, int],
        now: datetime,
    ) -> RootRecord | Refusal:
        """Return the event that a firing publishes now, or why it cannot. `partitions`: how many
        each topic has that exists and that we may write."""
        known = self._prepared.pop(firing.key, None)
        if known is not None and known.is_for(firing, partitions):
            return known.made if isinstance(known.made, Refusal) else root_at(known.made, now)
        return self._make(firing, history, partitions, now)

    def _make(
        self,
        firing: Firing,
        history: ScheduleHistory,
        partitions: Mapping[str, int],
        now: datetime,
    ) -> RootRecord | Refusal:
        target = self._target(history.pipeline.newest, firing.spec.triggers)
        if isinstance(target, Refusal):
            return target
        count = partitions.get(target.event.topic)
        if count is None:
            why = f"the topic {target.event.topic} does not exist, or Kafka denies us to write it"
            return Refusal(why, may_pass=True)
        event_id = firing.key.event_id
        try:
            data = self._data_of(firing, history, target)
            root = new_root(
                target.version,
                firing.spec.triggers,
                data,
                headers=origin_headers(firing.key.schedule, firing.key.planned),
                source=schedule_source(target.version),
                event_id=event_id,
                time=now,
            )
        except (TemplateError, ValueError) as error:
            return Refusal(str(error))
        except orjson.JSONEncodeError as error:
            return Refusal(f"the data cannot be written as JSON: {error}")
        if len(data) > MAX_TRIGGER_BYTES:
            return Refusal(f"the data have {len(data)} bytes, more than {MAX_TRIGGER_BYTES}")
        # Without a key any partition will do; always the same one is as good as another.
        partition = partition_for_key(event_id.encode() if root.key is None else root.key, count)
        return root._replace(partition=partition)

    def _target(self, version: Version, event_type: str) -> _Target | Refusal:
        cached = version.pipeline, version.version, event_type
        if cached not in self._targets:
            self._targets[cached] = _find_target(version, event_type)
        return self._targets[cached]

    def _data_of(self, firing: Firing, history: ScheduleHistory, target: _Target) -> bytes:
        """Return the data as JSON. Raises TemplateError, and ValueError if they do not fit."""
        cached = firing.key.pipeline, firing.version, firing.key.schedule
        data = self._data.get(cached)
        if data is None:
            data = self._data[cached] = _Data(orjson.dumps(firing.spec.data))
        if data.checked_for is target:
            return data.raw
        previous = None
        if b"previous" in data.raw and firing.spec.is_timed:
            previous = previous_included(history, firing.key.planned)
        values = TemplateValues(
            pipeline=firing.key.pipeline,
            schedule=firing.key.schedule,
            planned=firing.key.planned,
            previous=previous,
            zone=load_zone(firing.spec.zone),
            arrivals={int(index): arrival for index, arrival in firing.arrivals.items()},
        )
        rendered = render(firing.spec.data, values)
        problem = target.misfit(rendered)
        if problem:
            raise ValueError(f"the data do not fit {firing.spec.triggers}: {problem}")
        if b"${" not in data.raw:
            data.checked_for = target
        return orjson.dumps(rendered)


class _Prepared(NamedTuple):
    """The event of a firing without arrivals, made before its time has come."""

    version: int
    """The version that has planned it."""
    partitions: Mapping[str, int]
    made: RootRecord | Refusal

    def is_for(self, firing: Firing, partitions: Mapping[str, int]) -> bool:
        return (
            not firing.arrivals and self.version == firing.version and self.partitions is partitions
        )


@dataclass(slots=True)
class _Data:
    """The data of a schedule, as its file has them."""

    raw: bytes
    checked_for: _Target | None = None
    """What they fit; None if they were not checked yet, or have templates."""


@dataclass(frozen=True, slots=True, eq=False)
class _Target:
    """The event type that a schedule triggers."""

    version: Version
    event: EventSpec
    misfit: Callable[[Any], str]
    """Returns why data do not fit it; empty if they do."""


def _find_target(version: Version, event_type: str) -> _Target | Refusal:
    event = version.events.get(event_type)
    if event is None:
        return Refusal(f"{version.name} has no event {event_type}")
    if emitters := version.emitters(event_type):
        stages = " and ".join(emitters)
        return Refusal(f"{event_type} is emitted by {stages} in {version.name}: it opens no run")
    return _Target(version, event, misfit_finder(event.data_schema))
