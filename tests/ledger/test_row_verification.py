"""Is every row found that differs from its folded entries, and no other?"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.ledger_entry import LedgerEntry
from farandole.events.run_row import RunRow
from farandole.ledger.row_verification import RefoldCheck, RowMismatch
from tests.ledger.made import read, story

seeds = st.integers(0, 2**32 - 1)


def make_stories(seed: int, runs: int = 3) -> dict[str, Sequence[LedgerEntry]]:
    die = random.Random(seed)
    return {f"run{n}": story(die.randrange(2**32), f"run{n}") for n in range(runs)}


def shuffled(stories: dict[str, Sequence[LedgerEntry]], seed: int) -> list[LedgerEntry]:
    """Return all entries in a possible order of one partition: those of a run keep their order."""
    die = random.Random(seed)
    left = {run: [*entries] for run, entries in stories.items()}
    found = []
    while left:
        run = die.choice([*left])
        found.append(left[run].pop(0))
        if not left[run]:
            del left[run]
    return found


def rows_of(stories: dict[str, Sequence[LedgerEntry]]) -> dict[bytes, bytes]:
    return {run.encode(): orjson.dumps(read(*entries)[0]) for run, entries in stories.items()}


def mismatches(rows: dict[bytes, bytes], entries: Sequence[LedgerEntry]) -> list[RowMismatch]:
    refold = RefoldCheck(rows)
    for each in entries:
        refold.add(each)
    return [*refold.mismatches()]


@given(seeds)
def test_rows_that_equal_their_entries_have_no_mismatch(seed: int) -> None:
    stories = make_stories(seed)
    assert mismatches(rows_of(stories), shuffled(stories, seed)) == []


@given(seeds, st.data())
def test_an_entry_that_a_row_lacks_or_counts_twice_is_found(seed: int, data: Any) -> None:
    stories = make_stories(seed)
    entries = shuffled(stories, seed)
    which = data.draw(st.integers(0, len(entries) - 1))
    run = entries[which]["runs"][0]["run"]
    rows = rows_of(stories)
    assert [o.run for o in mismatches(rows, entries[:which] + entries[which + 1 :])] == [run]
    assert [o.run for o in mismatches(rows, [*entries, entries[which]])] == [run]


def one_more(row: RunRow) -> None:
    next(iter(row["edges"].values()))["consumed"] += 1


def other_ids(row: RunRow) -> None:
    next(iter(row["edges"].values()))["differs"] += 1


def other_status(row: RunRow) -> None:
    row["status"] = "cancelled"


@pytest.mark.parametrize("spoil", [one_more, other_ids, other_status])
def test_a_changed_row_is_found_with_the_fields_that_differ(
    spoil: Callable[[RunRow], None],
) -> None:
    stories = make_stories(1)
    rows = rows_of(stories)
    row = orjson.loads(rows[b"run1"])
    first = next(iter(row["edges"]))
    spoil(row)
    (found,) = mismatches({**rows, b"run1": orjson.dumps(row)}, shuffled(stories, 1))
    wanted = ["status"] if spoil is other_status else [first]
    assert (found.run, found.differing_fields()) == ("run1", wanted)


def test_a_row_without_entries_and_entries_without_a_row_are_found() -> None:
    stories = make_stories(2)
    rows, entries = rows_of(stories), shuffled(stories, 2)
    gone = [each for each in entries if each["runs"][0]["run"] != "run0"]
    (found,) = mismatches(rows, gone)
    assert (found.run, found.refolded) == ("run0", None)
    (found,) = mismatches({k: v for k, v in rows.items() if k != b"run0"}, entries)
    assert (found.run, found.row) == ("run0", None)


@pytest.mark.parametrize("added", [{"late": True}, {"checks": {"in/c": {"verdict": "passed"}}}])
def test_what_entries_alone_do_not_decide_is_not_compared(added: dict[str, Any]) -> None:
    stories = make_stories(3)
    rows = {
        run: orjson.dumps({**orjson.loads(row), **added}) for run, row in rows_of(stories).items()
    }
    assert mismatches(rows, shuffled(stories, 3)) == []


def test_a_row_of_an_older_bookkeeper_lacks_no_events() -> None:
    """It folds the entries of newer lanes, and knows neither flags nor controls."""
    ((run, entries),) = make_stories(5, runs=1).items()
    newer = [
        {
            **entry,
            "controls": ["flag/vip@7"],
            "runs": [{**part, "flags": {"vip": {"true": 1}}} for part in entry["runs"]],
        }
        for entry in entries
    ]
    plain = {run.encode(): orjson.dumps(read(*entries)[0])}
    assert mismatches(plain, newer) == []  # type: ignore[arg-type]
    counted = {run.encode(): orjson.dumps(read(*newer)[0])}  # type: ignore[arg-type]
    assert mismatches(counted, newer) == []  # type: ignore[arg-type]
    row = orjson.loads(counted[run.encode()])
    row["flags"][entries[0]["stage"]]["vip"]["true"] += 1
    (found,) = mismatches({run.encode(): orjson.dumps(row)}, newer)  # type: ignore[arg-type]
    assert found.differing_fields() == ["flags"]


def test_a_run_with_entries_that_are_not_folded_yet_is_not_judged() -> None:
    (run, entries), *_ = make_stories(4).items()
    refold = RefoldCheck({})
    for each in entries[:-1]:
        refold.add(each)
    refold.skip_unfolded(entries[-1])
    assert ([*refold.mismatches()], refold.unjudged) == ([], 1), run
