"""What do the books say of edges, whatever order the rows of runs come in?"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from farandole.events.run_row import RunRow
from farandole.events.topology_version import EventSpec, StageSpec
from farandole.operations.read_model.edge_facts import find_edge_facts
from farandole.operations.read_model.entry_rates import WINDOW_SECONDS, EntryRates
from farandole.operations.read_model.open_edges import EdgeLoad, EdgeName, OpenEdges
from tests.catalog.made import version
from tests.ledger.made import AT, consumed, emitted, entry, part
from tests.read_model.stand import edge, run_row

EDGES = st.dictionaries(
    st.sampled_from(["a>s", "b>s", "b>s@p@2", "a>s@other@1", "c>t"]),
    st.builds(edge, st.integers(0, 5), st.integers(0, 5), parked=st.integers(0, 2)),
)


@given(st.lists(st.tuples(st.sampled_from("xyz"), st.none() | EDGES), max_size=12))
def test_the_sums_are_those_of_the_newest_rows(changes: list[tuple[str, object]]) -> None:
    rows: list[tuple[str, RunRow | None]] = [
        (run, None if edges is None else run_row(run, edges=edges)) for run, edges in changes
    ]
    folded, anew = OpenEdges(), OpenEdges()
    for run, row in rows:
        folded.put(run, row)
    for run, row in dict(rows).items():
        anew.put(run, row)
    assert folded.of("p") == anew.of("p")


def test_events_of_an_older_version_are_on_an_edge_of_it() -> None:
    edges = OpenEdges()
    edges.put("x", run_row("x", edges={"a>s": edge(3, 1), "a>s@p@2": edge(2, 1, parked=1)}))
    assert edges.of("p") == {
        EdgeName("p", 1, "a", "s"): EdgeLoad(2, 0),
        EdgeName("p", 2, "a", "s"): EdgeLoad(2, 1),
    }


def rates_after(ages: Sequence[int]) -> EntryRates:
    """Entries that each settle two events and emit one, some windows ago."""
    rates = EntryRates()
    for age in ages:
        at = AT - age * WINDOW_SECONDS * 1000
        made = {"made": emitted("m", to=["t"])}
        each = entry("s", part("x", {"asked": consumed("1", "2", oldest=at)}, made), at=at)
        rates.take({**each, "pipeline": "p"}, AT)
    return rates


def test_a_rate_is_that_of_the_last_full_windows() -> None:
    rates = rates_after([0, 1, 2, 3, 4])
    counts = rates.recent(("p", "s", "asked"), AT)
    assert (counts.settled, rates.per_second(counts.settled)) == (6, 0.4)


@given(st.permutations(range(6)))
def test_entries_that_come_late_are_counted_in_their_window(ages: list[int]) -> None:
    found = rates_after(ages).history(("p", "s", ""), AT)
    assert [each.settled for each in found[-6:]] == [0, 2, 2, 2, 2, 2]


def test_what_is_silent_for_ten_minutes_is_forgotten() -> None:
    rates = rates_after([1])
    rates.forget_silent(AT + 601_000)
    assert rates.history(("p", "s", ""), AT)[-1].settled == 0


def test_the_books_do_not_know_what_nobody_has_taken() -> None:
    events = {
        name: EventSpec(topic=name, partitions=1, boundaries=(0,)) for name in ("asked", "made")
    }
    stages = {
        "s": StageSpec(run="m:s", subscribes=("asked",), emits=("made",)),
        "t": StageSpec(run="m:t", subscribes=("made",)),
    }
    of = version(1, events, stages)
    found = find_edge_facts(of, OpenEdges(), rates_after([1]), AT)
    assert (found["asked>s"].in_flight, found["made>t"].in_flight) == (None, 0)
    assert found["made>t"].rate_in == round(1 / 15, 3)
