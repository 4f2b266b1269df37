"""What does the report of a canary say?"""

from __future__ import annotations

from farandole.cli.rendering.canary_view import canary_lines
from farandole.events.canary_counts import count_observation
from farandole.events.canary_row import new_canary_row
from farandole.operations.control.canary_report import CanaryReport, make_report
from tests.ledger.made import AT


def report(candidate: int, failed: int, ended: str = "") -> CanaryReport:
    row = new_canary_row("shop", "price", 7, AT)
    for n in range(candidate):
        count_observation(row["candidate"], n < failed, None if n < failed else 0.03)
    for n in range(1200):
        count_observation(row["stable"], n < 12, None if n < 12 else 0.02)
    if ended:
        row["ended"] = ended
    return make_report(7, "shop:price2", 0.1, row)


def lines(shown: CanaryReport) -> list[str]:
    return [line.replace("\u202f", " ") for line in canary_lines(shown)]


def test_a_report_says_what_was_observed_and_how_sure_that_is() -> None:
    found = report(130, 2)
    assert (found.candidate.failure_share, found.stable.failed) == (0.015385, 12)
    assert lines(found) == [
        "candidate shop:price2: 130 first attempts, 2 failed (1.54 %); half take up to 30.9 ms,"
        " 95 % up to 30.9 ms",
        "stable: 1 200 first attempts, 12 failed (1.00 %); half take up to 20.6 ms, 95 % up to"
        " 20.6 ms",
        f"evidence that the candidate is worse: {found.evidence:g} (failures"
        f" {found.evidence_of_failures:g}, times {found.evidence_of_times:g}); the switch ends"
        " at 2",
    ]
    assert found.evidence is not None
    assert found.evidence < 0


def test_a_report_of_an_ended_canary() -> None:
    found = report(130, 40, "its candidate fails more often")
    assert found.evidence is not None
    assert found.evidence > found.ends_at
    assert found.ended == "its candidate fails more often"
    assert len(lines(found)) == 2


def test_a_report_of_a_switch_that_is_over_says_nothing_of_what_will_be_decided() -> None:
    nothing, some = make_report(7, "shop:price2", 0.1, None), report(0, 0)
    assert [*canary_lines(nothing, is_over=True)] == []
    assert len([*canary_lines(some, is_over=True)]) == 2
    *_, evidence = canary_lines(report(130, 2), is_over=True)
    assert "the switch ends" not in evidence


def test_a_report_of_nothing() -> None:
    found = make_report(7, "shop:price2", 0.1, None)
    assert (found.evidence, found.observed_at) == (None, None)
    assert lines(found) == [
        "candidate shop:price2: no first attempt yet",
        "stable: no first attempt yet",
        "nothing is decided before both were observed",
    ]
