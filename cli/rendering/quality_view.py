"""How are the scores of event types shown on a terminal?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from farandole.cli.rendering.anomaly_view import anomaly_text, end_text
from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.anomaly_document import IgnoredNumbers
from farandole.events.number_format import grouped
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_recent
from farandole.operations.quality.anomaly_list import Anomaly
from farandole.operations.quality.ignore_numbers import IgnoredState
from farandole.operations.quality.quality_score import QualityPoint, QualityResult

_MOST_ANOMALIES = 10
_BLOCKS = "▁▂▃▄▅▆▇█"


def quality_lines(result: QualityResult) -> Iterator[str]:
    """Yield a line for each event type, below a line of headings."""
    rows = [("event", "trend", "score", "rows", "died", "warned", "failed")]
    for event in result.events:
        last = event.points[-1] if event.points else None
        rows.append(
            (
                event.event,
                _trend([point.score for point in event.points]),
                "" if event.score is None else f"{event.score:.3%}",
                grouped(event.rows) if last else "no run has ended",
                grouped(last.died) if last else "",
                _count(last, "warned"),
                _count(last, "failed"),
            )
        )
    yield from format_columns(rows, left=2)
    now = datetime.now(UTC)
    for number, each in enumerate(result.anomalies[:_MOST_ANOMALIES]):
        if not number:
            yield ""
            yield "unusual:"
        yield _anomaly_line(each, now)
    for number, ignored in enumerate(result.ignored):
        if not number:
            yield ""
            yield "ignored:"
        yield _ignored_line(ignored, now)


def _anomaly_line(each: Anomaly, now: datetime) -> str:
    when = format_recent(each.at, now)
    return f"  {each.id}  {when}  {single_line(anomaly_text(each) + end_text(each, now))}"


def _ignored_line(each: IgnoredState, now: datetime) -> str:
    numbers = IgnoredNumbers(each.edge, each.column, each.statistic)
    until = f" until {format_recent(each.until, now)}" if each.until else ""
    by = f" by {each.by}" if each.by else ""
    why = f": {each.reason}" if each.reason else ""
    said = single_line(f"since {format_recent(each.since, now)}{until}{by}{why}")
    return f"  {single_line(str(numbers))}  {said}"


def _count(point: QualityPoint | None, verdict: str) -> str:
    number = 0 if point is None else point.verdicts.get(verdict, 0)
    text = grouped(number) if number else ""
    return Alarm(text) if number and verdict == "failed" else text


def _trend(scores: Sequence[float | None]) -> str:
    """Return a block for each score, from the least of them to 100 %."""
    known = [score for score in scores if score is not None]
    least = min(known, default=1.0)
    span = (1.0 - least) or 1.0
    return "".join(
        " "
        if score is None
        else _BLOCKS[round((score - least) / span * (len(_BLOCKS) - 1))]
        if least < 1.0
        else _BLOCKS[-1]
        for score in scores
    )
