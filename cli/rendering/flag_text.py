"""How are flags shown in a terminal?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from farandole.cli.rendering.control_text import by_text
from farandole.events.feature_flags import shown_value
from farandole.events.number_format import grouped
from farandole.events.safe_text import single_line
from farandole.events.time_format import utc_timestamp

if TYPE_CHECKING:
    from farandole.operations.control.flag import FlagResult
    from farandole.operations.control.flag_report import FlagsReport, FlagState


def set_flag_text(result: FlagResult) -> str:
    """Return `vip: true for 5 % of the keys, otherwise false (generation 7)`."""
    until = f" until {utc_timestamp(result.until)}" if result.until else ""
    if result.cleared:
        default = shown_value(result.default)
        return f"{result.flag}: {default}, the default of the file (generation {result.generation})"
    target = _target_text(result.stage, result.share, result.when)
    otherwise = f", otherwise {shown_value(result.default)}" if target or until else ""
    return single_line(
        f"{result.flag}: {shown_value(result.value)}{target}{until}{otherwise} (generation"
        f" {result.generation})"
    )


def flag_lines(report: FlagsReport) -> Iterator[str]:
    """Yield a line for each flag, its rules and its reads."""
    for flag in report.flags:
        until = f" until {utc_timestamp(flag.until)}" if flag.until else ""
        by = by_text(flag.by, flag.comment)
        yield single_line(
            f"flag {flag.flag}: {', '.join(_rule_texts(flag))}{by} since"
            f" {utc_timestamp(flag.since)}{until} (generation {flag.generation})"
        )
        for stage, reads in flag.reads.items():
            yield f"  {single_line(f'[{stage}] {reads_text(reads)}')}"


def _rule_texts(flag: FlagState) -> Iterator[str]:
    is_first = True
    for rule in flag.rules:
        target = _target_text(rule.stage, rule.share, rule.when)
        if not target:
            yield f"{'' if is_first else 'otherwise '}{shown_value(rule.value)}"
            return
        yield f"{shown_value(rule.value)}{target}"
        is_first = False
    yield f"{shown_value(flag.default)} by default"


def reads_text(reads: Mapping[str, int]) -> str:
    """Return `true (1 200 reads), false (1 read)`."""
    return single_line(
        ", ".join(
            f"{value} ({grouped(n)} read{'' if n == 1 else 's'})" for value, n in reads.items()
        )
    )


def _target_text(stage: str, share: float | None, when: str) -> str:
    parts = [
        *([f"in {stage}"] if stage else []),
        *([f"for {share * 100:g} % of the keys"] if share is not None else []),
        *([f"when {when}"] if when else []),
    ]
    return f" {' '.join(parts)}" if parts else ""


def run_flag_lines(flags: Mapping[str, Mapping[str, Mapping[str, int]]]) -> Iterator[str]:
    """Yield a line for each flag that the functions of a stage have read in a run."""
    for stage, counts in flags.items():
        for flag, reads in counts.items():
            yield single_line(f"[{stage}] flag {flag} = {reads_text(reads)}")


def import_lines(documents: list[dict[str, Any]], *, written: bool) -> Iterator[str]:
    """Yield a line for each document of an import."""
    for document in documents:
        rules = len(document.get("rules", ()))
        value = shown_value(document["value"]) if "value" in document else "the default of the file"
        said = f"{rules} rule{'' if rules == 1 else 's'}, else {value}" if rules else value
        yield single_line(f"{document['flag']}: {said}")
    if not written:
        yield "nothing was written"
