"""Is each entry counted once in each of its windows?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farandole.events.outcome import RECORDED
from farandole.monitor.entry_measures import EntryMeasure, measure_entry
from farandole.monitor.tumbling_windows import SpanFigures, Window
from farandole.monitor.window_store import WindowStore

NOW = 1_800_000_000


def did(second: int, n: int) -> EntryMeasure:
    return EntryMeasure("p", "s", (NOW - second) * 1000, n, 0, 0, 0, 0, 0, 0.0, 0.0)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 9)), max_size=40), st.data())
def test_an_entry_that_is_read_again_counts_once(
    entries: list[tuple[int, int]], data: st.DataObject
) -> None:
    again = data.draw(st.integers(0, len(entries)))
    fold = WindowStore()
    for offset, entry in [*enumerate(entries), *list(enumerate(entries))[again:]]:
        fold.add(0, offset, did(*entry))
    total = sum(n for _, n in entries)
    assert sum(w.consumed for place, w in fold.windows.items() if place.ring == 60) == total


def test_windows_loaded_from_the_table_equal_the_saved_ones() -> None:
    fold, other = WindowStore(), WindowStore()
    fold.add(3, 7, did(5, 4))
    other.load(fold.take_unsaved(3))
    assert other.windows == fold.windows
    assert not fold.unsaved


def test_a_record_that_is_not_an_entry_is_skipped() -> None:
    assert measure_entry(b'{"stage": "s", "runs": [7]}', NOW) is None
    assert measure_entry(None, NOW) is None


def test_every_outcome_is_counted_in_entries_windows_and_figures() -> None:
    for counted in (EntryMeasure, Window, SpanFigures):
        assert {outcome.value for outcome in RECORDED} <= {*counted.__annotations__}


def test_a_window_of_an_older_version_is_read_with_zeros() -> None:
    window = Window.from_bytes(b"[10,5,3,1,2,3,4,5,6,1.5,0.5]")
    assert (window.cancelled, window.age, window.parked) == (6, 0.5, 0)
