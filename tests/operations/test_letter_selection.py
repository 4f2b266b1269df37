"""Are those letters meant that a person says, and do those stand together that are alike?"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from farandole.events.settlement_record import SettlementKind
from farandole.notifier.dead_letter_view import DeadLetterView
from farandole.operations.dead_letters.failure_kinds import (
    MAX_KINDS,
    OTHER_KINDS,
    FailureKinds,
)
from farandole.operations.dead_letters.letter_selection import LetterSelection
from tests.notifier.letters import START, Died, milliseconds, nothing_personal, record

NOW = START + timedelta(days=1)

died = st.builds(
    Died,
    after=st.integers(0, 1_000),
    error=st.sampled_from(["Reject", "KeyError"]),
    message=st.sampled_from(["line 7 is empty", "line 8 is empty", "nothing was paid"]),
    stage=st.sampled_from(["validate", "load"]),
)
settled = st.sampled_from([None, "replayed", "discarded"])


def read(one: Died, offset: int) -> DeadLetterView:
    return DeadLetterView.from_record(record(one, offset), "p", one.stage, nothing_personal, NOW)


@given(st.lists(st.tuples(died, settled), max_size=30))
def test_every_letter_is_counted_in_one_group(
    those: list[tuple[Died, SettlementKind | None]],
) -> None:
    groups = FailureKinds()
    for offset, (one, how) in enumerate(those):
        groups.add(read(one, offset), how)
    found = groups.newest_first()
    assert sum(g.open + g.replayed + g.discarded for g in found) == len(those)
    assert sum(g.open for g in found) == sum(how is None for _, how in those)
    kinds = Counter((o.stage, o.error, "empty" in o.message) for o, _ in those)
    assert Counter(g.open + g.replayed + g.discarded for g in found) == Counter(kinds.values())
    assert [g.open > 0 for g in found] == sorted((g.open > 0 for g in found), reverse=True)
    for group in found:
        assert group.first <= group.last


def test_a_flood_of_kinds_is_one_more_group() -> None:
    groups = FailureKinds()
    for number in range(MAX_KINDS + 50):
        word = "".join(chr(97 + int(digit)) for digit in str(number))
        groups.add(read(Died(0, message=word), number), None)
    found = groups.newest_first()
    assert len(found) == MAX_KINDS + 1
    (rest,) = [g for g in found if g.fingerprint == OTHER_KINDS]
    assert rest.open == 50


@given(st.lists(died, max_size=20), st.integers(0, 1_000), st.integers(0, 1_000))
def test_filters_narrow_down_each_other(those: list[Died], since: int, until: int) -> None:
    letters = [read(one, offset) for offset, one in enumerate(those)]
    first, end = milliseconds(since), milliseconds(until)
    chosen = LetterSelection(stage="load", since=first, until=end)
    assert [x.record.offset for x in letters if chosen.matches(x)] == [
        n for n, one in enumerate(those) if one.stage == "load" and since <= one.after < until
    ]
    for each in letters:
        alike = [x for x in letters if LetterSelection(fingerprint=each.fingerprint).matches(x)]
        assert each in alike
        assert {x.fingerprint for x in alike} == {each.fingerprint}


def test_positions_are_taken_and_nothing_else() -> None:
    chosen = LetterSelection({"load": frozenset({1, 3})})
    letters = [
        read(Died(0, stage=s), n) for n, s in enumerate(["load", "load", "load", "validate"])
    ]
    assert [x.record.offset for x in letters if chosen.matches(x)] == [1]
    assert chosen.first_offset("load") == 1
    assert [chosen.may_include_stage(stage) for stage in ("load", "validate")] == [True, False]


def test_a_letter_belongs_to_the_run_in_its_account() -> None:
    letter = read(Died(0), 1)
    assert LetterSelection(run="run").matches(letter)
    assert not LetterSelection(run="other").matches(letter)


def test_an_empty_selection_is_not_given() -> None:
    assert not LetterSelection().is_given
    assert LetterSelection(all_letters=True).is_given
    assert LetterSelection(since=0).is_given
