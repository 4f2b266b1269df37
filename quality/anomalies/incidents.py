"""Which findings have one cause, and since when does it last?

One incident is one cause as far as the metrics can tell. Findings of one run belong together if

* both are about an edge as a whole (its rows, duration, age, dead letters): a pipeline is a chain,
  and what is missing at its beginning is missing everywhere;
* both are about columns of the same name, on whatever edge;
* one is about rows, repeated rows or dead letters, and the other about any column: other rows have
  other values;
* or their metrics have moved together before: the errors of their predictions correlate.

An incident goes on as long as findings come that belong to one of its metrics; while it goes on,
nothing is told anew. It is over when a run came without any, six hours at least after the
last one: also because a new level has become the baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from xxhash import xxh3_64_hexdigest

from farandole.quality.anomalies.finding import Finding
from farandole.quality.anomalies.metric_key import MetricKey
from farandole.quality.anomalies.metric_kinds import Kind

QUIET_RUNS: Final = 1
QUIET_SECONDS: Final = 6 * 3600
MOST_OPEN: Final = 32
"""Incidents of a pipeline that are followed; the oldest is given up for a new one."""
MOST_OVER: Final = 32
"""Incidents that are over and still known: what was unusual once may be taken as normal later."""
_OF_ROWS: Final = (Kind.VOLUME, Kind.DEAD_SHARE, Kind.REPEATED_SHARE, Kind.SILENCE)

Correlated = Callable[[MetricKey, MetricKey], bool]


@dataclass(frozen=True, slots=True)
class Incident:
    """What one cause has done to the metrics of a pipeline."""

    id: str
    since: float
    """When the first finding came; seconds of the epoch."""
    until: float
    """When the newest one came."""
    main: Finding
    """The one farthest beyond its limit in the first run."""
    others: tuple[Finding, ...]
    """The other newest ones, the farthest first."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        return (self.main, *self.others)


@dataclass
class IncidentLog:
    """The incidents of a pipeline."""

    open: list[Incident] = field(default_factory=list)
    over: list[Incident] = field(default_factory=list)
    """The last ones that are over, the newest last."""
    quiet: dict[str, int] = field(default_factory=dict)
    """By id, how many runs came since the newest finding."""

    def take(
        self, at: float, findings: Sequence[Finding], correlated: Correlated
    ) -> tuple[list[Incident], list[Incident]]:
        """Take the findings of a run at `at`. Return the incidents that have opened, and those
        that are over."""
        opened = []
        for group in group_findings(findings, correlated):
            known = next((each for each in self.open if _belongs(each, group, correlated)), None)
            if known is None:
                incident = new_incident(group)
                self.open.append(incident)
                opened.append(incident)
            else:
                incident = _continued(known, group)
                self.open[self.open.index(known)] = incident
            self.quiet[incident.id] = -1
        over = []
        for each in self.open:
            self.quiet[each.id] += 1
            if self.quiet[each.id] >= QUIET_RUNS and at - each.until >= QUIET_SECONDS:
                over.append(each)
        over += self.open[:-MOST_OPEN]
        self.open = [each for each in self.open if each not in over]
        self.quiet = {each.id: self.quiet[each.id] for each in self.open}
        self.remember(over)
        return [each for each in opened if each not in over], over

    def remember(self, over: Sequence[Incident]) -> None:
        """Keep incidents that are over."""
        self.over = [*self.over, *over][-MOST_OVER:]

    def find(self, id_: str) -> Incident | None:
        """Return an incident that is open, or was lately; None if it is not known."""
        return next((each for each in (*self.open, *self.over) if each.id == id_), None)

    def close(self, id_: str) -> list[Incident]:
        """Close an incident, and forget it; return it, or nothing if it is not open."""
        self.over = [each for each in self.over if each.id != id_]
        closed = [each for each in self.open if each.id == id_]
        self.open = [each for each in self.open if each.id != id_]
        self.quiet.pop(id_, None)
        return closed


def group_findings(findings: Sequence[Finding], correlated: Correlated) -> list[list[Finding]]:
    """Return the findings of one run by cause, the farthest beyond its limit first."""
    groups: list[list[Finding]] = []
    for each in sorted(findings, key=lambda found: (-found.severity, found.key)):
        joined = [
            group for group in groups if any(_related(each, other, correlated) for other in group)
        ]
        groups = [group for group in groups if group not in joined]
        groups.append([found for group in joined for found in group] + [each])
    for group in groups:
        group.sort(key=lambda found: (-found.severity, found.key))
    return sorted(groups, key=lambda group: (-group[0].severity, group[0].key))


def _related(one: Finding, other: Finding, correlated: Correlated) -> bool:
    columns = one.key.column, other.key.column
    if columns[0] == columns[1]:
        return True
    if (not columns[0] and one.kind in _OF_ROWS) or (not columns[1] and other.kind in _OF_ROWS):
        return True
    return correlated(one.key, other.key)


def _belongs(incident: Incident, group: Sequence[Finding], correlated: Correlated) -> bool:
    if any(found.key == other.key for found in group for other in incident.findings):
        return True
    return any(
        (found.key.edge, found.key.column) == (other.key.edge, other.key.column)
        or correlated(found.key, other.key)
        for found in group
        for other in incident.findings
    )


def incident_id(key: MetricKey, at: float) -> str:
    """Return the id of the incident whose main finding is about this metric at this time."""
    name = "\0".join((*key, repr(at)))
    return xxh3_64_hexdigest(name.encode(errors="surrogatepass"))


def new_incident(group: Sequence[Finding]) -> Incident:
    """Return the incident that these findings open, the farthest beyond its limit first."""
    main = group[0]
    return Incident(
        id=incident_id(main.key, main.at),
        since=main.at,
        until=main.at,
        main=main,
        others=tuple(group[1:]),
    )


def _continued(incident: Incident, group: Sequence[Finding]) -> Incident:
    newest = {found.key: found for found in (*incident.others, *group)}
    main = newest.pop(incident.main.key, incident.main)
    others = sorted(newest.values(), key=lambda found: (-found.severity, found.key))
    return replace(incident, until=group[0].at, main=main, others=tuple(others))
