"""Which figures does one contestant get from its runs, and which runs get a remark?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.lines import Audit, paid_cents


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of a contestant at one moment of a run."""

    seconds: float
    """Since the contestant was started."""
    committed: int
    """Lines whose offset the consumer group has committed."""
    cpu: float
    """Seconds of all of its processes, user and system."""
    memory: int
    """Resident bytes of all of its processes."""
    written: bool = False
    """True if the target topic contains any record, committed or not."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one contestant."""

    rate: float | None
    """Lines a second; None if nothing was committed."""
    cpu_us: float | None
    """Microseconds of CPU a line."""
    memory: int
    """The most resident bytes that were seen."""
    committed: int
    marks: tuple[str, ...]
    whole: float | None = None
    """Lines a second from the first output on, which includes the warm-up."""


def evaluate_run(
    samples: Sequence[Sample], committed: int, lines: int, audit: Audit, limit: float, ended: str
) -> Run:
    """Return the figures of a run: the lines that were committed between the first and the last
    commit in the samples.

    So the start of an interpreter and the joining of a group do not count. A contestant that
    commits everything at once is measured from its start. `committed` is what the group had
    committed after the processes had ended; `ended` is why they ended by themselves, or empty.
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
    marks += find_faults(audit, committed, lines)
    memory = max((sample.memory for sample in samples), default=0)
    return Run(rate, cpu_us, memory, committed, tuple(marks), whole)


def find_faults(audit: Audit, committed: int, lines: int) -> list[str]:
    """Return what is wrong in a target topic, if the group has committed that many lines."""
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
    """Return a row of the table: medians over the runs, and each remark once."""
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


def rank_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows, the fastest first. Contestants that lost lines come last: their rate means
    nothing."""

    def place(row: dict[str, Any]) -> tuple[bool, float]:
        return any(mark.startswith("lost") for mark in row["marks"]), -(row["lines/s"] or 0)

    return sorted(rows, key=place)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the ranked rows as a Markdown table."""

    def format_value(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    lines = [
        "| | guarantee | lines/s (median) | least | most | from the first output"
        " | CPU µs a line | MiB | |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for each in rank_rows(rows):
        rates = each["lines/s of each run"]
        lines.append(
            f"| {each['peer']} | {each['guarantee']} | {format_value(each['lines/s'], ',.0f')} |"
            f" {format_value(min(rates, default=None), ',.0f')} |"
            f" {format_value(max(rates, default=None), ',.0f')} |"
            f" {format_value(each['lines/s from the first output'], ',.0f')} |"
            f" {format_value(each['us of CPU a line'], '.1f')} |"
            f" {format_value(each['MiB'], ',d')} |"
            f" {'; '.join(each['marks'])} |"
        )
    return "\n".join(lines)
