"""How is the report of a canary shown in a terminal?"""

from __future__ import annotations

from collections.abc import Iterator

from farandole.events.number_format import format_share, grouped
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_short_elapsed
from farandole.operations.control.canary_report import CanaryReport, VariantReport


def canary_lines(report: CanaryReport, *, is_over: bool = False) -> Iterator[str]:
    """Yield the lines of the report; nothing of one that is over and has observed nothing."""
    if is_over and not (report.candidate.observations or report.stable.observations):
        return
    name = single_line(report.run)
    yield f"candidate {name}: {_observed(report.candidate)}"
    yield f"stable: {_observed(report.stable)}"
    if report.ended is not None:
        return  # the line above says why
    if report.evidence is None:
        if is_over:
            return
        yield "nothing is decided before both were observed"
        return
    end = "" if is_over else f"; the switch ends at {report.ends_at:g}"
    yield (
        f"evidence that the candidate is worse: {report.evidence:g} (failures"
        f" {report.evidence_of_failures:g}, times {report.evidence_of_times:g}){end}"
    )


def _observed(variant: VariantReport) -> str:
    if variant.failure_share is None:
        return "no first attempt yet"
    text = (
        f"{grouped(variant.observations)} first attempts, {grouped(variant.failed)} failed"
        f" ({format_share(variant.failure_share)} %)"
    )
    if variant.p50 is not None and variant.p95 is not None:
        half, most = format_short_elapsed(variant.p50), format_short_elapsed(variant.p95)
        text += f"; half take up to {half}, 95 % up to {most}"
    return text
