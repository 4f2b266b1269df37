"""Do the counts of a shadow add up, over lanes and restarts?"""

from __future__ import annotations

import random

import pytest

from farandole.events.shadow_counts import (
    MAX_NAMES,
    MAX_SAMPLES,
    OTHERS,
    Sample,
    ShadowCounts,
    TimeHistogram,
    chosen_key,
    count_name,
    counts_key,
    parse_chosen,
    parse_shadow_key,
    summed_counts,
)


def made(calls: int, seed: int = 0) -> ShadowCounts:
    die, counts = random.Random(seed), ShadowCounts(skipped=calls // 3, lost=calls // 5)
    for n in range(calls):
        counts.candidate.add([f"out: f{die.randrange(4)}"] if n % 2 else [])
        counts.candidate_times.add(die.expovariate(1000))
        if n % 10 == 0:
            counts.stable.add(["out: f0"] if n % 20 else [])
            counts.stable_times.add(0.001)
        count_name(counts.errors, f"Error{n % 3}")
        counts.add_sample(Sample(f"out: f{n}", "1", "2", f"p.in/0/{n}"))
    return counts


def test_a_row_is_read_as_it_was_written() -> None:
    counts = made(50)
    read = ShadowCounts.from_row(counts.to_row())
    assert read.to_row() == counts.to_row()
    assert read.known == 50 + 16 + 10
    assert len(read.samples) == MAX_SAMPLES


@pytest.mark.parametrize(
    "value", [None, b"", b"{", b"[]", b"7", b'{"skipped": 1}', b'{"skipped": null}', b"\xff"]
)
def test_a_row_that_nobody_of_ours_has_written_counts_nothing(value: bytes | None) -> None:
    assert ShadowCounts.from_row(value) == ShadowCounts()
    assert parse_chosen(value) in (0, 7)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        (chosen_key(12), (12, "chosen")),
        (counts_key(12), (12, "counts")),
        (b"shadow/x/counts", None),
        (b"shadow/12/", None),
        (b"shadow/12", None),
        (b"canary/12/counts", None),
        (b"", None),
    ],
)
def test_a_key_names_the_generation(key: bytes, named: tuple[int, str] | None) -> None:
    assert parse_shadow_key(key) == named


def test_the_lanes_of_one_generation_are_summed() -> None:
    rows = [
        (chosen_key(7), b"30"),
        (counts_key(7), made(20, 1).to_row()),
        (chosen_key(7), b"40"),
        (counts_key(7), made(30, 2).to_row()),
        (chosen_key(6), b"1000"),
        (counts_key(6), made(100).to_row()),
        (b"throttle/share", b"1"),
    ]
    chosen, counts = summed_counts(rows, lambda generation: generation == 7)
    assert chosen == 70
    assert (counts.candidate.calls, counts.candidate.differing) == (50, 25)
    assert sum(counts.candidate.paths.values()) == 25
    assert counts.stable.calls == counts.stable_times.calls == 5
    assert sum(counts.errors.values()) == 50
    assert (counts.skipped, counts.lost) == (16, 10)


def test_the_items_of_a_list_have_one_sample() -> None:
    counts = ShadowCounts()
    for path in ("out: lines[0].cents", "out: lines[12].cents", "out: lines[0].at"):
        counts.add_sample(Sample(path, "1", "2", "p.in/0/1"))
    assert [sample.path for sample in counts.samples] == ["out: lines[0].cents", "out: lines[0].at"]


def test_names_are_capped() -> None:
    counted: dict[str, int] = {}
    for n in range(500):
        count_name(counted, str(n))
    assert len(counted) == MAX_NAMES + 1
    assert counted[OTHERS] == 500 - MAX_NAMES


def test_a_quantile_is_at_most_twice_too_long() -> None:
    die, histogram = random.Random(3), TimeHistogram()
    seconds = sorted(die.expovariate(100) for _ in range(2000))
    for each in seconds:
        histogram.add(each)
    for share in (0.5, 0.9, 0.99):
        true = seconds[int(share * len(seconds)) - 1]
        found = histogram.quantile(share)
        assert found is not None
        assert true <= found <= 2 * true + 2e-6
    assert TimeHistogram().quantile(0.5) is None
    histogram.add(1e9)
    assert histogram.quantile(1.0) is not None
