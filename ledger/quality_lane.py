"""What does a lane do that compares each run with those before it?"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
import structlog

from farandole.events.alert_record import Alert, alert_to_record
from farandole.events.anomaly_document import ExpectDocument, IgnoredNumbers
from farandole.events.check_verdict import CheckVerdicts
from farandole.events.controls_in_force import TimedDocument, newest_of_each
from farandole.events.firing_alerts import firing_alert_row, parse_firing_alerts
from farandole.events.ignored_numbers import ignored_numbers
from farandole.events.kafka_names import KafkaNames
from farandole.events.quality_findings import (
    FindingsRow,
    HowOver,
    OverRow,
    findings_key,
    over_key,
)
from farandole.events.quality_history import HistoryRow, parse_history_row
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.topology_version import Version
from farandole.lanes.lane_port import PlacedOffsets, StateTables
from farandole.lanes.lane_work import BatchResult
from farandole.ledger.anomaly_text import incident_to_row
from farandole.ledger.pipeline_history import ReadRow
from farandole.ledger.quality_alerts import (
    anomaly_alerts,
    check_alerts,
    expected_alerts,
    lost_alerts,
    silence_alerts,
    silence_key,
    unfit_alerts,
)
from farandole.ledger.steering_rows import Steering, read_steering

if TYPE_CHECKING:
    from farandole.ledger.watched_pipeline import WatchedPipeline

JUDGED_PREFIX = b"judged/"
"""Before the name of a pipeline: the key of the last run or window that was judged."""
FIRING_PREFIX = b"firing/"
_MOST_ROWS = 50  # in one transaction
_LOOK_SECONDS = 60.0  # between two looks which feeds should have come, and which documents fit

log = structlog.get_logger()

Writes = dict[Partition, list[OutgoingRecord]]


class QualityLane:
    """The `farandole.lanes.lane_work.LaneWork` over partition `index` of the history of runs.

    What it knows of earlier runs is what stands in that partition: it reads it when it opens, up to
    the last run that was judged. So a run is judged once, and each time with the same runs before
    it, whatever is killed. What people say of anomalies it takes between two runs, and remembers
    between which."""

    def __init__(
        self,
        names: KafkaNames,
        index: int,
        source: str,
        version_of: Callable[[str, int], Version | None],
        documents: Callable[[], Sequence[TimedDocument]] = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`source`: the `ce_source` of what the lane writes. `version_of` returns a published
        version by its pipeline and number; None if it is not known. `documents` returns the control
        documents in the order of the log, `clock` the seconds of the epoch."""
        self._clock = clock
        self._history_topic = names.quality_history_topic
        self._state = Partition(names.quality_state_topic, index)
        self._quality = Partition(names.quality_topic, index)
        self._alerts = Partition(names.alerts_topic, 0)
        self._source = source
        self._version_of = version_of
        self._documents = documents
        self._pipelines: dict[str, WatchedPipeline] = {}
        self._looked_at = 0.0
        self._firing: dict[str, Alert] = {}
        self._judged: set[bytes] = set()
        """The keys of the rows that were judged before the lane opened: they may come again if the
        group has lost its offset."""

    @property
    def deferred(self) -> None:
        return None

    @property
    def drained(self) -> None:
        return None

    @property
    def throttle(self) -> None:
        return None

    @property
    def timed(self) -> None:
        return None

    def open(self, tables: StateTables) -> None:
        state = tables[self._state.topic]
        found = parse_firing_alerts(FIRING_PREFIX, state)
        for key in found.foreign:
            log.warning("state.foreign", key=key.decode(errors="backslashreplace"))
        self._firing = {alert.key: alert for alert in found.alerts}
        self._pipelines, self._judged = {}, set()
        self._learn_judged(tables[self._history_topic], state)

    def _learn_judged(self, rows: Mapping[bytes, bytes], state: Mapping[bytes, bytes]) -> None:
        """Learn the runs up to the last one that was judged, of each pipeline."""
        by_pipeline: dict[str, list[tuple[bytes, HistoryRow]]] = {}
        for key, value in rows.items():
            row = parse_history_row(value)
            if row is not None:
                by_pipeline.setdefault(row["pipeline"], []).append((key, row))
        steering = read_steering(state)
        for pipeline, found in by_pipeline.items():
            last = state.get(JUDGED_PREFIX + pipeline.encode())
            if last is None:
                continue
            keys = [key for key, _ in found]
            # The last one that was judged may be deleted by now, and those before it with it.
            judged = found[: keys.index(last) + 1] if last in keys else []
            self._judged.update(key for key, _ in judged)
            self._pipelines[pipeline] = self._learnt(
                pipeline, judged, steering.get(pipeline, Steering())
            )

    def _learnt(
        self, pipeline: str, rows: Collection[tuple[bytes, HistoryRow]], steering: Steering
    ) -> WatchedPipeline:
        # On demand: numpy costs 0.1 s and 20 MB, which only a profiled pipeline should pay.
        from farandole.ledger.watched_pipeline import WatchedPipeline

        read = (
            (_text(key), ReadRow.of(row), self._version_of(pipeline, row["version"]))
            for key, row in rows
        )
        return WatchedPipeline.learnt(pipeline, read, steering, {_text(key) for key, _ in rows})

    async def handle(self, records: Sequence[Record]) -> BatchResult:
        done = records[:_MOST_ROWS]
        writes = self._nothing_written()
        now = datetime.fromtimestamp(self._clock(), UTC)
        self._take_expected(now, writes)
        ignored = ignored_numbers(self._documents(), now)
        for record in done:
            row = parse_history_row(record.value)
            if row is None:
                if record.value is not None:
                    log.warning("history.foreign", offset=record.offset)
                continue
            if record.key not in self._judged:
                self._judge(row, record, ignored.get(row["pipeline"], ()), writes)
        return BatchResult(len(done), {place: rows for place, rows in writes.items() if rows})

    def _judge(
        self,
        row: HistoryRow,
        record: Record,
        ignored: tuple[IgnoredNumbers, ...],
        writes: Writes,
    ) -> None:
        pipeline, key = row["pipeline"], _text(record.key or b"")
        known = self._pipelines.get(pipeline)
        if known is None:
            known = self._pipelines[pipeline] = self._learnt(pipeline, (), Steering())
        version, read = self._version_of(pipeline, row["version"]), ReadRow.of(row)
        if (newly := known.ignore(ignored, key, row["at"])) is not None:
            writes[self._state].append(newly.row)
        compared: CheckVerdicts = {} if version is None else known.judge(read, version)
        changes = known.observe(key, read, version)
        verdicts = {**row.get("verdicts", {}), **compared}
        explained = known.explain(changes, row, version, self._documents(), verdicts)
        if compared or changes.opened:
            findings: FindingsRow = {
                "pipeline": pipeline,
                "at": row["at"],
                "verdicts": compared,
                "anomalies": [*map(incident_to_row, changes.opened, explained)],
            }
            for name in ("run", "event", "window"):
                if name in row:
                    findings[name] = row[name]
            self._write_findings(findings, writes)
        for incident in changes.over:
            self._write_over(pipeline, incident.id, row["at"], "as before", writes)
        if silence_key(pipeline, row.get("root", "")) in self._firing:
            self._write_over(pipeline, known.ended_silence, row["at"], "came", writes)
        alerts = [
            *check_alerts(row, verdicts, self._firing),
            *anomaly_alerts(row, changes, explained, self._firing),
        ]
        cause = f"{record.topic}/{record.partition}/{record.offset}"
        self._tell(alerts, cause, row["at"] / 1000, writes)
        judged = OutgoingRecord(JUDGED_PREFIX + pipeline.encode(), record.key)
        writes[self._state].append(judged)

    def _take_expected(self, now: datetime, writes: Writes) -> None:
        """Take as normal what documents name, each once."""
        for document in newest_of_each(self._documents(), ExpectDocument):
            control = document.control
            assert isinstance(control, ExpectDocument)
            known = self._pipelines.get(control.pipeline)
            if known is None or (done := known.expect(document, now)) is None:
                continue
            taken, incident = done
            writes[self._state].append(taken.row)
            self._write_over(
                known.name, incident.id, taken.at, "expected", writes, taken.by, taken.comment
            )
            alerts = expected_alerts(known.name, incident, taken, self._firing)
            self._tell([*alerts], f"expected/{taken.anomaly}", now.timestamp(), writes)

    def _write_findings(self, row: FindingsRow, writes: Writes) -> None:
        writes[self._quality].append(OutgoingRecord(findings_key(row), orjson.dumps(row)))

    def _write_over(
        self,
        pipeline: str,
        anomaly: str,
        at: int,
        how: HowOver,
        writes: Writes,
        by: str = "",
        comment: str = "",
    ) -> None:
        row: OverRow = {"pipeline": pipeline, "anomaly": anomaly, "at": at, "how": how}
        if by or comment:
            row |= {"by": by, "comment": comment}
        writes[self._quality].append(OutgoingRecord(over_key(row), orjson.dumps(row)))

    def _tell(self, alerts: Sequence[Alert], cause: str, at: float, writes: Writes) -> None:
        """Write alerts, and remember which of them fire. `cause` is the beginning of their ids."""
        for alert in alerts:
            id_ = f"{cause}/{alert.key}".encode()
            written = datetime.fromtimestamp(at, UTC)
            writes[self._alerts].append(alert_to_record(alert, self._source, id_, written))
            writes[self._state].append(firing_alert_row(FIRING_PREFIX, alert))
            if alert.state == "firing":
                self._firing[alert.key] = alert
            else:
                self._firing.pop(alert.key, None)

    def _nothing_written(self) -> Writes:
        return {self._quality: [], self._alerts: [], self._state: []}

    async def give_up(self, record: Record, deaths: int) -> BatchResult:
        """Skip a row that ended the lane `deaths` times."""
        log.error("history.unread", offset=record.offset, deaths=deaths)
        return BatchResult(1, {})

    def on_idle(self) -> BatchResult | None:
        """Take what people have said, and look from time to time which feeds should have come:
        everything that has come is read."""
        now = self._clock()
        writes = self._nothing_written()
        self._take_expected(datetime.fromtimestamp(now, UTC), writes)
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._look(now, writes)
        found = {place: rows for place, rows in writes.items() if rows}
        return BatchResult(0, found) if found else None

    def _look(self, now: float, writes: Writes) -> None:
        at, documents = int(now * 1000), self._documents()
        for pipeline, known in self._pipelines.items():
            changes = known.overdue(now)
            explained = known.explain_silences(changes, at, documents)
            for incident, why in zip(changes.opened, explained, strict=True):
                row: FindingsRow = {
                    "pipeline": pipeline,
                    "at": at,
                    "feed": incident.main.key.edge,
                    "verdicts": {},
                    "anomalies": [incident_to_row(incident, why)],
                }
                self._write_findings(row, writes)
            alerts = [
                *silence_alerts(pipeline, changes, explained, at, self._firing),
                *lost_alerts(known, self._firing),
                *unfit_alerts(known, documents, now, self._firing),
            ]
            cause = f"{self._history_topic}/{self._state.partition}/{at}"
            self._tell(alerts, cause, now, writes)

    def on_hold(self) -> BatchResult | None:
        return None

    def on_commit(self, done: BatchResult, offsets: PlacedOffsets) -> None:
        pass

    async def close(self) -> BatchResult | None:
        return None


def _text(key: bytes) -> str:
    return key.decode(errors="backslashreplace")
