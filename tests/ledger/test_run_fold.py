"""Does a run close once, when all of its events are settled, and never before?"""

from __future__ import annotations

import random
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.control_generations import united_generations
from farandole.events.ledger_entry import LedgerEntry, hash_event_ids
from farandole.events.run_row import in_flight
from farandole.ledger.run_fold import count_settled_events, fold_part
from tests.ledger.made import AT, consumed, emitted, entry, part, read, root, story

RUN = "a" * 13
SEEDS = st.integers(0, 2**32)


@given(SEEDS)
def test_a_run_closes_with_its_last_entry_and_not_before(seed: int) -> None:
    _, transitions = read(*story(seed))
    assert transitions.index("completed") == len(transitions) - 1
    assert transitions.count("completed") == 1


@given(SEEDS)
def test_a_row_names_the_newest_documents_under_which_the_run_was_worked(seed: int) -> None:
    die, entries = random.Random(seed), story(seed)
    names = [f"flag/vip@{die.randrange(100)}" for _ in range(die.randint(0, 60))]
    for each in names:
        entry = die.choice(entries)
        entry["controls"] = united_generations(entry.get("controls", ()), [each])
    row, _ = read(*entries)
    assert row.get("controls", []) == united_generations(names)


def _without_one_emitted(entries: list[LedgerEntry], die: random.Random) -> bool:
    return _changed(entries, die, "out", -1, b"any")


def _with_one_settled_twice(entries: list[LedgerEntry], die: random.Random) -> bool:
    return _changed(entries, die, "in", +1, b"any")


def _with_one_swapped_for_another(entries: list[LedgerEntry], die: random.Random) -> bool:
    return _changed(entries, die, "in", 0, b"any")


def _with_one_settled_by_nobody(entries: list[LedgerEntry], die: random.Random) -> bool:
    return _changed(entries, die, "in", -1, b"any")


def _changed(
    entries: list[LedgerEntry], die: random.Random, side: str, by: int, id_: bytes
) -> bool:
    counts = [
        c for e in entries for p in e["runs"] for c in p[side].values()  # type: ignore[literal-required]
        if c["n"] and c.get("to") != []
    ]  # fmt: skip
    if not counts:
        return False
    counted = die.choice(counts)
    counted["n"] += by
    counted["hash"] = (counted["hash"] + (by or 1) * hash_event_ids([id_])) % 2**64
    return True


def _without_an_entry(entries: list[LedgerEntry], die: random.Random) -> bool:
    entries.remove(die.choice(entries))
    return bool(entries)


def _in_another_version(entries: list[LedgerEntry], die: random.Random) -> bool:
    if len(entries) < 2:
        return False
    die.choice(entries[1:])["runs"][0]["version"] = 2
    return True


@pytest.mark.parametrize(
    "mutation",
    [
        _without_one_emitted,
        _with_one_settled_twice,
        _with_one_swapped_for_another,
        _with_one_settled_by_nobody,
        _without_an_entry,
        _in_another_version,
    ],
)
@given(seed=SEEDS)
def test_entries_with_one_mistake_never_complete_a_run(mutation, seed: int) -> None:  # type: ignore[no-untyped-def]
    entries = deepcopy(story(seed))
    if mutation(entries, random.Random(seed)):
        assert "completed" not in read(*entries)[1]


def test_a_root_counts_for_both_subscribers_once_one_of_them_has_an_entry() -> None:
    opening = root("a", "b")
    first = entry("a", part(RUN, {"asked": consumed(RUN)}, opened_by=opening))
    second = entry("b", part(RUN, {"asked": consumed(RUN)}, opened_by=opening))
    assert read(first)[0]["status"] == "running"
    assert read(first, second)[1] == ["opened", "completed"]


def test_an_event_type_without_subscribers_is_a_leaf() -> None:
    row, transitions = read(_one_event({"loaded": emitted("x", "y", to=[])}))
    assert (row["leaves"], transitions) == ({"loaded": 2}, ["completed"])


def _one_event(out=None, **kinds: int) -> LedgerEntry:  # type: ignore[no-untyped-def]
    return entry("a", part(RUN, {"asked": consumed(RUN, **kinds)}, out, root("a")))


def test_a_run_through_a_program_that_writes_no_entries_is_never_complete() -> None:
    row, transitions = read(
        entry(
            "plan",
            part(RUN, {"asked": consumed("r")}, {"made": emitted("a", to=["score"])}, root("plan")),
        ),
        entry("report", part(RUN, {"scored": consumed("s")})),
    )
    assert (row["status"], transitions) == ("running", ["opened", "progressed"])
    assert {name: in_flight(edge) for name, edge in row["edges"].items()} == {
        "asked>plan": 0, "made>score": 1, "scored>report": -1,
    }  # fmt: skip
    alone, _ = read(entry("report", part(RUN, {"scored": consumed("s")})))
    assert alone["status"] == "unopened"


def test_a_run_whose_root_died_has_failed() -> None:
    assert read(_one_event(dead=1))[0]["status"] == "failed"


def test_a_run_with_a_cancelled_event_is_cancelled() -> None:
    assert read(_one_event(cancelled=1))[0]["status"] == "cancelled"


@pytest.mark.parametrize(
    ("fail_above", "status"),
    [
        (None, "completed with dead letters"),
        (0.25, "completed with dead letters"),
        (0.24, "failed"),
    ],
)
def test_a_run_fails_if_the_share_of_dead_letters_is_above_the_limit(
    fail_above: float | None, status: str
) -> None:
    """One of four events died, the root included; the number of subscribers does not matter."""
    bounds = {} if fail_above is None else {"fail_above": fail_above}
    ids = ["x", "y", "z"]
    row, _ = read(
        entry(
            "a",
            part(
                RUN,
                {"asked": consumed(RUN)},
                {"made": emitted(*ids, to=["b", "c"])},
                root("a", **bounds),
            ),
        ),
        entry("b", part(RUN, {"made": consumed(*ids, dead=1)})),
        entry("c", part(RUN, {"made": consumed(*ids)})),
    )
    assert row["status"] == status


def test_a_replay_amends_a_run_and_does_not_complete_it_again() -> None:
    replay = entry("b", part(RUN, {"made": consumed(dead=-1)}, {"kept": emitted("k", to=["c"])}))
    row, transitions = read(
        entry(
            "a", part(RUN, {"asked": consumed(RUN)}, {"made": emitted("x", to=["b"])}, root("a"))
        ),
        entry("b", part(RUN, {"made": consumed("x", dead=1)})),
        replay,
        entry("c", part(RUN, {"kept": consumed("k")})),
    )
    assert transitions == ["opened", "completed", "progressed", "amended"]
    assert (row["status"], row["amended"]) == ("completed", 1)


def test_a_run_that_is_out_of_balance_again_keeps_its_status() -> None:
    row, _ = read(
        _one_event(dead=1),
        entry("a", part(RUN, {"asked": consumed(dead=-1, parked=1)})),
    )
    assert row["status"] == "failed"


def test_events_without_a_root_open_no_run() -> None:
    row, transitions = read(entry("b", part(RUN, {}, {"made": emitted("x", to=["c"])})),
                     entry("c", part(RUN, {"made": consumed("x")})))  # fmt: skip
    assert (row["status"], transitions) == ("unopened", ["opened", "progressed"])


def test_a_replay_of_a_root_whose_row_is_forgotten_opens_nothing() -> None:
    replay = entry("a", part(RUN, {"asked": consumed(dead=-1)}, {}, root("a")))
    row, transitions = read(replay)
    assert (row["status"], row["root"], transitions) == ("unopened", None, ["opened"])


def test_a_second_root_is_never_complete() -> None:
    other = root("a")
    other["offset"] += 1
    row, transitions = read(
        entry(
            "a", part(RUN, {"asked": consumed(RUN)}, {"made": emitted("x", to=["a"])}, root("a"))
        ),
        entry("a", part(RUN, {"asked": consumed(RUN), "made": consumed("x")}, {}, other)),
    )
    assert "completed" not in transitions
    assert "asked>a@asked/order-lines.asked/0/8" in row["edges"]


def test_events_of_another_version_are_counted_on_a_separate_edge() -> None:
    row, transitions = read(
        entry(
            "a", part(RUN, {"asked": consumed(RUN)}, {"made": emitted("x", to=["b"])}, root("a"))
        ),
        entry("b", part(RUN, {"made": consumed("x")}, version=2)),
    )
    assert "completed" not in transitions
    assert row["edges"]["made>b"]["consumed"] == 0
    assert row["edges"]["made>b@order-lines@2"]["consumed"] == 1


def test_a_run_that_took_longer_than_expected_is_late() -> None:
    slow = entry("a", part(RUN, {"asked": consumed(RUN)}, {}, root("a", within=0.4)))
    assert read(slow)[0]["late"]
    assert not read(entry("a", part(RUN, {"asked": consumed(RUN)}, {}, root("a", within=0.5))))[0][
        "late"
    ]


def test_an_edge_has_the_age_and_handling_time_of_its_events() -> None:
    """Two runs with three events and one: the seconds are divided by the number of events."""
    ours = part(RUN, {"asked": consumed(RUN)}, {}, root("a"))
    others = part("b" * 13, {"asked": consumed("b" * 13, "c", "d")})
    row, _ = read(entry("a", ours, at=AT + 1500, seconds=8.0), entry("a", at=AT))
    both = entry("a", ours, others, at=AT + 1500, seconds=8.0)
    (shared, _), edge = _first(both), row["edges"]["asked>a"]
    assert (edge["age"], edge["seconds"], edge["first"]) == (1.5, 8.0, AT + 1500)
    assert shared["edges"]["asked>a"]["seconds"] == 2.0


def _first(both: LedgerEntry):  # type: ignore[no-untyped-def]
    return fold_part(None, both["runs"][0], both, count_settled_events(both))


def test_folding_does_not_change_the_given_row() -> None:
    opened = read(
        entry("a", part(RUN, {"asked": consumed(RUN)}, {"made": emitted("x", to=["b"])}, root("a")))
    )[0]
    before = deepcopy(opened)
    closing = entry("b", part(RUN, {"made": consumed("x")}))
    fold_part(opened, closing["runs"][0], closing, 1)
    assert opened == before


def test_a_replay_by_another_version_amends_a_run_once_the_edges_of_that_version_balance() -> None:
    row, transitions = read(
        _one_event(dead=1),
        entry("a", part(RUN, {"asked": consumed(dead=-1, parked=1)})),
        entry(
            "a",
            part(RUN, {}, {"made": emitted("x", to=["b"])}, version=3),
            part(RUN, {"asked": consumed(parked=-1)}, {}, root("a")),
        ),
        entry("b", part(RUN, {"made": consumed("x")}, version=3)),
    )
    assert transitions[-4:] == ["progressed", "progressed", "progressed", "amended"]
    assert (row["status"], row["version"], row["amended"]) == ("completed", 1, 1)
    assert row["edges"]["made>b@order-lines@3"]["consumed"] == 1


def test_events_of_another_pipeline_never_complete_a_run() -> None:
    other = entry("b", part(RUN, {}, {"made": emitted("x", to=["b"])}))
    more = entry("b", part(RUN, {"made": consumed("x")}))
    asked = entry("a", part(RUN, {"asked": consumed(RUN)}, {}, root("a", "c")))
    rest = entry("c", part(RUN, {"asked": consumed(RUN)}, {}, root("a", "c")))
    foreign = [{**each, "pipeline": "another"} for each in (other, more)]
    _, transitions = read(asked, *foreign, rest)  # type: ignore[arg-type]
    assert "completed" not in transitions


@pytest.mark.parametrize(("dead", "status"), [(0, "settled"), (1, "settled with dead letters")])
def test_a_run_through_a_program_without_transactions_is_settled_and_never_completed(
    dead: int, status: str
) -> None:
    outcomes = {"dead": dead} if dead else {}
    made = {"made": emitted("m", to=["load"])}
    opened = entry("plan", part(RUN, {"asked": consumed(RUN)}, made, root("plan")))
    relayed = entry("load", part(RUN, {"made": consumed("m", **outcomes)}))
    relayed |= {"format": 2, "proven": False}
    row, transitions = read(opened, relayed)
    assert (row["status"], row.get("format"), transitions) == (status, 2, ["opened", "settled"])
    row, transitions = read(opened, {**relayed, "proven": True})
    assert "completed" in transitions
