"""How was an unusual number before and after, and what happened at the same time?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from farandole.events.incident_record import Incident
from farandole.events.quality_history import HistoryRow, read_measurements
from farandole.events.record_time import EPOCH, known_time
from farandole.events.safe_text import single_line
from farandole.operations.errors import query
from farandole.operations.incidents.incident_rows import read_incident_rows
from farandole.operations.installation import Installation
from farandole.operations.published_pipeline import require_published
from farandole.operations.quality.anomaly_list import Anomaly, list_anomalies
from farandole.operations.quality.expect_anomaly import find_anomaly, incident_of
from farandole.operations.quality.quality_records import newest_findings
from farandole.operations.quality.run_history import newest_history
from farandole.operations.results import Result

_MOST_FINDINGS = 400  # rows in which an anomaly is looked for
_MOST_RUNS = 60  # before and after it
_NEAR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class AnomalyRequest:
    """Which anomaly is shown: its id, the beginning of it, or that of its incident."""

    id: str
    pipeline: str | None = None


class NumberPoint(Result):
    """The number in one run, or window."""

    run: str | None
    window: datetime | None
    at: datetime
    """When it ended."""
    value: float


class OpenedIncident(Result):
    """An incident that was opened at the same time."""

    id: str
    text: str
    at: datetime


class AnomalyDetail(Anomaly):
    """All that is known of something unusual."""

    points: list[NumberPoint]
    """The number in the last runs, the oldest first."""
    incident: str | None
    """The incident by which people were told; None if it is not known."""
    incidents: list[OpenedIncident]
    """Others of the pipeline that were opened since the last usual run."""


@query
async def show_anomaly(installation: Installation, request: AnomalyRequest) -> AnomalyDetail:
    """Return all that is known of something unusual. Raises NotFoundError (`unknown_anomaly`,
    `nothing_applied`, `pipeline_unknown`) and UnavailableError."""
    pipeline = await require_published(installation, request.pipeline)
    settings = installation.settings
    findings = await newest_findings(settings, pipeline, _MOST_FINDINGS)
    incidents = await read_incident_rows(settings)
    known = [*list_anomalies(findings.rows, findings.over)]
    found = find_anomaly(known, incidents, pipeline, request.id)
    rows = [] if found.is_silence else await newest_history(settings, pipeline, _MOST_RUNS)
    own = incident_of(found, incidents, pipeline)
    return AnomalyDetail(
        **{**dict(found), "with": found.others},
        points=[*number_points(found, rows)],
        incident=None if own is None else own.id,
        incidents=[*_opened_meanwhile(found, own, incidents, pipeline)],
    )


def number_points(anomaly: Anomaly, rows: Iterable[HistoryRow]) -> Iterator[NumberPoint]:
    """Yield the number that an anomaly is about in each of these runs, or windows, that has it."""
    of_windows = anomaly.window is not None
    for row in rows:
        if ("window" in row) is not of_windows:
            continue
        for each in read_measurements(row):
            if each[:3] == (anomaly.edge, anomaly.column, anomaly.statistic):
                window = row.get("window")
                yield NumberPoint(
                    run=row.get("run"),
                    window=None if window is None else known_time(window) or EPOCH,
                    at=known_time(row["at"]) or EPOCH,
                    value=each.value,
                )


def _opened_meanwhile(
    anomaly: Anomaly, own: Incident | None, incidents: Iterable[Incident], pipeline: str
) -> Iterator[OpenedIncident]:
    begin = anomaly.at - _NEAR if anomaly.usual is None else anomaly.usual.at
    near = [
        each
        for each in incidents
        if each.pipeline == pipeline
        and begin <= each.opened <= anomaly.at + _NEAR
        and (own is None or each.id != own.id)
    ]
    for each in sorted(near, key=lambda each: each.opened)[-10:]:
        text = f"{each.stage}: {each.error}" if each.stage else f"{each.error}: {each.title}"
        yield OpenedIncident(id=each.id, text=single_line(text)[:200], at=each.opened)
