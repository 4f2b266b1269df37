"""Does a gate open when all that is upstream of it is worked, and not before?"""

from __future__ import annotations

import random
from collections.abc import Collection

from hypothesis import assume, given
from hypothesis import strategies as st

from farandole.catalog.gates import Gate
from farandole.events.check_verdict import CheckVerdicts
from farandole.events.ledger_entry import LedgerEntry
from farandole.events.run_row import RunRow
from farandole.ledger.run_fold import count_settled_events, fold_part
from farandole.ledger.run_gates import GateChange, update_gates
from tests.ledger.made import AT, Graph, Story, consumed, emitted, entry, graph, part, root

RUN = "a" * 13
CHECK = "line/complete"
PASSED: CheckVerdicts = {CHECK: {"verdict": "passed", "severity": "gate"}}
FAILED: CheckVerdicts = {CHECK: {"verdict": "failed", "severity": "gate", "why": "3 of 4"}}
LOAD = Gate("load", frozenset({"check"}), frozenset({CHECK}))


def upstream_of(made: Graph, stage: str) -> frozenset[str]:
    """Return the stages from which the events of a stage of a drawn graph come."""
    found: set[str] = set()
    pending = [stage]
    while pending:
        here = pending.pop()
        for event_type, readers in made.items():
            if here in readers and event_type != "asked":
                emitter = event_type.split("-")[1]
                if emitter not in found:
                    found.add(emitter)
                    pending.append(emitter)
    return frozenset(found)


class Books:
    """One run, as its entries are folded one by one."""

    def __init__(self, gate: Gate, verdicts: CheckVerdicts) -> None:
        self.gate = gate
        self.verdicts = verdicts
        self.row: RunRow | None = None

    def fold(self, *entries: LedgerEntry) -> list[GateChange]:
        for each in entries:
            for one in each["runs"]:
                self.row, _ = fold_part(self.row, one, each, count_settled_events(each))
        assert self.row is not None
        return [*update_gates(self.row, {self.gate.stage: self.gate}, lambda: self.verdicts, AT)]

    @property
    def state(self) -> str | None:
        assert self.row is not None
        found = self.row.get("gates", {}).get(self.gate.stage)
        return None if found is None else found["state"]


def last_of(entries: Collection[LedgerEntry], stages: Collection[str]) -> int:
    """Return the index of the last entry of these stages."""
    return max(i for i, each in enumerate(entries) if each["stage"] in stages)


@given(st.integers(0, 2**32))
def test_a_gate_is_judged_with_the_last_entry_upstream_and_not_before(seed: int) -> None:
    die = random.Random(seed)
    made = graph(die)
    gated = [s for readers in made.values() for s in readers if upstream_of(made, s)]
    assume(gated)
    stage = die.choice(gated)
    upstream = upstream_of(made, stage)
    entries = Story(die, made, RUN).tell()
    assume(any(each["stage"] in upstream for each in entries))
    worked = last_of(entries, upstream)
    assume(worked < len(entries) - 1)  # else the run ends with it: nothing enters
    books = Books(Gate(stage, upstream, frozenset()), {})
    for index, each in enumerate(entries[:-1]):
        books.fold(each)
        assert (books.state is not None) == (index >= worked), (index, worked)


def _checked(lines: int = 2) -> LedgerEntry:
    """The entry of the stage upstream, which has emitted lines."""
    made = [f"l{n}" for n in range(lines)]
    return entry(
        "check",
        part(RUN, {"asked": consumed(RUN)}, {"line": emitted(*made, to=["load"])}, root("check")),
    )


def _loaded(*ids: str, **kinds: int) -> LedgerEntry:
    return entry("load", part(RUN, {"line": consumed(*ids, **kinds)}))


def test_a_gate_whose_checks_have_passed_opens_and_its_row_goes_with_the_run() -> None:
    books = Books(LOAD, PASSED)
    assert books.fold(_checked()) == [GateChange("load", True, {}, False)]
    assert books.fold(_loaded("l0")) == []
    assert books.fold(_loaded("l1")) == [GateChange("load", False, {}, False)]
    assert books.state == "open"


def test_a_gate_whose_check_has_failed_stays_shut_and_says_so_once() -> None:
    books = Books(LOAD, FAILED)
    assert books.fold(_checked()) == [GateChange("load", None, FAILED, False)]
    assert books.fold() == []
    assert books.state == "failed"


def test_only_the_checks_of_the_gate_keep_it_shut() -> None:
    books = Books(LOAD._replace(checks=frozenset()), FAILED)
    assert books.fold(_checked()) == [GateChange("load", True, {}, False)]


def test_a_replay_upstream_lets_a_failed_gate_be_judged_again() -> None:
    books = Books(LOAD, FAILED)
    died = {"asked": consumed(RUN, dead=1)}
    books.fold(entry("check", part(RUN, died, {"line": emitted("l0", to=["load"])}, root("check"))))
    assert books.state == "failed"
    # The command that replays a letter books it as parked again; then the stage handles it.
    replayed = {"asked": {**consumed(), "dead": -1, "parked": 1}}
    assert books.fold(entry("check", part(RUN, replayed))) == []  # type: ignore[arg-type]
    books.verdicts = PASSED
    handled = {"asked": {**consumed(), "parked": -1}}
    out = {"line": emitted("l1", to=["load"])}
    changes = books.fold(entry("check", part(RUN, handled, out)))  # type: ignore[arg-type]
    assert changes == [GateChange("load", True, {}, True)]


def test_a_run_that_somebody_releases_is_open_from_its_first_event_on() -> None:
    books = Books(LOAD, FAILED)
    books.fold(_checked())
    assert books.fold(_loaded("l0")) == [GateChange("load", True, {}, True)]
    assert books.state == "released"
    assert books.fold(_loaded("l1")) == [GateChange("load", False, {}, False)]


def test_a_cancelled_run_waits_no_longer() -> None:
    books = Books(LOAD, FAILED)
    books.fold(_checked())
    assert books.fold(_loaded("l0", cancelled=1)) == []
    changes = books.fold(_loaded("l1", cancelled=1))
    assert (changes, books.state) == ([GateChange("load", False, {}, True)], "failed")


def test_a_replay_after_the_end_finds_the_gate_open() -> None:
    books = Books(LOAD, PASSED)
    books.fold(_checked(1))
    books.fold(_loaded("l0"))
    again = entry("check", part(RUN, {}, {"line": emitted("l9", to=["load"])}))
    assert books.fold(again) == [GateChange("load", True, {}, False)]
    assert books.fold(_loaded("l9")) == [GateChange("load", False, {}, False)]


def test_a_run_without_a_known_root_waits() -> None:
    books = Books(LOAD, PASSED)
    assert books.fold(entry("check", part(RUN, {}, {"line": emitted("l0", to=["load"])}))) == []
    assert books.state is None
