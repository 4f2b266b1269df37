"""What explains something unusual: since when, which values changed, what happened meanwhile?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from farandole.events.check_verdict import CheckVerdicts
from farandole.events.control_documents import ControlDocument, PauseDocument, ResumeDocument
from farandole.events.controls_in_force import TimedDocument
from farandole.events.drain_document import DrainDocument
from farandole.events.feature_flags import shown_value
from farandole.events.flag_document import FlagDocument
from farandole.events.quality_history import HistoryRow, read_examples
from farandole.events.record_time import to_milliseconds
from farandole.events.schedule_document import ScheduleDocument
from farandole.events.switch_document import EndSwitchDocument, SwitchDocument
from farandole.events.throttle_document import ThrottleDocument
from farandole.events.topology_version import Version

if TYPE_CHECKING:
    from farandole.quality.anomalies.finding import ChangedShare
    from farandole.quality.anomalies.incidents import Incident

MOST_CHANGED = 5
MOST_AT_THE_SAME_TIME = 10


class UsualRun(NamedTuple):
    """A run or window about which nothing was unusual."""

    run: str | None
    window: int | None
    """When it begins, in milliseconds of the epoch, as is `at`."""
    at: int
    """When it ended."""
    version: int
    controls: frozenset[str]
    """Under which control documents it was worked."""


class SameTime(NamedTuple):
    """Something that happened since the last usual run."""

    what: Literal["version", "control", "check"]
    text: str
    at: int | None
    """Milliseconds of the epoch; None if that is not known."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known about an incident beside its numbers."""

    before: UsualRun | None = None
    """The last usual one; None if none is known."""
    changed: tuple[ChangedShare, ...] = ()
    """The values whose shares changed most, those of the same column first."""
    broken: Mapping[str, int] | None = None
    """How often which value has broken the check that fails more often; None if it is none."""
    samples: tuple[str, ...] = ()
    """The ids of events: that break that check, or of any of the run."""
    same_time: tuple[SameTime, ...] = ()


def explain(
    incident: Incident,
    row: HistoryRow,
    before: UsualRun | None,
    changed_shares: Callable[[str], Sequence[ChangedShare]],
    same_time: Sequence[SameTime],
) -> Explanation:
    """Return the explanation of an incident that a run has opened. `before`: the last usual run;
    `changed_shares` returns the values of an event type whose shares changed, the most changed
    first; `same_time`: what happened since the last usual run."""
    main = incident.main
    event = main.key.edge.partition(">")[0]
    check = main.key.statistic if main.kind == "failing share" else ""
    changed = sorted(changed_shares(event), key=lambda each: each.key.column != main.key.column)
    examples = read_examples(row, event or row.get("root", ""), check)
    return Explanation(
        before=before,
        changed=tuple(changed[:MOST_CHANGED]),
        broken=examples["values"] if check else None,
        samples=tuple(examples["ids"]),
        same_time=tuple(same_time[:MOST_AT_THE_SAME_TIME]),
    )


def explain_silence(
    documents: Sequence[TimedDocument], pipeline: str, since: int, until: int
) -> Explanation:
    """Return the explanation that a feed has not come in a time, in milliseconds of the epoch."""
    said = written_between(documents, pipeline, since, until)[:MOST_AT_THE_SAME_TIME]
    return Explanation(same_time=tuple(map(_of_document, said)))


def happened_since(
    before: UsualRun | None,
    row: HistoryRow,
    version: Version | None,
    documents: Sequence[TimedDocument],
    verdicts: CheckVerdicts,
) -> Iterator[SameTime]:
    """Yield what happened between the last usual run and this one: another version (`version` is
    that of this run), control documents, and the checks that this run has failed."""
    for name, verdict in verdicts.items():
        if verdict["verdict"] == "failed":
            yield SameTime("check", f"the check {name} failed", row["at"])
    if before is None:
        return
    if version is not None and version.version != before.version:
        by = f" by {version.published_by}" if version.published_by else ""
        text = f"{version.name} was published{by}"
        yield SameTime("version", text, to_milliseconds(version.published))
    since = written_between(documents, row["pipeline"], before.at, row["at"])
    yield from map(_of_document, since)
    known = before.controls | {str(each.generation) for each in since}
    for name in row.get("controls", []):
        if not {name, name.rpartition("@")[2]} & known:
            yield SameTime("control", f"it was worked under {name}", None)


def written_between(
    documents: Sequence[TimedDocument], pipeline: str, after: int, until: int
) -> list[TimedDocument]:
    """Return the control documents that may change the data of a pipeline and were written in a
    time, in milliseconds of the epoch."""
    return [
        each
        for each in documents
        if getattr(each.control, "pipeline", "") == pipeline
        and after < to_milliseconds(each.at) <= until
        and _document_text(each.control)
    ]


def _of_document(document: TimedDocument) -> SameTime:
    by = getattr(document.control, "by", "")
    text = _document_text(document.control) + (f" by {by}" if by else "")
    return SameTime("control", text, to_milliseconds(document.at))


def _document_text(control: ControlDocument) -> str:
    """Return what a document says, in words; empty for one that changes no data."""
    stage = getattr(control, "stage", "") or "the whole pipeline"
    match control:
        case SwitchDocument():
            return f"{stage} was switched to {control.mode}"
        case PauseDocument():
            return f"{stage} was put on hold"
        case ResumeDocument():
            return f"{stage} went on"
        case EndSwitchDocument():
            return f"the switch of {stage} ended"
        case ThrottleDocument():
            target = control.limit or control.stage or "the roots"
            rate = control.rate or control.per_key or "that of the file"
            return f"the rate of {target} was set to {rate}"
        case FlagDocument():
            value = "cleared" if control.clear else f"set to {shown_value(control.value)}"
            return f"the flag {control.flag} was {value}"
        case DrainDocument():
            return "the pipeline was drained"
        case ScheduleDocument():
            target = control.schedule or "every schedule"
            return f"{target} was {'paused' if control.paused else 'resumed'}"
    return ""
