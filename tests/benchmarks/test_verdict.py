"""Does each run get its rate, and each failing its mark?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.peers.lines import Audit, paid_cents
from benchmarks.peers.verdict import Run, Sample, evaluate_run, find_faults, rank_rows, row, table

MIB = 2**20
LINES = 1000


def sum_of(lines: int) -> int:
    return sum(map(paid_cents, range(lines)))


WHOLE = Audit(count=LINES, distinct=LINES, wrong=0, paid_cents=sum_of(LINES))


def sample(seconds: float, committed: int, cpu: float = 0.0, memory: int = 0) -> Sample:
    return Sample(seconds, committed, cpu, memory)


def test_a_rate_is_from_the_first_commit_to_the_last() -> None:
    samples = [
        sample(0, 0),
        sample(5, 0, cpu=3, memory=9 * MIB),
        sample(6, 200, cpu=4),
        sample(8, 600, cpu=5),
        sample(10, LINES, cpu=6, memory=7 * MIB),
    ]
    run = evaluate_run(samples, LINES, LINES, WHOLE, 120, "")
    assert run.cpu_us == pytest.approx(2 / 800 * 1e6)
    assert replace(run, cpu_us=0) == Run(800 / 4, 0, 9 * MIB, LINES, (), LINES / 10)


def test_the_other_rate_is_from_the_first_output_whether_committed_or_not() -> None:
    written = [Sample(s, c, 0, 0, written=True) for s, c in ((5, 0), (6, 200), (10, LINES))]
    run = evaluate_run([sample(0, 0), *written], LINES, LINES, WHOLE, 120, "")
    assert run.whole == LINES / 5


def test_who_commits_all_at_once_is_measured_from_its_start() -> None:
    run = evaluate_run([sample(0, 0), sample(2, LINES)], LINES, LINES, WHOLE, 120, "")
    assert run.rate == LINES / 2


def test_a_run_that_was_cut_is_marked_and_has_the_rate_of_what_it_committed() -> None:
    samples = [sample(0, 0), sample(1, 100), sample(11, 300), sample(30, 300)]
    run = evaluate_run(samples, 300, LINES, Audit(300, 300, 0, sum_of(300)), 30, "")
    assert run.rate == 200 / 10
    assert run.marks == ("unfinished: 300 of 1,000 lines in 30 s",)


def test_a_run_without_a_commit_has_no_rate() -> None:
    run = evaluate_run([sample(0, 0), sample(30, 0)], 0, LINES, Audit(0, 0, 0, 0), 30, "")
    assert run.rate is None
    assert run.marks == ("unfinished: 0 of 1,000 lines in 30 s",)


def test_who_ends_by_itself_has_failed_with_its_last_word() -> None:
    run = evaluate_run([sample(0, 0)], 0, LINES, Audit(0, 0, 0, 0), 30, "exit 1: no such topic")
    assert run.marks == ("failed: exit 1: no such topic",)


def test_what_was_committed_and_does_not_stand_there_is_lost() -> None:
    assert find_faults(Audit(970, 970, 0, 0), LINES, LINES) == ["lost 30 lines"]


def test_what_was_not_yet_committed_is_not_lost() -> None:
    assert find_faults(Audit(500, 500, 0, sum_of(500)), 400, LINES) == []


def test_who_writes_nothing_and_commits_all_has_lost_all() -> None:
    assert find_faults(Audit(0, 0, 0, 0), LINES, LINES) == ["lost 1,000 lines"]


def test_each_record_too_many_is_doubled() -> None:
    assert find_faults(Audit(1003, LINES, 0, sum_of(LINES)), LINES, LINES) == ["doubled 3 lines"]


def test_wrong_results_are_no_doubles() -> None:
    found = find_faults(Audit(LINES, 998, 2, 0), LINES, LINES)
    assert found == ["lost 2 lines", "2 wrong results"]


def test_a_sum_is_checked_where_all_else_is_right() -> None:
    found = find_faults(Audit(LINES, LINES, 0, 1), LINES, LINES)
    assert found == [f"a sum of 1 cents instead of {sum_of(LINES):,}"]


def test_a_row_has_medians_and_each_mark_once() -> None:
    runs = [
        Run(10.0, 5.0, 3 * MIB, LINES, ("lost 1 lines",)),
        Run(30.0, 7.0, 5 * MIB, LINES, ("lost 1 lines",)),
        Run(None, None, 4 * MIB, 0, ("failed: exit 1",)),
    ]
    found = row("A peer", "at least once", runs)
    assert (found["lines/s"], found["us of CPU a line"], found["MiB"]) == (20.0, 6.0, 5)
    assert found["marks"] == ["lost 1 lines", "failed: exit 1"]


def test_a_peer_that_cannot_be_installed_stands_in_the_table_with_why() -> None:
    missing = row("A peer", "exactly once", [], "no such package")
    there = row("Another", "exactly once", [Run(1234.0, 5.0, MIB, LINES, ())])
    lines = table([missing, there]).splitlines()
    assert lines[2].startswith("| Another | exactly once | 1,234 |")
    assert (
        lines[3] == "| A peer | exactly once | – | – | – | – | – | – | missing: no such package |"
    )


def test_who_lost_lines_ranks_behind_the_slowest() -> None:
    lossy = row("Lossy", "at most once", [Run(9000.0, 1.0, MIB, LINES, ("lost 3 lines",))])
    slow = row("Slow", "at least once", [Run(1.0, 1.0, MIB, LINES, ())])
    quick = row("Quick", "exactly once", [Run(500.0, 1.0, MIB, LINES, ())])
    assert [r["peer"] for r in rank_rows([lossy, slow, quick])] == ["Quick", "Slow", "Lossy"]
