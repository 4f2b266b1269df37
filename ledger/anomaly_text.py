"""How is an unusual number about a run written: for people, and in a row?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from farandole.events.measurement_format import deviation_text, measured_text
from farandole.events.number_format import format_share, grouped
from farandole.events.safe_text import short_line
from farandole.events.time_format import format_short_elapsed, format_timestamp_ms
from farandole.quality.anomalies.listed_shares import shared_value

if TYPE_CHECKING:
    from farandole.ledger.anomaly_explanation import Explanation, UsualRun
    from farandole.quality.anomalies.finding import ChangedShare, Finding
    from farandole.quality.anomalies.incidents import Incident

_MOST_SHOWN = 10  # findings of one incident in a row
_MOST_SAID = 3  # of what else is unusual
_MAX_FACT = 500  # characters


def incident_text(incident: Incident, of: str) -> str:
    """Return what is unusual, in one sentence; `of`: the run or the window."""
    more = len(incident.others)
    also = f"; {more} more with it" if more else ""
    return f"{_finding_text(incident.main, of)}{also}"


def silence_text(incident: Incident) -> str:
    """Return which feed should have come."""
    main = incident.main
    return (
        f"{main.key.edge} has not come for {format_short_elapsed(main.value)}; usual are at most"
        f" {format_short_elapsed(main.high)}"
    )


def incident_facts(incident: Incident, explained: Explanation) -> tuple[tuple[str, str], ...]:
    """Return what else people are to know of an incident, each with its name."""
    return tuple((name, short_line(text, _MAX_FACT)) for name, text in _facts(incident, explained))


def _facts(incident: Incident, explained: Explanation) -> Iterator[tuple[str, str]]:
    main = incident.main
    deviation = deviation_text(main.kind, main.value, main.expected, main.score)
    yield "by how much", deviation
    if explained.before is not None:
        yield "last usual", _usual_text(explained.before)
    if incident.others:
        said = [_finding_text(each) for each in incident.others[:_MOST_SAID]]
        if (more := len(incident.others) - len(said)) > 0:
            said.append(f"{more} more")
        yield "with it", "; ".join(said)
    if explained.changed:
        yield "changed most", "; ".join(map(_changed_text, explained.changed))
    if explained.broken:
        counts = explained.broken.items()
        yield "broken by", ", ".join(f"{value} ({grouped(count)} rows)" for value, count in counts)
    if explained.samples:
        yield "samples", ", ".join(explained.samples)
    if explained.same_time:
        yield "meanwhile", "; ".join(each.text for each in explained.same_time)


def _finding_text(finding: Finding, of: str = "") -> str:
    key, kind = finding.key, finding.kind
    place = " ".join(part for part in (key.edge, key.column) if part) or "the run"
    where = f" in {of}" if of else ""
    low, high = measured_text(kind, finding.low), measured_text(kind, finding.high)
    value = measured_text(kind, finding.value)
    return f"{key.statistic} of {place} is {value}{where}; expected {low} to {high}"


def _usual_text(before: UsualRun) -> str:
    ended = format_timestamp_ms(before.at)
    if before.run is not None:
        return f"run {before.run}, which ended {ended} UTC"
    return f"{window_text(before.window or 0)}, which ended {ended} UTC"


def window_text(window: int) -> str:
    """Return which window is meant that begins then, in milliseconds of the epoch."""
    return f"the window of {datetime.fromtimestamp(window / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _changed_text(changed: ChangedShare) -> str:
    return (
        f"{changed.key.column} {shared_value(changed.key)} {format_share(changed.share)} % of"
        f" {grouped(changed.rows)}, usually {format_share(changed.usual)} %"
    )


def incident_to_row(incident: Incident, explained: Explanation) -> dict[str, Any]:
    """Return an incident as it stands in a row, with its farthest findings."""
    return {
        "id": incident.id,
        "since": round(incident.since * 1000),
        **_finding_to_row(incident.main),
        "with": [_finding_to_row(each) for each in incident.others[:_MOST_SHOWN]],
        "more": max(0, len(incident.others) - _MOST_SHOWN),
        **_explanation_to_row(explained),
    }


def _finding_to_row(finding: Finding) -> dict[str, Any]:
    return {
        "edge": finding.key.edge,
        "column": finding.key.column,
        "statistic": finding.key.statistic,
        "kind": str(finding.kind),
        "value": finding.value,
        "expected": finding.expected,
        "low": finding.low,
        "high": finding.high,
        "score": round(finding.score, 3),
    }


def _explanation_to_row(explained: Explanation) -> dict[str, Any]:
    before = explained.before
    return {
        "usual": None
        if before is None
        else {"run": before.run, "window": before.window, "at": before.at},
        "changed": [
            {
                "column": each.key.column,
                "value": shared_value(each.key),
                "share": each.share,
                "usual": each.usual,
                "rows": each.rows,
            }
            for each in explained.changed
        ],
        "broken": dict(explained.broken or {}),
        "samples": [*explained.samples],
        "meanwhile": [each._asdict() for each in explained.same_time],
    }
