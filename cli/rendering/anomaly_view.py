"""How is something unusual about a run shown on a terminal?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from farandole.cli.rendering.counts import count_text
from farandole.events.measurement_format import deviation_text, measured_text
from farandole.events.next_step import CommandLine
from farandole.events.number_format import format_share, grouped
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_recent, format_short_elapsed
from farandole.operations.quality.anomaly_list import Anomaly, UnusualNumber
from farandole.operations.quality.show_anomaly import AnomalyDetail, NumberPoint

_MOST_SHOWN = 8  # runs before and after


def anomaly_lines(found: AnomalyDetail, command_line: CommandLine) -> Iterator[str]:
    """Yield what is unusual, by how much, what may be why, and the commands that help next."""
    now = datetime.now(UTC)
    yield f"{found.id}  {single_line(anomaly_text(found) + end_text(found, now))}"
    facts = [(name, single_line(text)) for name, text in _facts(found, now)]
    width = max((len(name) for name, _ in facts), default=0)
    for name, text in facts:
        yield f"  {name:<{width}}  {text}"
    if found.points:
        yield ""
        yield from _point_lines(found, now)
    yield ""
    if found.run:
        yield command_line("profile", found.run, "--against", "previous")
    for each in found.samples[:1]:
        yield command_line("trace", single_line(each))
    if found.state == "open":
        yield command_line("quality", "expect", found.id, "--reason", "TEXT")


def anomaly_text(each: Anomaly) -> str:
    """Return what was unusual, in one sentence."""
    if each.is_silence:
        return (
            f"{each.edge} had not come for {format_short_elapsed(each.value)}; usual are at most"
            f" {format_short_elapsed(each.high)}"
        )
    of = f"run {each.run}" if each.run else "a window"
    more = len(each.others) + each.more
    also = f"; {more} more with it" if more else ""
    return f"{_number_text(each, f' in {of}')}{also}"


def end_text(each: Anomaly, now: datetime) -> str:
    """Return how it ended; empty if it is open."""
    if each.state == "open" or each.over is None:
        return ""
    if each.state == "over":
        return f" (over since {format_recent(each.over, now)})"
    return f" (normal, says {each.by or 'somebody'}: {each.reason})"


def _number_text(each: UnusualNumber, where: str = "") -> str:
    place = " ".join(part for part in (each.edge, each.column) if part) or "the run"
    low, high = measured_text(each.kind, each.low), measured_text(each.kind, each.high)
    value = measured_text(each.kind, each.value)
    return f"{each.statistic} of {place} was {value}{where}; expected {low} to {high}"


def _facts(found: AnomalyDetail, now: datetime) -> Iterator[tuple[str, str]]:
    yield "by how much", deviation_text(found.kind, found.value, found.expected, found.score)
    if found.usual is not None:
        of = f"run {found.usual.run}" if found.usual.run else "the window before"
        yield "last usual", f"{of}, which ended {format_recent(found.usual.at, now)} UTC"
    for number, other in enumerate(found.others):
        yield "" if number else "with it", _number_text(other)
    if found.more:
        yield "", f"{grouped(found.more)} more"
    for number, changed in enumerate(found.changed):
        yield (
            "" if number else "changed most",
            f"{changed.column} {changed.value}: {format_share(changed.share)} % of"
            f" {grouped(changed.rows)}, usually {format_share(changed.usual)} %",
        )
    for number, (value, count) in enumerate(found.broken.items()):
        yield "" if number else "broken by", f"{value}: {count_text(count, 'row')}"
    if found.samples:
        yield "samples", ", ".join(found.samples)
    happened = [(each.at, each.text) for each in found.meanwhile]
    happened += [(each.at, f"incident {each.id}: {each.text}") for each in found.incidents]
    for number, (at, text) in enumerate(happened):
        when = "" if at is None else f"{format_recent(at, now)} "
        yield "" if number else "meanwhile", f"{when}{text}"


def _point_lines(found: AnomalyDetail, now: datetime) -> Iterator[str]:
    """Yield the number in the runs around it; what leaves the expected range has a mark."""
    for point in _around(found):
        mark = "" if found.low <= point.value <= found.high else "  <"
        name = point.run or "a window"
        value = measured_text(found.kind, point.value)
        yield f"  {format_recent(point.at, now)}  {single_line(name)}  {value}{mark}"


def _around(found: AnomalyDetail) -> Sequence[NumberPoint]:
    places = [n for n, point in enumerate(found.points) if point.at <= found.at]
    last = places[-1] if places else 0
    return found.points[max(0, last + 1 - _MOST_SHOWN) : last + 1 + _MOST_SHOWN]
