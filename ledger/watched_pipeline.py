"""What is known of the runs of one pipeline, and what did people say of it in between?"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from farandole.events.anomaly_document import ExpectDocument, IgnoredNumbers
from farandole.events.check_verdict import CheckVerdicts
from farandole.events.controls_in_force import TimedDocument, is_expired
from farandole.events.quality_history import HistoryRow, is_example
from farandole.events.topology_version import QualityPolicy, Version
from farandole.ledger.anomaly_explanation import (
    Explanation,
    UsualRun,
    explain,
    explain_silence,
    happened_since,
)
from farandole.ledger.pipeline_history import PipelineHistory, ReadRow
from farandole.ledger.steering_rows import SILENCE_FIELDS, IgnoredFrom, Steering, TakenAsNormal
from farandole.quality.anomalies.finding import Finding
from farandole.quality.anomalies.incidents import Incident, new_incident
from farandole.quality.anomalies.metric_key import MetricKey
from farandole.quality.anomalies.metric_kinds import Kind
from farandole.quality.anomalies.pipeline_anomalies import Changes, PipelineAnomalies
from farandole.quality.anomalies.silence import STATISTIC


@dataclass(frozen=True, slots=True)
class IgnoredMetrics(Container[MetricKey]):
    """The metrics that are not told."""

    numbers: tuple[IgnoredNumbers, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.numbers)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, MetricKey) and any(each.covers(*key) for each in self.numbers)


@dataclass
class WatchedPipeline:
    """The state of one pipeline: it depends on the rows of its history and on what people said
    between them, in that order, and on nothing else."""

    name: str
    history: PipelineHistory = field(default_factory=PipelineHistory)
    anomalies: PipelineAnomalies = field(default_factory=PipelineAnomalies)
    policy: QualityPolicy = field(default_factory=QualityPolicy)
    """That of the newest run."""
    ignored: IgnoredMetrics = field(default_factory=IgnoredMetrics)
    expected: set[str] = field(default_factory=set)
    """The anomalies that were taken as normal."""
    newest: float = 0.0
    """When the newest of its runs ended, in seconds of the epoch."""
    ended_silence: str = ""
    """The id of the incident that the newest run has ended if its feed should have come before."""
    before: UsualRun | None = None
    """The last usual run, or window of the event type, before the newest one."""
    usual: dict[str, UsualRun] = field(default_factory=dict)
    """The last run about which nothing was unusual; by event type the last such window."""
    last: str = ""
    """The key of the last row of the history that was observed."""

    @classmethod
    def learnt(
        cls,
        name: str,
        rows: Iterable[tuple[str, ReadRow, Version | None]],
        steering: Steering,
        keys: Collection[str],
    ) -> WatchedPipeline:
        """Return the state after these rows of the history, each with its key and the version of
        its run, and what was said in between. `keys`: those of all rows."""
        known = cls(name, expected={each.anomaly for each in steering.expected})
        known.ignored = IgnoredMetrics(steering.ignored_before(keys))
        ignored_from = {each.row_key: each.numbers for each in steering.ignored}
        taken_after: dict[str, list[TakenAsNormal]] = {}
        for each in steering.expected:
            taken_after.setdefault(each.after, []).append(each)
        for key, read, version in rows:
            known.ignored = IgnoredMetrics(ignored_from.get(key, known.ignored.numbers))
            known.observe(key, read, version)
            for each in taken_after.get(key, ()):
                known._take_again(each)
        return known

    def judge(self, read: ReadRow, version: Version) -> CheckVerdicts:
        """Return the verdicts of the checks that compare a run with those before it."""
        return self.history.judge(read, version)

    def observe(self, key: str, read: ReadRow, version: Version | None) -> Changes:
        """Take a run into what is known, and return what its numbers have changed. A run that has
        failed, or was cancelled, is no example."""
        row = read.row
        self.history.learn(read)
        self.policy = QualityPolicy() if version is None else version.quality
        self.last = key
        if "root" in row and "opened" in row:
            self.ended_silence = self.anomalies.silence_id(row["root"])
            self.anomalies.arrived(row["root"], row["opened"] / 1000)
        # The clocks of two bookkeepers may differ: time does not go back here.
        self.newest = max(self.newest, row["at"] / 1000)
        changes = self.anomalies.take(
            self.newest,
            read.measurements,
            trains=is_example(row),
            ignored=self.ignored,
            sensitivity=self.policy.sensitivity,
        )
        self._note_usual(row)
        return changes

    def _note_usual(self, row: HistoryRow) -> None:
        event = row.get("event", "")
        self.before = self.usual.get(event)
        is_usual = not any(each.until == self.newest for each in self.anomalies.log.open)
        if is_usual and is_example(row):
            self.usual[event] = UsualRun(
                row.get("run"),
                row.get("window"),
                row["at"],
                row["version"],
                frozenset(row.get("controls", [])),
            )

    def overdue(self, now: float) -> Changes:
        """Return which feeds should have come by `now`, in seconds of the epoch, and are neither
        ignored nor taken as normal."""
        found = self.anomalies.overdue(
            now, ignored=self.ignored, sensitivity=self.policy.sensitivity
        )
        return Changes(tuple(each for each in found.opened if each.id not in self.expected))

    def explain(
        self,
        changes: Changes,
        row: HistoryRow,
        version: Version | None,
        documents: Sequence[TimedDocument],
        verdicts: CheckVerdicts,
    ) -> list[Explanation]:
        """Return what explains each incident that the newest run has opened. `row`: that run,
        `version` its version, `verdicts` those of its checks."""
        if not changes.opened:
            return []
        meanwhile = [*happened_since(self.before, row, version, documents, verdicts)]
        shares = self.anomalies.detector.changed_shares
        return [explain(each, row, self.before, shares, meanwhile) for each in changes.opened]

    def explain_silences(
        self, changes: Changes, at: int, documents: Sequence[TimedDocument]
    ) -> list[Explanation]:
        """Return what explains that each of these feeds has not come by `at`, in milliseconds of
        the epoch: what was said since it came last."""
        return [
            explain_silence(documents, self.name, round(each.since * 1000), at)
            for each in changes.opened
        ]

    def ignore(self, numbers: tuple[IgnoredNumbers, ...], key: str, at: int) -> IgnoredFrom | None:
        """Ignore these numbers from the row of this key on; return what to remember, None if they
        were ignored before. `at`: when its run ended, in milliseconds of the epoch."""
        if numbers == self.ignored.numbers:
            return None
        self.ignored = IgnoredMetrics(numbers)
        return IgnoredFrom(key, at, numbers)

    def expect(
        self, document: TimedDocument, now: datetime
    ) -> tuple[TakenAsNormal, Incident] | None:
        """Take as normal what a document names; return what to remember, and the incident. None if
        the document has expired, was taken before, or names no anomaly that is known."""
        control = document.control
        assert isinstance(control, ExpectDocument)
        incident = self.anomalies.find(control.anomaly)
        if incident is None or control.anomaly in self.expected or is_expired(control, now):
            return None
        taken = TakenAsNormal(
            self.name,
            control.anomaly,
            after=self.last,
            number=len(self.expected),
            at=round(now.timestamp() * 1000),
            by=control.by,
            comment=control.comment,
        )
        if incident.main.kind is Kind.SILENCE:
            taken = taken._replace(
                feed=incident.main.key.edge, silence=_silence_to_row(incident.main)
            )
        self.anomalies.expect(incident)
        self.expected.add(control.anomaly)
        return taken, incident

    def has_numbers(self, numbers: IgnoredNumbers) -> bool:
        """Return True if these are some of the numbers about the runs."""
        return self.anomalies.knows(lambda key: numbers.covers(*key))

    def _take_again(self, taken: TakenAsNormal) -> None:
        incident = self.anomalies.find(taken.anomaly)
        if taken.silence is not None:
            incident = new_incident([_silence_from_row(taken.feed, taken.silence)])
        if incident is not None:
            self.anomalies.expect(incident)


def _silence_to_row(finding: Finding) -> dict[str, float]:
    return {name: getattr(finding, name) for name in SILENCE_FIELDS}


def _silence_from_row(feed: str, written: Mapping[str, float]) -> Finding:
    return Finding(MetricKey(feed, "", STATISTIC), Kind.SILENCE, **written)
