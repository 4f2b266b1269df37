"""What needs somebody now, and what of it first?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from farandole.events.alert_record import Alert
from farandole.events.incident_record import Incident
from farandole.events.record_time import to_milliseconds
from farandole.events.safe_text import short_line
from farandole.events.topology_version import RouterReport
from farandole.operations.graph.pipeline_figures import PipelineFigures
from farandole.operations.graph.stage_condition import ConditionCode
from farandole.operations.read_model.folded_tables import SkippedRecord
from farandole.operations.read_model.open_letters import OpenLetterHead
from farandole.operations.results import Result

Tone = Literal["dead", "late", "wait", "quiet"]
Page = Literal[
    "graph", "editor", "run", "runs", "dead-letters", "incidents", "schedules", "control",
    "quality", "parked",
]  # fmt: skip
MAX_ITEMS = 50


class AttentionItem(Result):
    """One thing that needs somebody."""

    key: str
    """The same as long as it is the same thing."""
    what: str
    """Its state, as the pages call it: `waiting`, `unworked`, `dead`, `late`, `overdue`, …"""
    tone: Tone
    rank: int
    """The most urgent has the smallest."""
    pipeline: str
    stage: str
    """Empty if it is of no stage, as are `run` and `schedule`."""
    run: str
    schedule: str
    why: str
    """One line."""
    since: int | None
    """Milliseconds of the epoch."""
    count: int | None
    """Of dead letters: how many are open."""
    page: Page
    """Where it is dealt with."""
    acknowledged_by: str | None
    """Who has it in hand; None if nobody has."""
    event: str = ""
    """The event type whose data it is about; empty if it is about none."""


_ALERTS: Mapping[str, tuple[str, Tone, int, Page]] = {
    "stage.lost": ("lost", "dead", 0, "graph"),
    "topic.changed": ("lost", "dead", 0, "graph"),
    "stage.held": ("waiting", "wait", 1, "graph"),
    "stage.full": ("full", "late", 1, "graph"),
    "stage.unworked": ("unworked", "late", 2, "graph"),
    "ledger.lags": ("books behind", "late", 2, "graph"),
    "stage.age": ("late", "late", 3, "graph"),
    "stage.parked": ("rows parked", "wait", 3, "parked"),
    "gate.failed": ("gate failed", "wait", 3, "run"),
    "check.failed": ("check failed", "dead", 4, "quality"),
    "data.unusual": ("unusual", "late", 5, "quality"),
    "schedule.failed": ("failed", "dead", 3, "schedules"),
    "schedule.overdue": ("overdue", "late", 4, "schedules"),
    "run.late": ("late", "late", 4, "run"),
    "schedule.unread": ("unread", "late", 6, "schedules"),
    "schedule.unknown": ("unknown", "late", 6, "schedules"),
    "schedule.partial": ("partial", "late", 6, "schedules"),
    "scheduler.clock": ("clock differs", "late", 6, "schedules"),
    "scheduler.tzdata": ("time zones differ", "late", 7, "schedules"),
    "control.unread": ("unreadable", "late", 7, "control"),
    "control.unfit": ("fits nothing", "late", 7, "control"),
    "switch.ended": ("ended", "late", 7, "control"),
}
_UNKNOWN: tuple[str, Tone, int, Page] = ("alert", "late", 7, "incidents")
_FILE_RANK, _DEAD_RANK, _SKIPPED_RANK, _DRAINING_RANK = 4, 5, 7, 8


def find_attention(
    alerts: Iterable[Alert],
    incidents: Iterable[Incident],
    letters: Iterable[OpenLetterHead],
    figures: Iterable[PipelineFigures],
    skipped: Sequence[SkippedRecord],
    now: datetime,
    files: Iterable[RouterReport] = (),
) -> list[AttentionItem]:
    """Return what needs somebody, the most urgent first: what nobody has acknowledged before what
    somebody has in hand. What is muted is left out. Of several kinds of dead letters of a stage,
    all must be acknowledged, or muted. `files`: what routers say of the topology files."""
    known = [each for each in incidents if each.resolved is None]
    muted = {_subject(each) for each in known if _is_muted(each, now)}
    muted -= {_subject(each) for each in known if not _is_muted(each, now)}
    taken = {
        _subject(each): each.acknowledged_by for each in known if each.acknowledged_by is not None
    }
    for each in known:
        if each.acknowledged_by is None and not _is_muted(each, now):
            taken.pop(_subject(each), None)
    found: dict[str, AttentionItem] = {}
    for item in [
        *(_of_alert(each) for each in alerts),
        *_of_letters(letters, known),
        *_of_figures(figures),
        *_of_skipped(skipped),
        *_of_files(files),
    ]:
        subject = item.pipeline, item.stage, item.run, item.schedule, item.key.partition("/")[0]
        if subject in muted:
            continue
        item = item.model_copy(update={"acknowledged_by": taken.get(subject)})
        before = found.get(item.key)
        if before is not None and before.since is not None:  # of several lanes, or said twice
            since = min(before.since, item.since or before.since)
            item = item.model_copy(update={"since": since})
        found[item.key] = item
    return sorted(found.values(), key=_urgency)[:MAX_ITEMS]


def count_unacknowledged(incidents: Iterable[Incident], now: datetime) -> int:
    """Return how many incidents nobody has in hand: they are open, and neither acknowledged nor
    muted."""
    return sum(
        each.resolved is None and each.acknowledged_by is None and not _is_muted(each, now)
        for each in incidents
    )


def _is_muted(incident: Incident, now: datetime) -> bool:
    return incident.muted_until is not None and incident.muted_until > now


def _urgency(item: AttentionItem) -> tuple[bool, int, int, str]:
    return item.acknowledged_by is not None, item.rank, item.since or 0, item.key


def _subject(incident: Incident) -> tuple[str, str, str, str, str]:
    kind = "dead" if incident.firing is None else incident.error
    return incident.pipeline, incident.stage, incident.run, incident.schedule, kind


def _of_alert(alert: Alert) -> AttentionItem:
    what, tone, rank, page = _ALERTS.get(alert.kind, _UNKNOWN)
    subject = (alert.pipeline, alert.stage or "", alert.run or "", alert.schedule or "")
    pipeline, stage, run, schedule = subject
    return AttentionItem(
        key="/".join([alert.kind, *subject, *filter(None, [alert.event])]),
        what=what,
        tone=tone,
        rank=rank,
        pipeline=pipeline,
        stage=stage,
        run=run,
        schedule=schedule,
        why=short_line(alert.text),
        since=to_milliseconds(alert.since),
        count=None,
        page=page,
        acknowledged_by=None,
        event=alert.event or "",
    )


def _of_letters(
    letters: Iterable[OpenLetterHead], incidents: Iterable[Incident]
) -> Iterator[AttentionItem]:
    kinds = Counter((each.pipeline, each.stage) for each in incidents if each.firing is None)
    for head in letters:
        if not head.count:
            continue
        number = kinds[head.pipeline, head.stage]
        why = "" if not number else "1 kind is open" if number == 1 else f"{number} kinds are open"
        yield AttentionItem(
            key=f"dead/{head.pipeline}/{head.stage}",
            what="dead",
            tone="dead",
            rank=_DEAD_RANK,
            pipeline=head.pipeline,
            stage=head.stage,
            run="",
            schedule="",
            why=why,
            since=head.oldest,
            count=head.count,
            page="dead-letters",
            acknowledged_by=None,
        )


_CONDITIONS: Mapping[ConditionCode, tuple[str, str, Tone, int]] = {
    "stopped": ("stage.lost", "lost", "dead", 0),
    "waiting": ("stage.held", "waiting", "wait", 1),
    "unworked": ("stage.unworked", "unworked", "late", 2),
    "late": ("stage.age", "late", "late", 3),
    "draining": ("draining", "draining", "quiet", _DRAINING_RANK),
}
"""By condition: the alert that says the same, what it is called, tone and rank."""


def _of_figures(figures: Iterable[PipelineFigures]) -> Iterator[AttentionItem]:
    """Yield what is measured: it is newer than what an alert says of it."""
    for of in figures:
        for stage, found in of.stages.items():
            condition = found.condition
            known = _CONDITIONS.get(condition.code)
            if known is None:
                continue
            kind, what, tone, rank = known
            yield AttentionItem(
                key=f"{kind}/{of.pipeline}/{stage}//",
                what=what,
                tone=tone,
                rank=rank,
                pipeline=of.pipeline,
                stage=stage,
                run="",
                schedule="",
                why=short_line("; ".join(filter(None, (condition.why, condition.detail)))),
                since=to_milliseconds(condition.since) if condition.since else None,
                count=None,
                page="graph",
                acknowledged_by=None,
            )


def _of_files(files: Iterable[RouterReport]) -> Iterator[AttentionItem]:
    """Yield the files that were saved and are not in force."""
    for report in files:
        said = [*report.findings, *report.waiting]
        if not said:
            continue
        more = f"; {len(said) - 1} more" if len(said) > 1 else ""
        yield AttentionItem(
            key=f"file/{report.pipeline}",
            what="file refused" if report.findings else "changes wait",
            tone="late",
            rank=_FILE_RANK,
            pipeline=report.pipeline,
            stage="",
            run="",
            schedule="",
            why=short_line(said[0]) + more,
            since=to_milliseconds(report.reported),
            count=None,
            page="editor",
            acknowledged_by=None,
        )


def _of_skipped(skipped: Sequence[SkippedRecord]) -> Iterator[AttentionItem]:
    by_topic: dict[str, list[SkippedRecord]] = {}
    for each in skipped:
        by_topic.setdefault(each.topic, []).append(each)
    for topic, records in by_topic.items():
        last = records[-1]
        number = "a record" if len(records) == 1 else f"{len(records)} records"
        yield AttentionItem(
            key=f"skipped/{topic}",
            what="unreadable",
            tone="late",
            rank=_SKIPPED_RANK,
            pipeline="",
            stage="",
            run="",
            schedule="",
            why=short_line(
                f"{number} of {topic} cannot be read, the last one at"
                f" {last.partition}/{last.offset}: {last.why}"
            ),
            since=None,
            count=len(records),
            page="control",
            acknowledged_by=None,
        )
