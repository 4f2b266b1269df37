"""How good are the data of each event type, and is that changing?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from farandole.events.record_time import EPOCH, known_time
from farandole.events.topology_version import Version
from farandole.operations.control.control_query import read_control_state
from farandole.operations.errors import NotFoundError, query
from farandole.operations.installation import Installation
from farandole.operations.published_pipeline import newest_published
from farandole.operations.quality.anomaly_list import Anomaly, list_anomalies
from farandole.operations.quality.ignore_numbers import IgnoredState, ignored_states
from farandole.operations.quality.quality_records import (
    QualityRecord,
    newest_findings,
    newest_quality,
    shown_moment,
    with_findings,
)
from farandole.operations.results import Result


@dataclass(frozen=True, slots=True)
class QualityRequest:
    """Whose scores are shown."""

    pipeline: str | None = None
    event: str | None = None
    limit: int = 30
    """How many runs, or windows, of each event type."""


class QualityPoint(Result):
    """One run, or window, of an event type."""

    run: str | None
    window: datetime | None
    at: datetime
    rows: int
    unreadable: int
    died: int
    passed: int | None
    """The rows that have broken no rule of rows; None if there is no such rule."""
    score: float | None
    """`passed` as a share of all rows; None without a rule of rows, and without rows."""
    verdicts: dict[str, int]
    """How many checks have passed, warned, failed, and so on."""


class EventQuality(Result):
    """The score of one event type and how it has changed, the oldest point first."""

    event: str
    score: float | None
    """That of the newest point."""
    rows: int
    points: list[QualityPoint]


class QualityResult(Result):
    """The event types of a pipeline that are profiled."""

    pipeline: str
    sensitivity: str
    """How soon something unusual is told: `low`, `normal` or `high`."""
    events: list[EventQuality]
    anomalies: list[Anomaly]
    """What was unusual about those runs, the newest first."""
    ignored: list[IgnoredState]
    """The numbers that are not told."""


@query
async def show_quality(installation: Installation, request: QualityRequest) -> QualityResult:
    """Return the score of each event type that is profiled: the share of its rows that keep every
    rule of rows. Raises NotFoundError (`not_profiled`) and UnavailableError."""
    version = await newest_published(installation, request.pipeline)
    wanted = _profiled(version, request.event)
    recent = await newest_quality(
        installation.settings,
        version.pipeline,
        lambda key: key.event in wanted,
        request.limit * len(wanted),
        with_open=False,
    )
    compared = await newest_findings(
        installation.settings, version.pipeline, request.limit * len(wanted)
    )
    recent = [with_findings(record, compared.rows) for record in recent]
    events = []
    for name in wanted:
        of_event = [record for record in recent if record.key.event == name][: request.limit]
        points = [_point(record) for record in reversed(of_event)]
        last = points[-1] if points else None
        events.append(
            EventQuality(
                event=name,
                score=None if last is None else last.score,
                rows=0 if last is None else last.rows,
                points=points,
            )
        )
    unusual = [
        each
        for each in list_anomalies(compared.rows, compared.over)
        if request.event is None or each.event in ("", request.event)
    ]
    documents = await read_control_state(installation.settings)
    return QualityResult(
        pipeline=version.pipeline,
        sensitivity=version.quality.sensitivity,
        events=events,
        anomalies=unusual,
        ignored=ignored_states([*documents.values()], version.pipeline, datetime.now(UTC)),
    )


def _profiled(version: Version, event: str | None) -> list[str]:
    profiled = [name for name, each in version.events.items() if each.is_profiled]
    found = [name for name in profiled if event in (None, name)]
    if not found:
        what = event or f"no event type of {version.name}"
        raise NotFoundError(
            "not_profiled",
            f"{what} is {'not ' if event else ''}profiled; write `profile: true` or `checks:` under"
            " an event type in topology.yaml (docs/quality.md), and apply it",
        )
    return found


def _point(record: QualityRecord) -> QualityPoint:
    data, row = record.data, record.row
    rows = 0 if data.profile is None else data.profile.rows
    unreadable = 0 if data.profile is None else data.profile.unreadable
    judged = data.tallies if data.tallies is not None and data.tallies.rows else None
    return QualityPoint(
        run=record.key.run,
        window=shown_moment(record.key.window),
        at=known_time(row["at"]) or EPOCH,
        rows=rows,
        unreadable=unreadable,
        died=0 if data.died is None else data.died.rows + data.died.unreadable,
        passed=None if judged is None else judged.passed,
        score=None if judged is None else judged.passed / (judged.rows + unreadable),
        verdicts=dict(Counter(each["verdict"] for each in row.get("verdicts", {}).values())),
    )
