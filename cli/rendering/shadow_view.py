"""How is the report of a shadow shown in a terminal?"""

from __future__ import annotations

from collections.abc import Iterator

from farandole.events.number_format import grouped
from farandole.events.safe_text import single_line
from farandole.operations.control.shadow_report import CallTimes, ShadowReport


def shadow_lines(report: ShadowReport, *, is_over: bool = False) -> Iterator[str]:
    """Yield the lines of the report; nothing of one that is over and has chosen nothing."""
    if is_over and not (report.chosen or report.compared):
        return
    others = (("skipped", report.skipped), ("lost", report.lost), ("waiting", report.waiting))
    rest = "".join(f", {grouped(number)} {name}" for name, number in others if number)
    yield (
        f"{grouped(report.chosen)} chosen, {grouped(report.compared)} compared{rest}:"
        f" {grouped(report.same)} same, {grouped(report.differing)} differ"
        f"{_chance(report.differing_by_chance)}"
    )
    for path in report.paths:
        name = single_line(path.path)
        yield f"  {grouped(path.calls)} differ at {name}{_chance(path.by_chance)}"
    for error, number in report.errors.items():
        yield f"  {grouped(number)} raised {single_line(error)}"
    for sample in report.samples:
        yield f"  at {sample.event}, {single_line(sample.path)}:"
        yield f"    {single_line(sample.stable)} → {single_line(sample.candidate)}"
    if report.candidate_times is not None:
        yield f"a call of the candidate takes {_times(report.candidate_times)}"
    if report.stable_times is not None:
        yield f"a call of the stage's own function beside it takes {_times(report.stable_times)}"


def _chance(number: float | None) -> str:
    """Return how many would differ anyway; nothing if that is not known, or none."""
    return f" ({number:g} by chance)" if number else ""


def _times(times: CallTimes) -> str:
    return f"{_ms(times.mean)} on average, {_ms(times.p99)} at p99"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"
