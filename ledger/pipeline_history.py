"""How do the checks judge a run of a pipeline that is compared with the runs before it?"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from farandole.events.check_spec import CheckSpec
from farandole.events.check_verdict import CheckVerdict, CheckVerdicts, check_key
from farandole.events.number_format import grouped
from farandole.events.quality_history import (
    HistoryRow,
    Measurement,
    is_example,
    read_measurements,
)
from farandole.events.time_format import format_duration
from farandole.events.topology_version import Version
from farandole.ledger.remembered_values import RememberedValues
from farandole.quality.checks.verdict_words import judged, skipped

if TYPE_CHECKING:
    from farandole.quality.profiles.column_profile import ColumnProfile
    from farandole.quality.profiles.top_values import TopValues

MOST_RUNS = 30
"""With so many of the last runs a run is compared."""
LEAST_RUNS = 5
"""With fewer, nothing is judged."""
_USUAL_SPREADS = 4.0  # a number of rows may be so many usual deviations from the median
_LEAST_SPREAD = 0.05  # of the median, as a usual deviation
_MAD_TO_DEVIATION = 1.4826  # of a normal distribution
DEFAULT_DISTANCE = 0.25
"""The greatest distance of a `drift` without `max`: the usual limit of PSI."""
_DRIFT_RUNS = 8  # whose columns together are what a run is compared with


@dataclass(frozen=True, slots=True)
class ReadRow:
    """A row of the history, read once."""

    row: HistoryRow
    measurements: tuple[Measurement, ...]
    columns: Mapping[str, ColumnProfile]
    """By `event type/column`, as are the values."""
    values: Mapping[str, TopValues | None]
    """None are those that are not known."""

    @classmethod
    def of(cls, row: HistoryRow) -> ReadRow:
        return cls(row, tuple(read_measurements(row)), _columns(row), _values(row))


class PipelineHistory:
    """The last runs and windows of one pipeline, in the order in which they ended."""

    def __init__(self) -> None:
        self._rows: dict[str, deque[float]] = {}
        self._columns: dict[str, deque[ColumnProfile]] = {}
        self._values: dict[str, RememberedValues] = {}
        self._ended: int | None = None
        """When the newest run ended. The clocks of two bookkeepers may differ: time does not go
        back here."""

    def judge(self, read: ReadRow, version: Version) -> CheckVerdicts:
        """Return the verdicts of the checks that compare this run with those before it."""
        verdicts: CheckVerdicts = {}
        row = read.row
        for event_type, event in version.events.items():
            if "window" in row and row.get("event") != event_type:
                continue
            for name, check in event.checks.items():
                key = check_key(event_type, name)
                local = row.get("verdicts", {}).get(key)
                if local is None or local["verdict"] != "not judged":
                    continue
                if check.rule == "drift":
                    verdicts[key] = self._judge_drift(check, read, f"{event_type}/{check.column}")
                elif check.rule == "known":
                    verdicts[key] = self._judge_known(check, read, event_type)
                else:
                    verdicts[key] = self._judge_rows(check, read, event_type)
        return verdicts

    def learn(self, read: ReadRow) -> None:
        """Remember a run. One that has failed or was cancelled is no example; its values are
        known all the same."""
        ended = max(read.row["at"], self._ended or 0)
        for name, values in read.values.items():
            if name not in self._values:
                # Of the runs before, nobody has asked for them.
                self._values[name] = RememberedValues(self._ended)
            self._values[name].learn(values, ended)
        self._ended = ended
        if not is_example(read.row):
            return
        for each in read.measurements:
            if each.statistic == "rows":
                kept = self._rows.setdefault(each.edge, deque(maxlen=MOST_RUNS))
                kept.append(each.value)
        for name, column in read.columns.items():
            self._columns.setdefault(name, deque(maxlen=_DRIFT_RUNS)).append(column)

    def _judge_rows(self, check: CheckSpec, read: ReadRow, event_type: str) -> CheckVerdict:
        before = self._rows.get(event_type, ())
        if len(before) < LEAST_RUNS:
            return _too_few(check, len(before))
        rows = (m.value for m in read.measurements if (m.edge, m.statistic) == (event_type, "rows"))
        came, usual = sum(rows), median(before)
        spread = _MAD_TO_DEVIATION * median(abs(value - usual) for value in before)
        by = _USUAL_SPREADS * max(spread, _LEAST_SPREAD * usual, 1.0)
        return judged(
            check,
            abs(came - usual) <= by,
            came,
            f"{grouped(round(came))} rows came; usual are {grouped(round(max(0.0, usual - by)))} to"
            f" {grouped(round(usual + by))}",
        )

    def _judge_drift(self, check: CheckSpec, read: ReadRow, name: str) -> CheckVerdict:
        from farandole.quality.profiles.drift import ks, psi  # numpy only where needed

        before, now = [*self._columns.get(name, ())], read.columns.get(name)
        if now is None:
            return skipped(check, "no row has the column")
        if len(before) < LEAST_RUNS:
            return _too_few(check, len(before))
        whole = before[0].copy()
        for each in before[1:]:
            whole.merge(each)
        distance = (ks if check.measure == "ks" else psi)(whole, now)
        if distance is None:
            return skipped(check, "its values are not known: too many different ones, or personal")
        most = DEFAULT_DISTANCE if check.max is None else check.max
        return judged(
            check,
            distance <= most,
            distance,
            f"{check.measure.upper()} {distance:.3f} from the {len(before)} runs before; at most"
            f" {most:g}",
        )

    def _judge_known(self, check: CheckSpec, read: ReadRow, event_type: str) -> CheckVerdict:
        from farandole.quality.checks.known_values import (
            known_values,
            unknown_text,
            unknown_values,
        )
        from farandole.quality.profiles.top_values import TopValues

        within = check.within or 0.0
        reference = f"{check.against}/{check.field or check.column}"
        own = read.values.get(f"{event_type}/{check.column}", TopValues())
        there = read.values.get(reference, TopValues())
        if own is None:
            return skipped(check, "there are more than 1,000 different values, or personal ones")
        if not own:
            return skipped(check, f"no {event_type} has a value of {check.column}")
        time = max(read.row["at"], self._ended or 0) - round(within * 1000)
        before = self._values.get(reference, RememberedValues(self._ended))
        unknown = unknown_values(own, before.since(time).union(known_values(there or TopValues())))
        where = f"{check.against} of the last {format_duration(within)}"
        if unknown and (there is None or not before.is_whole(time)):
            why = f"{unknown_text(unknown, where)}; but not all of those are known"
            return skipped(check, why)
        return judged(check, not unknown, len(unknown), unknown_text(unknown, where))


def _values(row: HistoryRow) -> dict[str, TopValues | None]:
    """Return the values in a row, without those that no bookkeeper of ours wrote."""
    from farandole.quality.profiles.top_values import TopValues

    found: dict[str, TopValues | None] = {}
    values = row.get("values", {})
    for name, wire in values.items() if isinstance(values, Mapping) else ():
        try:
            found[name] = None if wire is None else TopValues.from_wire(wire)
        except ValueError:
            continue
    return found


def _columns(row: HistoryRow) -> dict[str, ColumnProfile]:
    """Return the columns in a row, without those that no bookkeeper of ours wrote."""
    from farandole.quality.profiles.column_wire import column_from_json  # numpy only where needed

    found: dict[str, ColumnProfile] = {}
    columns = row.get("columns", {})
    for name, wire in columns.items() if isinstance(columns, Mapping) else ():
        try:
            found[name] = column_from_json(wire)
        except ValueError:
            continue
    return found


def _too_few(check: CheckSpec, known: int) -> CheckVerdict:
    return skipped(check, f"{known} runs before are known, and {LEAST_RUNS} are needed")
