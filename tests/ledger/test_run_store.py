"""Does the run store keep and delete the right rows, and report each change once?"""

from __future__ import annotations

import random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.ledger_entry import LedgerEntry
from farandole.events.row_format import NewerFormatError
from farandole.events.run_row import RunRow, parse_run_row
from farandole.ledger import run_store
from farandole.ledger.run_fold import count_settled_events
from farandole.ledger.run_store import RunChange, RunStore
from tests.ledger.made import AT, PIPELINE, consumed, emitted, entry, part, read, root, story

RUN = "a" * 13
SEEDS = st.integers(0, 2**32)


def opening(run: str = RUN, **more: float) -> LedgerEntry:
    out = {"made": emitted(f"{run}/x", to=["b"])}
    return entry("a", part(run, {"asked": consumed(run)}, out, root("a", **more)))


def closing(run: str = RUN, at: int = AT) -> LedgerEntry:
    return entry("b", part(run, {"made": consumed(f"{run}/x")}), at=at)


def added(book: RunStore, *entries: LedgerEntry) -> RunStore:
    for each in entries:
        for one in each["runs"]:
            book.apply_part(one, each, count_settled_events(each))
    return book


def transitions(changes: list[RunChange]) -> list[tuple[str, str | None]]:
    return [(change.run.decode(), change.transition) for change in changes]


def table(*of: list[RunChange]) -> dict[bytes, bytes]:
    """Return the rows in Kafka after all these changes are written and compacted."""
    rows: dict[bytes, bytes | None] = {c.run: c.row for changes in of for c in changes}
    return {run: row for run, row in rows.items() if row is not None}


@given(st.lists(SEEDS, min_size=1, max_size=4), SEEDS)
def test_interleaved_runs_with_restarts_in_between_fold_like_each_alone(
    seeds: list[int], die_seed: int
) -> None:
    die = random.Random(die_seed)
    left = [story(seed, f"run{number}") for number, seed in enumerate(seeds)]
    alone = {entries[0]["runs"][0]["run"]: read(*entries)[0] for entries in left}
    book, written = RunStore(), []
    remaining = [list(entries) for entries in left]
    while any(remaining):
        added(book, die.choice([entries for entries in remaining if entries]).pop(0))
        if die.random() < 0.3:
            written.append(book.take_changes(AT))
        if die.random() < 0.2:
            written.append(book.take_changes(AT))
            book = RunStore()
            book.restore(table(*written))
    written.append(book.take_changes(AT))
    rows = {run.decode(): orjson.loads(row) for run, row in table(*written).items()}
    assert rows == alone


def test_a_run_that_opens_and_completes_in_one_transaction_is_completed() -> None:
    assert transitions(added(RunStore(), opening(), closing()).take_changes(AT)) == [
        (RUN, "completed")
    ]


def test_a_run_that_opens_and_completes_in_two_transactions_reports_both() -> None:
    book = added(RunStore(), opening())
    assert transitions(book.take_changes(AT)) == [(RUN, "opened")]
    assert transitions(added(book, closing()).take_changes(AT)) == [(RUN, "completed")]


def test_a_run_that_completes_and_is_amended_in_one_transaction_is_completed() -> None:
    nothing = entry("b", part(RUN, {"made": consumed(dropped=1)}))
    store = added(RunStore(), opening(), closing(), nothing)
    assert transitions(store.take_changes(AT)) == [(RUN, "completed")]


def test_a_transaction_writes_no_rows_of_unchanged_runs() -> None:
    book = added(RunStore(), opening(), closing())
    book.take_changes(AT)
    assert book.take_changes(AT) == []


def test_the_oldest_closed_runs_beyond_the_limit_are_deleted() -> None:
    book = RunStore(max_closed=2)
    for run in ("r1", "r2", "r3"):
        changes = added(book, opening(run), closing(run)).take_changes(AT)
    assert changes[-1] == RunChange(b"r1", None, None)
    assert len(book) == 2


def test_closed_runs_are_deleted_after_the_retention() -> None:
    book = added(RunStore(retention_ms=1000), opening(), closing())
    book.take_changes(AT)
    assert book.take_changes(AT + 1000) == []
    assert book.take_changes(AT + 1001) == [RunChange(RUN.encode(), None, None)]


def test_the_row_of_a_run_with_dead_letters_is_kept_as_long_as_they_are() -> None:
    died = entry("b", part(RUN, {"made": consumed(f"{RUN}/x", dead=1)}))
    book = added(RunStore(retention_ms=1000, letter_retention_ms=9000), opening(), died)
    rows = table(book.take_changes(AT))
    assert book.take_changes(AT + 8999) == []
    replayed = entry("b", part(RUN, {"made": consumed(dead=-1)}), at=AT + 8999)
    changes = added(book, replayed).take_changes(AT + 8999)
    assert transitions(changes) == [(RUN, "amended")]
    assert transitions(book.take_changes(AT + 9001)) == [(RUN, None)]
    again = RunStore(retention_ms=1000, letter_retention_ms=9000)
    again.restore(rows)
    assert again.take_changes(AT + 9000) == []
    assert transitions(again.take_changes(AT + 9001)) == [(RUN, None)]


def test_an_open_run_with_dead_letters_is_kept_as_long_as_they_are() -> None:
    two = {"made": emitted("x", "y", to=["b"])}
    asked = entry("a", part(RUN, {"asked": consumed(RUN)}, two, root("a")))
    died = entry("b", part(RUN, {"made": consumed("x", dead=1)}))
    book = added(RunStore(retention_ms=1000, letter_retention_ms=9000), asked, died)
    book.take_changes(AT)
    assert book.take_changes(AT + 2000) == []
    last = entry("b", part(RUN, {"made": consumed("y")}), at=AT + 3000)
    assert transitions(added(book, last).take_changes(AT + 3000)) == [(RUN, "completed")]
    assert book.take_changes(AT + 9001) == []
    assert transitions(book.take_changes(AT + 12_001)) == [(RUN, None)]


def test_of_the_runs_with_dead_letters_only_the_newest_are_kept() -> None:
    book = RunStore(retention_ms=1000, max_closed=2)
    for number in range(5):
        run = f"r{number}"
        died = entry("b", part(run, {"made": consumed(f"{run}/x", dead=1)}), at=AT + number)
        added(book, opening(run), died).take_changes(AT)
    deleted = transitions(book.take_changes(AT + 1001))
    assert (len(book), deleted) == (2, [("r1", None), ("r2", None)])


def test_an_open_run_without_entries_is_deleted_after_the_retention() -> None:
    book = added(RunStore(retention_ms=1000), opening())
    book.take_changes(AT)
    added(book, entry("b", part(RUN, {"other": consumed()}))).take_changes(AT + 900)
    assert book.take_changes(AT + 1500) == []
    assert transitions(book.take_changes(AT + 1901)) == [(RUN, None)]
    assert book.open_count == 0


def test_an_entry_of_a_deleted_run_completes_nothing() -> None:
    book = RunStore(max_closed=0)
    added(book, opening(), closing()).take_changes(AT)
    changes = added(book, entry("b", part(RUN, {"made": consumed(dead=-1)}))).take_changes(AT)
    assert transitions(changes) == [(RUN, "opened")]
    assert orjson.loads(changes[0].row or b"")["status"] == "unopened"


def test_a_restored_store_deletes_runs_in_the_same_order() -> None:
    book = RunStore()
    written = [added(book, opening(r), closing(r)).take_changes(AT) for r in ("r1", "r2", "r3")]
    rows = table(*written)
    for number, run in enumerate((b"r3", b"r1", b"r2")):
        rows[run] = orjson.dumps({**orjson.loads(rows[run]), "closed": AT + number})
    again = RunStore(max_closed=2)
    assert again.restore(rows) == 0
    assert transitions(again.take_changes(AT)) == [("r3", None)]


def test_foreign_rows_are_counted_and_not_restored() -> None:
    book = RunStore()
    assert book.restore({b"a": b"{", b"b": b"{}", b"c": b"[]", b"d": b"3"}) == 4
    assert len(book) == 0


def test_rows_of_complete_runs_are_not_decoded_at_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane has up to 100,000 of them."""
    changes = added(RunStore(), opening(), closing(), opening("open")).take_changes(AT)
    decoded = []

    def decode(value: bytes) -> RunRow | None:
        decoded.append(value)
        return parse_run_row(value)

    monkeypatch.setattr(run_store, "parse_run_row", decode)
    book = RunStore()
    assert book.restore(table(changes)) == 0
    assert [orjson.loads(value)["run"] for value in decoded] == ["open"]
    assert len(book) == 2


@pytest.mark.parametrize("damage", ["{", '{"closed":7,"edges":5}', '{"closed":7,"root":5}'])
def test_a_foreign_row_that_looks_complete_is_as_if_it_were_not_there(damage: str) -> None:
    book, fresh = RunStore(), RunStore()
    book.restore({RUN.encode(): damage.encode()})
    assert book[RUN.encode()] is None
    entries = (opening(), closing())
    assert added(book, *entries).take_changes(AT) == added(fresh, *entries).take_changes(AT)


@given(st.integers(0, 2**60), st.text())
def test_a_text_in_a_row_does_not_make_its_run_complete(number: int, text: str) -> None:
    (change,) = added(RunStore(), opening()).take_changes(AT)
    row = orjson.loads(change.row or b"") | {"pipeline": f'{text}"closed":{number},'}
    book = RunStore()
    book.restore({RUN.encode(): orjson.dumps(row)})
    assert book.open_count == 1


def test_a_row_of_the_next_release_keeps_its_fields_and_its_status() -> None:
    (change,) = added(RunStore(), opening()).take_changes(AT)
    row = orjson.loads(change.row or b"") | {"invented_later": 1, "status": "waiting for tea"}
    row["edges"]["made>b"]["invented_later"] = 2
    book = RunStore()
    assert book.restore({RUN.encode(): orjson.dumps(row)}) == 0
    (change,) = added(book, closing()).take_changes(AT)
    folded = orjson.loads(change.row or b"")
    assert (folded["status"], folded["invented_later"]) == ("completed", 1)
    assert folded["edges"]["made>b"]["invented_later"] == 2


def test_a_row_of_a_larger_format_is_not_folded_anew() -> None:
    (change,) = added(RunStore(), opening()).take_changes(AT)
    newer = orjson.dumps(orjson.loads(change.row or b"") | {"format": 9})
    with pytest.raises(NewerFormatError, match="run row has format 9"):
        RunStore().restore({RUN.encode(): newer})


def test_an_open_run_becomes_late_once() -> None:
    book = added(RunStore(), opening(within=1.0))
    book.take_changes(AT)
    expected = AT - 500 + 1000
    assert list(book.mark_late(expected)) == []
    assert [row["run"] for row in book.mark_late(expected + 1)] == [RUN]
    assert list(book.mark_late(expected + 2)) == []
    (change,) = book.take_changes(expected + 2)
    assert change.transition == "progressed"
    assert orjson.loads(change.row or b"")["late"]


def test_a_late_run_does_not_become_late_again_after_a_restart() -> None:
    book = added(RunStore(), opening(within=1.0))
    first = book.take_changes(AT)
    list(book.mark_late(AT + 5000))
    again = RunStore()
    again.restore(table(first, book.take_changes(AT + 5000)))
    assert list(again.mark_late(AT + 6000)) == []


def test_a_run_whose_event_a_throttle_holds_back_is_not_late_and_has_its_time_anew() -> None:
    book = added(RunStore(), opening(within=1.0))
    book.take_changes(AT)
    there, elsewhere = frozenset({(PIPELINE, "b")}), frozenset({(PIPELINE, "c"), ("q", "b")})
    assert list(book.mark_late(AT + 5000, there)) == []
    (change,) = book.take_changes(AT + 5000)
    assert orjson.loads(change.row or b"")["throttled"] == AT + 5000
    assert list(book.mark_late(AT + 6000)) == []
    again = RunStore()
    again.restore(table([change]))
    for store in (book, again):
        assert [row["run"] for row in store.mark_late(AT + 6001, elsewhere)] == [RUN]


def test_a_run_that_completes_in_the_time_that_it_got_anew_is_not_late() -> None:
    book = added(RunStore(), opening(within=1.0))
    book.take_changes(AT)
    list(book.mark_late(AT + 5000, frozenset({(PIPELINE, "b")})))
    book.take_changes(AT + 5000)
    (change,) = added(book, closing(at=AT + 5500)).take_changes(AT + 5500)
    assert not orjson.loads(change.row or b"")["late"]
    foreign = {**orjson.loads(change.row or b""), "throttled": "soon"}
    assert parse_run_row(orjson.dumps(foreign)) is None


def test_a_complete_run_is_not_late() -> None:
    book = added(RunStore(), opening(within=1.0))
    book.take_changes(AT)
    added(book, closing()).take_changes(AT)
    assert list(book.mark_late(AT + 5000)) == []
