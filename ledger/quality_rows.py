"""What is written about the data of a run or window when it ends?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import orjson

from farandole.events.check_verdict import CheckVerdicts, check_key
from farandole.events.kafka_names import KafkaNames
from farandole.events.quality_history import HistoryRow, history_key, written_measurement
from farandole.events.quality_row import QualityRow, pipeline_partition
from farandole.events.record import OutgoingRecord, Partition
from farandole.events.run_row import RunRow
from farandole.events.topology_version import Version
from farandole.ledger.data_verdicts import (
    compared_columns,
    compared_values,
    has_checks,
    judge_run,
    judge_window,
)
from farandole.ledger.edge_data import EdgeData
from farandole.ledger.event_examples import event_examples
from farandole.ledger.function_questions import window_owner
from farandole.ledger.run_measurements import run_measurements, window_measurements

if TYPE_CHECKING:
    from farandole.ledger.data_verdicts import Answers


class QualityRows:
    """The rows of `farandole.quality` and of its history that one transaction of the bookkeeper
    writes. What belongs to a version that is not published is left out."""

    def __init__(
        self,
        names: KafkaNames,
        version_of: Callable[[str, int], Version | None],
        answers: Mapping[str, Answers] = MappingProxyType({}),
    ) -> None:
        """`answers` are those of the functions of checks, by run, or by key of a window."""
        self._answers = answers
        self._names = names
        self._version_of = version_of
        self.written: dict[Partition, list[OutgoingRecord]] = {}

    def add_run(self, run: RunRow, found: Collection[EdgeData], at: int) -> None:
        """Add the rows of a run that has ended, and set the verdicts in its own row. `at`:
        milliseconds of the epoch."""
        version = self._version_of(run["pipeline"], run["version"])
        if version is None:
            return
        if has_checks(version):
            run["checks"] = judge_run(version, run, found, self._answers.get(run["run"], {}))
        verdicts = run.get("checks", {})
        for data in found:
            row = data.to_row(at)
            row |= {"opened": run["opened"], "status": run["status"]}
            self._add(version, data, _with_verdicts(row, verdicts))
        if not any(event.is_profiled for event in version.events.values()):
            return
        history: HistoryRow = {
            "pipeline": run["pipeline"],
            "version": run["version"],
            "run": run["run"],
            "at": at,
            "opened": run["opened"],
            "status": run["status"],
            "measurements": [*map(written_measurement, run_measurements(run, found))],
        }
        if run["root"] is not None:
            history["root"] = run["root"]["type"]
            if "schedule" in run["root"]:
                history["schedule"] = run["root"]["schedule"]
        if verdicts:
            history["verdicts"] = verdicts
        if "controls" in run:
            history["controls"] = run["controls"]
        self._finish(version, history, found)

    def add_window(self, data: EdgeData, at: int) -> None:
        """Add the rows of a window that is over."""
        version = self._version_of(data.key.pipeline, data.version)
        if version is None or data.key.window is None:
            return
        verdicts = judge_window(version, data, self._answers.get(window_owner(data), {}))
        self._add(version, data, _with_verdicts(data.to_row(at), verdicts))
        history: HistoryRow = {
            "pipeline": data.key.pipeline,
            "version": data.version,
            "event": data.key.event,
            "window": data.key.window,
            "at": at,
            "measurements": [*map(written_measurement, window_measurements(data))],
        }
        if verdicts:
            history["verdicts"] = verdicts
        self._finish(version, history, [data])

    def add_amendment(self, data: EdgeData, at: int) -> None:
        """Add the row of what came after a run had ended, or a window was over."""
        version = self._version_of(data.key.pipeline, data.version)
        if version is not None:
            self._add(version, data, data.to_row(at))

    def _add(self, version: Version, data: EdgeData, row: QualityRow) -> None:
        self._write(version, self._names.quality_topic, data.key.record_key, row)

    def _finish(self, version: Version, row: HistoryRow, found: Collection[EdgeData]) -> None:
        if columns := compared_columns(version, found):
            row["columns"] = columns
        if values := compared_values(version, found):
            row["values"] = values
        examples = {data.key.event: each for data in found if (each := event_examples(data))}
        if examples:
            row["examples"] = examples
        self._add_history(version, row)

    def _add_history(self, version: Version, row: HistoryRow) -> None:
        self._write(version, self._names.quality_history_topic, history_key(row), row)

    def _write(
        self, version: Version, topic: str, key: bytes, row: QualityRow | HistoryRow
    ) -> None:
        if version.ledger:
            place = Partition(topic, pipeline_partition(version.pipeline, version.ledger))
            value = OutgoingRecord(key, orjson.dumps(row))
            self.written.setdefault(place, []).append(value)


def _with_verdicts(row: QualityRow, verdicts: CheckVerdicts) -> QualityRow:
    """Return a row with those of the verdicts that are about its event type."""
    prefix = check_key(row["event"], "")
    own = {key: verdict for key, verdict in verdicts.items() if key.startswith(prefix)}
    return {**row, "verdicts": own} if own else row
