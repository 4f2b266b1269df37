"""What do the runs of one contestant say together, and which of them deserve a mark?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.lines import Audit, paid_cents


@dataclass(frozen=True, slots=True)
class Sample:
    """A contestant as it was looked at while it ran."""

    seconds: float
    """Since it was started."""
    committed: int
    """Lines whose offset its group has committed."""
    cpu: float
    """Seconds of all of its processes, user and system."""
    memory: int
    """Resident bytes of all of its processes."""
    written: bool = False
    """Does anything stand in its target, committed or not?"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one contestant."""

    rate: float | None
    """Lines a second; None where nothing was committed."""
    cpu_us: float | None
    """Microseconds of CPU a line."""
    memory: int
    """The most resident bytes that were seen."""
    committed: int
    marks: tuple[str, ...]
    whole: float | None = None
    """Lines a second from the first output instead, with all that warms up behind it."""


def judged(
    samples: Sequence[Sample], committed: int, lines: int, audit: Audit, limit: float, ended: str
) -> Run:
    """A run by its samples: from the first commit that was seen to the last, the lines committed in
    between.

    So neither the start of an interpreter nor the joining of a group counts for or against anybody.
    Who commits everything at once is measured from its start. `committed`: what the group had
    committed when its processes had ended; `ended`: why they ended by themselves, if they did.
    """
    working = [sample for sample in samples if sample.committed]
    rate = cpu_us = whole = None
    if working:
        last = next(s for s in working if s.committed == working[-1].committed)
        first = working[0] if working[0].committed < last.committed else samples[0]
        moved, took = last.committed - first.committed, last.seconds - first.seconds
        if moved and took > 0:
            rate, cpu_us = moved / took, (last.cpu - first.cpu) / moved * 1e6
        started = next((s for s in samples if s.written), samples[0])
        if last.seconds > started.seconds:
            whole = last.committed / (last.seconds - started.seconds)
    marks = []
    if ended:
        marks.append(f"failed: {ended}")
    elif not working or working[-1].committed < lines:
        done = working[-1].committed if working else 0
        marks.append(f"unfinished: {done:,} of {lines:,} lines in {limit:g} s")
    marks += wrongs(audit, committed, lines)
    memory = max((sample.memory for sample in samples), default=0)
    return Run(rate, cpu_us, memory, committed, tuple(marks), whole)


def wrongs(audit: Audit, committed: int, lines: int) -> list[str]:
    """What is amiss in a target whose group has committed so many lines."""
    found = []
    lost = min(committed, lines) - audit.distinct
    doubled = audit.count - audit.wrong - audit.distinct
    if lost > 0:
        found.append(f"lost {lost:,} lines")
    if doubled:
        found.append(f"doubled {doubled:,} lines")
    if audit.wrong:
        found.append(f"{audit.wrong:,} wrong results")
    if not found and audit.distinct == lines:
        expected = sum(map(paid_cents, range(lines)))
        if audit.paid_cents != expected:
            found.append(f"a sum of {audit.paid_cents:,} cents instead of {expected:,}")
    return found


def row(name: str, guarantee: str, runs: Sequence[Run], missing: str = "") -> dict[str, Any]:
    """One line of the table: medians over the runs, each mark once."""
    rates = [run.rate for run in runs if run.rate is not None]
    wholes = [run.whole for run in runs if run.whole is not None]
    costs = [run.cpu_us for run in runs if run.cpu_us is not None]
    marks = [f"missing: {missing}"] if missing else []
    for run in runs:
        marks += [mark for mark in run.marks if mark not in marks]
    return {
        "peer": name,
        "guarantee": guarantee,
        "lines/s": statistics.median(rates) if rates else None,
        "lines/s of each run": rates,
        "lines/s from the first output": statistics.median(wholes) if wholes else None,
        "us of CPU a line": statistics.median(costs) if costs else None,
        "us of CPU of each run": costs,
        "MiB": max(run.memory for run in runs) >> 20 if runs else None,
        "marks": marks,
    }


def ranked(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The fastest first; behind them all whoever lost lines, for that is no rate."""

    def place(row: dict[str, Any]) -> tuple[bool, float]:
        return any(mark.startswith("lost") for mark in row["marks"]), -(row["lines/s"] or 0)

    return sorted(rows, key=place)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as they are ranked, in Markdown."""

    def shown(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    lines = [
        "| | guarantee | lines/s (median) | least | most | from the first output"
        " | CPU µs a line | MiB | |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for each in ranked(rows):
        rates = each["lines/s of each run"]
        lines.append(
            f"| {each['peer']} | {each['guarantee']} | {shown(each['lines/s'], ',.0f')} |"
            f" {shown(min(rates, default=None), ',.0f')} |"
            f" {shown(max(rates, default=None), ',.0f')} |"
            f" {shown(each['lines/s from the first output'], ',.0f')} |"
            f" {shown(each['us of CPU a line'], '.1f')} | {shown(each['MiB'], ',d')} |"
            f" {'; '.join(each['marks'])} |"
        )
    return "\n".join(lines)
