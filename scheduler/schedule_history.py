"""Which version of a pipeline decided over a schedule, and when?

Version i is in force from the moment of its publication until version i+1 is published; planned
times are those of the version in force at that instant.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from farandole.events.record_time import MOMENT
from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.events.topology_version import Version
from farandole.scheduler.dependencies import waits_for
from farandole.scheduler.recurrence import next_planned, previous_planned

"""The shortest time between two instants."""


class PlannedTime(NamedTuple):
    """A planned time, and by which version."""

    at: datetime
    version: int
    spec: ScheduleSpec


class _Segment(NamedTuple):
    """The time in which a version that has the schedule was in force."""

    since: datetime
    until: datetime | None
    """None for the newest version."""
    version: int
    spec: ScheduleSpec


class PipelineHistory:
    """The versions of a pipeline, and since when each is in force."""

    def __init__(self, versions: Sequence[Version]) -> None:
        """`versions` are all that were ever published, the oldest first; at least one."""
        self._versions = versions
        self._numbers = {version.version: version for version in versions}
        self._starts: list[datetime] = []
        for version in versions:
            # Another router's clock may be behind that of the one before.
            last = self._starts[-1] if self._starts else version.published
            self._starts.append(max(last, version.published))

    @property
    def versions(self) -> Sequence[Version]:
        """All of them, the oldest first."""
        return self._versions

    @property
    def newest(self) -> Version:
        return self._versions[-1]

    @property
    def newest_start(self) -> datetime:
        """Since when the newest version has been in force."""
        return self._starts[-1]

    def schedules(self, number: int) -> Mapping[str, ScheduleSpec]:
        """Return the schedules of a version; none if it is not known."""
        version = self._numbers.get(number)
        return {} if version is None else version.schedules

    def position_at(self, time: datetime) -> int:
        """Return the position of the version in force at a time; -1 before the first one."""
        return bisect_right(self._starts, time) - 1

    def start(self, position: int) -> datetime:
        """Return since when the version at a position has been in force."""
        return self._starts[position]

    def spec(self, position: int, schedule: str) -> ScheduleSpec | None:
        """Return what the version at a position says of a schedule; None if it does not have it."""
        return self._versions[position].schedules.get(schedule)

    def segment(self, position: int, schedule: str) -> _Segment | None:
        """Return the segment of the version at a position; None if it does not have the
        schedule."""
        spec = self.spec(position, schedule)
        if spec is None:
            return None
        is_newest = position + 1 == len(self._versions)
        until = None if is_newest else self._starts[position + 1]
        return _Segment(self._starts[position], until, self._versions[position].version, spec)

    def __len__(self) -> int:
        return len(self._versions)


@dataclass(frozen=True, slots=True)
class ScheduleHistory:
    """What the versions of a pipeline say of one schedule."""

    pipeline: PipelineHistory
    schedule: str

    @property
    def spec(self) -> ScheduleSpec | None:
        """What the newest version says; None if it does not have the schedule."""
        return self.pipeline.newest.schedules.get(self.schedule)

    @property
    def begins(self) -> datetime | None:
        """When the first version was published that has the schedule, of those after which every
        one has it; None if the newest does not."""
        return self._since(lambda spec: spec is not None)

    def since(self, *, paused: bool) -> datetime:
        """Return since when the file has said that the schedule is paused, or that it is not; one
        that is not in the file is not."""
        found = self._since(lambda spec: (spec is not None and spec.paused) == paused)
        return self.pipeline.newest.published if found is None else found

    def _since(self, holds: Callable[[ScheduleSpec | None], bool]) -> datetime | None:
        """Return when the first version was published of those after which something holds of every
        one; None if it does not hold of the newest."""
        since = None
        for position in reversed(range(len(self.pipeline))):
            if not holds(self.pipeline.spec(position, self.schedule)):
                break
            since = self.pipeline.start(position)
        return since

    def waits_since(self, dependency: DependencySpec) -> datetime | None:
        """Return when the first version was published whose schedule waits for this, of those after
        which every one does; None if the newest does not."""
        segments = (
            self.pipeline.segment(position, self.schedule)
            for position in reversed(range(len(self.pipeline)))
        )
        since = None
        for segment in segments:
            if segment is None or not waits_for(segment.spec, dependency):
                break
            since = segment.since
        return since

    def spec_of(self, version: int) -> ScheduleSpec | None:
        """Return what a version says; None if it does not have the schedule, or is not known."""
        return self.pipeline.schedules(version).get(self.schedule)

    def next_planned(self, after: datetime) -> PlannedTime | None:
        """Return the first planned time after `after`; None if there is none. Raises ValueError as
        `recurrence.next_planned`."""
        for segment in self._segments_from(after):
            planned = next_planned(segment.spec, max(after, segment.since - MOMENT))
            if planned is not None and (segment.until is None or planned < segment.until):
                return PlannedTime(planned, segment.version, segment.spec)
        return None

    def previous_planned(self, planned: datetime) -> PlannedTime | None:
        """Return the last planned time before this one; None if there is none. Before the schedule
        was published its times are those that its first version would have planned and, if that one
        was published after `planned`, those of the newest. Raises ValueError as
        `recurrence.previous_planned`."""
        first = None
        for segment in self._segments_before(planned):
            first = segment
            before = planned if segment.until is None else min(planned, segment.until)
            found = previous_planned(segment.spec, before)
            if found is not None and found >= segment.since:
                return PlannedTime(found, segment.version, segment.spec)
        if first is not None:
            found = previous_planned(first.spec, min(planned, first.since))
            return None if found is None else PlannedTime(found, first.version, first.spec)
        if self.spec is None:
            return None
        found = previous_planned(self.spec, planned)
        version = self.pipeline.newest.version
        return None if found is None else PlannedTime(found, version, self.spec)

    def _segments_from(self, time: datetime) -> Iterator[_Segment]:
        """Yield the segments that end after `time`, the oldest first."""
        for position in range(max(0, self.pipeline.position_at(time)), len(self.pipeline)):
            segment = self.pipeline.segment(position, self.schedule)
            if segment is not None:
                yield segment

    def _segments_before(self, time: datetime) -> Iterator[_Segment]:
        """Yield the segments that begin before `time`, the newest first."""
        for position in range(self.pipeline.position_at(time), -1, -1):
            segment = self.pipeline.segment(position, self.schedule)
            if segment is not None:
                yield segment
