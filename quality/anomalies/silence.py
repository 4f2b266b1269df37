"""Should a feed have come by now?

The time from one arrival to the next is a metric of its own, that of the arrival before: so the
longer gap of a night or of a weekend is that of an hour of the week, as any season is. Of all gaps
that begin in one hour the longest counts, because a feed that comes each minute and not at night
has one long gap in the last hour of the day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from farandole.events.quality_history import Measurement
from farandole.events.topology_version import Sensitivity
from farandole.quality.anomalies.alarm_budget import AlarmBudget
from farandole.quality.anomalies.detector import Detector
from farandole.quality.anomalies.finding import Finding
from farandole.quality.anomalies.metric_key import MetricKey
from farandole.quality.anomalies.metric_kinds import Kind

STATISTIC = "seconds since the one before"
PART = 0.2
"""Of a pipeline's budget of false alarms, for each of its feeds."""
LEAST_DAYS = 15
"""A feed is expected once it has been known for two weeks."""


@dataclass
class Rhythm:
    """When one feed comes."""

    feed: str
    """The event type that opens the runs, or whatever has a rhythm of its own."""
    zone: tzinfo = UTC
    gaps: Detector = field(default_factory=lambda: Detector(budget=AlarmBudget(part=PART)))
    first: float | None = None
    last: float | None = None
    """When the first and the newest one came, in seconds of the epoch."""
    hour_began: float | None = None
    """When the first gap of the newest hour began."""
    longest: float = 0.0
    """The longest gap that began in that hour, in seconds."""

    def __post_init__(self) -> None:
        self.gaps.zone = self.zone

    def arrived(self, at: float) -> None:
        """Note an arrival at `at`, in seconds of the epoch; one before the newest is left out."""
        if self.last is None or self.first is None:
            self.first = self.last = at
            return
        if at < self.last:
            return
        if self.hour_began is not None and self.last // 3600 > self.hour_began // 3600:
            self.gaps.observe(self.hour_began, [self._gap(self.longest)])
            self.hour_began = None
        if self.hour_began is None:
            self.hour_began, self.longest = self.last, 0.0
        self.longest = max(self.longest, at - self.last)
        self.last = at

    def overdue(self, now: float, sensitivity: Sensitivity = "normal") -> Finding | None:
        """Return that the feed should have come, with `at` when it last did, `value` the seconds
        since then and `high` those after which it is late; None if it is not late, or too little is
        known."""
        if self.last is None or self.first is None or self.last - self.first < LEAST_DAYS * 86_400:
            return None
        found = self.gaps.judge(self.last, [self._gap(now - self.last)], sensitivity=sensitivity)
        return found[0] if found else None

    @property
    def key(self) -> MetricKey:
        """The name of the metric."""
        return MetricKey(self.feed, "", STATISTIC)

    def _gap(self, seconds: float) -> Measurement:
        return Measurement(*self.key, Kind.SILENCE.value, max(seconds, 0.0))
