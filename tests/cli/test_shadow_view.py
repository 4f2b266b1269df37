"""What does the report of a shadow say?"""

from __future__ import annotations

from farandole.cli.rendering.shadow_view import shadow_lines
from farandole.events.shadow_counts import Sample, ShadowCounts
from farandole.operations.control.shadow_report import ShadowReport, make_report


def report(counts: ShadowCounts, chosen: int) -> ShadowReport:
    return make_report(7, "shop:price2", 0.1, chosen, counts)


def counted() -> ShadowCounts:
    counts = ShadowCounts(skipped=3, lost=2)
    for n in range(1200):
        paths = ["order.priced: cents"] if n < 60 else []
        counts.candidate.add([*paths, "order.priced: at"] if n < 600 else paths)
        counts.candidate_times.add(0.002)
    for n in range(12):
        counts.stable.add(["order.priced: at"] if n < 6 else [])
        counts.stable_times.add(0.001)
    counts.errors = {"KeyError": 4}
    counts.add_sample(Sample("order.priced: cents", "1299", "12\x1b[31m", "shop.order.placed/2/17"))
    return counts


def test_a_report_says_what_is_more_than_chance() -> None:
    found = report(counted(), 1210)
    assert (found.compared, found.same, found.differing) == (1200, 600, 600)
    assert found.waiting == 5
    assert found.differing_by_chance == 600.0
    assert [(p.path, p.calls, p.by_chance) for p in found.paths] == [
        ("order.priced: at", 600, 600.0),
        ("order.priced: cents", 60, 0.0),
    ]
    assert found.candidate_times is not None
    assert found.candidate_times.mean == 0.002
    lines = [line.replace("\u202f", " ") for line in shadow_lines(found)]
    assert lines == [
        "1 210 chosen, 1 200 compared, 3 skipped, 2 lost, 5 waiting: 600 same, 600 differ"
        " (600 by chance)",
        "  600 differ at order.priced: at (600 by chance)",
        "  60 differ at order.priced: cents",
        "  4 raised KeyError",
        "  at shop.order.placed/2/17, order.priced: cents:",
        "    1299 → 12\\x1b[31m",
        "a call of the candidate takes 2 ms on average, 2.05 ms at p99",
        "a call of the stage's own function beside it takes 1 ms on average, 1.02 ms at p99",
    ]


def test_a_report_of_nothing() -> None:
    assert [*shadow_lines(report(ShadowCounts(), 0))] == ["0 chosen, 0 compared: 0 same, 0 differ"]
    assert [*shadow_lines(report(ShadowCounts(), 0), is_over=True)] == []
    assert len([*shadow_lines(report(ShadowCounts(), 3), is_over=True)]) == 1
