"""What have the checks of a pipeline found, in one run or lately?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from farandole.events.check_verdict import CheckVerdict, CheckVerdicts, check_key
from farandole.events.topology_version import Version
from farandole.operations.errors import NotFoundError, query
from farandole.operations.installation import Installation
from farandole.operations.published_pipeline import newest_published
from farandole.operations.quality.quality_records import (
    QualityRecord,
    newest_findings,
    newest_quality,
    shown_moment,
    with_findings,
)
from farandole.operations.results import Result
from farandole.operations.runs.show_run import RunRequest, show_run
from farandole.quality.checks.rule_tallies import RuleTally

_MOST_RUNS = 30  # whose verdicts make the history of a check


@dataclass(frozen=True, slots=True)
class ChecksRequest:
    """Whose verdicts are shown: of a run (its id, or the beginning of it), or the newest ones."""

    run: str | None = None
    pipeline: str | None = None
    event: str | None = None
    """Only checks of this event type."""


class RowSample(Result):
    """A row that has broken a rule, masked."""

    id: str
    """The id of its event; of a root, its run."""
    row: str
    """Its JSON text, cut."""


class CheckResult(Result):
    """What one check has found."""

    check: str
    """`event type/name`."""
    event: str
    name: str
    rule: str
    column: str
    severity: str
    verdict: str
    """passed, warned, failed, not judged or skipped; `none` if no run has ended since the check is
    there."""
    why: str
    value: float | int | None
    """What was measured."""
    rows: int | None
    """How many rows were judged, and `failed` how many of them have broken the rule."""
    failed: int | None
    values: dict[str, int]
    """How often which value has broken it; none if there are too many, or they are personal."""
    samples: list[RowSample]
    run: str | None
    window: datetime | None
    at: datetime | None
    """When it was judged."""
    description: str
    history: list[str]
    """The verdicts of the runs or windows before, the oldest first."""


class ChecksResult(Result):
    """The verdicts that were asked for."""

    pipeline: str
    run: str | None
    checks: list[CheckResult]


@query
async def show_checks(installation: Installation, request: ChecksRequest) -> ChecksResult:
    """Return the verdicts over one run, or the newest verdict of each check with those before.
    Raises NotFoundError (`no_checks`, and what `show_run` raises) and UnavailableError."""
    version = await newest_published(installation, request.pipeline)
    settings, pipeline = installation.settings, version.pipeline
    if request.run is None:
        _require_checks(version)
        events = [name for name, event in version.events.items() if event.checks]
        recent = await newest_quality(
            settings, pipeline, lambda key: key.event in events, _MOST_RUNS * len(events),
            with_open=False,
        )  # fmt: skip
        compared = await newest_findings(settings, pipeline, _MOST_RUNS * len(events))
        recent = [with_findings(record, compared.rows) for record in recent]
        return ChecksResult(
            pipeline=pipeline, run=None, checks=_newest(version, recent, request.event)
        )
    run = await show_run(installation, RunRequest(request.run))
    version = run.topology or version
    found = await newest_quality(
        settings, run.pipeline, lambda key: key.run == run.run, max(1, len(version.events))
    )
    by_event = {record.key.event: record for record in found}
    of_run = cast(CheckVerdicts, run.checks)
    if any(each["verdict"] == "not judged" for each in of_run.values()):
        compared = await newest_findings(settings, run.pipeline, _MOST_RUNS * 10)
        own = [row["verdicts"] for row in compared.rows if row.get("run") == run.run]
        of_run = {**of_run, **(own[0] if own else {})}
    results = [
        _result(version, key, verdict, by_event.get(key.partition("/")[0]), run.run, run.closed, [])
        for key, verdict in of_run.items()
        if request.event in (None, key.partition("/")[0])
    ]
    return ChecksResult(pipeline=run.pipeline, run=run.run, checks=results)


def _require_checks(version: Version) -> None:
    if not any(event.checks for event in version.events.values()):
        raise NotFoundError(
            "no_checks",
            f"{version.name} checks no data; write `checks:` under an event type in topology.yaml"
            " (docs/quality.md), and apply it",
        )


def _newest(version: Version, recent: list[QualityRecord], wanted: str | None) -> list[CheckResult]:
    results = []
    for event_type, event in version.events.items():
        if wanted not in (None, event_type):
            continue
        of_event = [record for record in recent if record.key.event == event_type]
        for name in event.checks:
            key = check_key(event_type, name)
            judged = [each for each in of_event if key in each.row.get("verdicts", {})]
            history = [str(each.row["verdicts"][key]["verdict"]) for each in reversed(judged[1:])]
            if judged:
                record = judged[0]
                verdict, at = record.row["verdicts"][key], record.row["at"]
                results.append(_result(version, key, verdict, record, record.key.run, at, history))
            else:
                results.append(_result(version, key, None, None, None, None, []))
    return results


def _result(
    version: Version,
    key: str,
    verdict: CheckVerdict | None,
    record: QualityRecord | None,
    run: str | None,
    at: int | None,
    history: list[str],
) -> CheckResult:
    event_type, _, name = key.partition("/")
    event = version.events.get(event_type)
    check = None if event is None else event.checks.get(name)
    found: Mapping[str, object] = verdict or {}
    tally = _tally(record, name)
    return CheckResult(
        check=key,
        event=event_type,
        name=name,
        rule="" if check is None else check.rule,
        column="" if check is None else check.column,
        severity=str(found.get("severity") or (check.severity if check else "")),
        verdict=str(found.get("verdict", "none")),
        why=str(found.get("why", "")),
        value=None if verdict is None else verdict.get("value"),
        rows=None if verdict is None else verdict.get("rows"),
        failed=None if verdict is None else verdict.get("failed"),
        values={} if tally is None else _most(tally.values),
        samples=[] if tally is None else [RowSample(id=i, row=t) for i, t in tally.samples.items()],
        run=run,
        window=shown_moment(None if record is None else record.key.window),
        at=shown_moment(at),
        description="" if check is None else check.description,
        history=history,
    )


def _tally(record: QualityRecord | None, name: str) -> RuleTally | None:
    tallies = None if record is None else record.data.tallies
    return None if tallies is None else tallies.rules.get(name)


def _most(values: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(values.items(), key=lambda each: (-each[1], each[0]))[:20])
