"""What is unusual about a pipeline, and since when?

The state of one pipeline: what is remembered of its metrics, the rhythm of its feeds, and what is
open. It depends only on what it was given, in that order, so that reading the history again makes
the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Final

from farandole.events.quality_history import Measurement
from farandole.events.topology_version import Sensitivity
from farandole.quality.anomalies.detector import Detector
from farandole.quality.anomalies.incidents import (
    Incident,
    IncidentLog,
    incident_id,
    new_incident,
)
from farandole.quality.anomalies.metric_key import MetricKey
from farandole.quality.anomalies.metric_kinds import Kind
from farandole.quality.anomalies.silence import Rhythm

MOST_FEEDS: Final = 64
"""Of a pipeline; the rhythm of further ones is not learnt."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a run, an arrival or the passing of time has changed."""

    opened: tuple[Incident, ...] = ()
    """To be told."""
    over: tuple[Incident, ...] = ()


@dataclass
class PipelineAnomalies:
    """`zone` is whose hours and weekdays the seasons follow."""

    zone: tzinfo = UTC
    detector: Detector = field(default_factory=Detector)
    log: IncidentLog = field(default_factory=IncidentLog)
    rhythms: dict[str, Rhythm] = field(default_factory=dict)
    silent: dict[str, Incident] = field(default_factory=dict)
    """The feeds that should have come."""

    def __post_init__(self) -> None:
        self.detector.zone = self.zone

    def take(
        self,
        at: float,
        measurements: Iterable[Measurement],
        *,
        trains: bool = True,
        ignored: Container[MetricKey] = (),
        sensitivity: Sensitivity = "normal",
    ) -> Changes:
        """Take the measurements of a run or window that has ended at `at`, in seconds of the epoch.
        See `Detector.observe`, also for ValueError."""
        found = self.detector.observe(
            at, measurements, trains=trains, ignored=ignored, sensitivity=sensitivity
        )
        opened, over = self.log.take(at, found, self.detector.correlated)
        return Changes(tuple(opened), tuple(over))

    def arrived(self, feed: str, at: float) -> Changes:
        """Note that a feed came at `at`, in seconds of the epoch."""
        if feed not in self.rhythms:
            if len(self.rhythms) >= MOST_FEEDS:
                return Changes()
            self.rhythms[feed] = Rhythm(feed, self.zone)
        self.rhythms[feed].arrived(at)
        over = [self.silent.pop(feed)] if feed in self.silent else []
        self.log.remember(over)
        return Changes(over=tuple(over))

    def silence_id(self, feed: str) -> str:
        """Return the id that the incident has if the feed should have come by now."""
        rhythm = self.rhythms.get(feed)
        if rhythm is None or rhythm.last is None:
            return ""
        return incident_id(rhythm.key, rhythm.last)

    def overdue(
        self,
        now: float,
        *,
        ignored: Container[MetricKey] = (),
        sensitivity: Sensitivity = "normal",
    ) -> Changes:
        """Look which feeds should have come by `now`. A feed is told once for each silence, and not
        at all if its `Rhythm.key` is ignored."""
        opened = []
        for feed, rhythm in self.rhythms.items():
            if feed in self.silent or rhythm.key in ignored:
                continue
            if (finding := rhythm.overdue(now, sensitivity)) is not None:
                self.silent[feed] = new_incident([finding])
                opened.append(self.silent[feed])
        return Changes(opened=tuple(opened))

    def find(self, id_: str) -> Incident | None:
        """Return an incident that is open, or was lately; None if it is not known."""
        silent = (each for each in self.silent.values() if each.id == id_)
        return next(silent, None) or self.log.find(id_)

    def knows(self, is_meant: Callable[[MetricKey], bool]) -> bool:
        """Return True if there is a metric that is meant."""
        known = (*self.detector.table.keys, *(each.key for each in self.rhythms.values()))
        return any(map(is_meant, known))

    def expect(self, incident: Incident) -> Changes:
        """Take an incident as normal: what it found is learnt, and it is over. A feed that should
        have come is told again only if it fails to come another time."""
        feed = incident.main.key.edge
        if incident.main.kind is not Kind.SILENCE:
            self.detector.expect(incident.findings)
            return Changes(over=tuple(self.log.close(incident.id)))
        if feed in self.rhythms:
            self.rhythms[feed].gaps.expect(incident.findings)
        self.log.close(incident.id)
        is_silent = feed in self.silent and self.silent[feed].id == incident.id
        return Changes(over=(incident,) if is_silent else ())
