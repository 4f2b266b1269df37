"""Can a program list, preview, replay and discard dead letters without a terminal?"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from farandole.operations.dead_letters.discard import DiscardRequest, discard_letters
from farandole.operations.dead_letters.letter_queries import (
    KindsRequest,
    LettersRequest,
    ShowLetterRequest,
    list_kinds,
    list_letters,
    show_letter,
)
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay import (
    ReplayRequest,
    preview_replay,
    replay_letters,
)
from farandole.operations.errors import NotFoundError, OperationError, RefusedError
from tests.cli.conftest import LINE, Bury
from tests.operations.conftest import Ask

pytestmark = pytest.mark.kafka

ALL = LetterSelection(all_letters=True)


def code_of(raised: pytest.ExceptionInfo[OperationError]) -> tuple[str, dict[str, Any]]:
    orjson.dumps(raised.value.to_data())  # every error has a JSON form
    return raised.value.code, raised.value.fields


def test_letters_and_their_kinds_have_a_json_form(ask: Ask, die: Bury) -> None:
    die("nothing was sold", "nothing was sold", "nothing was paid")
    kinds = ask(list_kinds, KindsRequest())
    assert sorted((kind.title, kind.open) for kind in kinds) == [
        ("nothing was paid", 1), ("nothing was sold", 2),
    ]  # fmt: skip
    letters = ask(list_letters, LettersRequest(limit=2))
    assert [(letter.stage, letter.offset, letter.settled) for letter in letters] == [
        ("validate", 0, None), ("validate", 1, None),
    ]  # fmt: skip
    shown = ask(show_letter, ShowLetterRequest("validate", 0)).to_data()
    assert (shown["dead"]["message"], shown["settlement"]) == ("nothing was sold", None)
    assert orjson.loads(shown["value"]) == LINE
    orjson.dumps([[kind.to_data() for kind in kinds], letters[0].to_data(), shown])


def test_a_preview_tells_what_a_replay_does(ask: Ask, die: Bury) -> None:
    die("nothing was sold", "nothing was paid")
    die("of another time", version="order-lines@9")
    request = ReplayRequest(ALL, "ann")
    preview = ask(preview_replay, request)
    orjson.dumps(preview.to_data())
    (stage,) = preview.stages  # offset 2 is a transaction marker
    assert (stage.replayable, stage.settled_before, stage.letters) == (2, 0, [0, 1, 3])
    (refusal,) = preview.refused
    assert (refusal.reason.code, refusal.count) == ("letter_version_unknown", 1)
    result = ask(replay_letters, request)
    orjson.dumps(result.to_data())
    assert (result.replayed, [r.count for r in result.refused]) == (2, [1])
    again = ask(preview_replay, request)
    assert (again.stages[0].settled_before, again.stages[0].replayable) == (2, 0)


def test_edited_values_are_checked_before_anything_is_sent(ask: Ask, die: Bury) -> None:
    die("nothing was sold", "nothing was paid")
    good = orjson.dumps(LINE | {"quantity": 2})
    for bad in (orjson.dumps(LINE | {"quantity": -1}), b"{"):
        values = {"validate": {0: good, 1: bad}}
        with pytest.raises(RefusedError) as raised:
            ask(replay_letters, ReplayRequest(ALL, "ann", values=values))
        code, fields = code_of(raised)
        assert (code, fields["stage"], fields["offset"]) == ("unfit_value", "validate", 1)
    values = {"validate": {0: good, 1: good}}
    assert ask(replay_letters, ReplayRequest(ALL, "ann", values=values)).replayed == 2


def test_a_discarded_letter_is_settled(ask: Ask, die: Bury) -> None:
    die("nothing was sold")
    selection = LetterSelection({"validate": frozenset({0})})
    result = ask(discard_letters, DiscardRequest(selection, "a test feed", "ann"))
    assert [(each.stage, each.discarded) for each in result.stages] == [("validate", 1)]
    shown = ask(show_letter, ShowLetterRequest("validate", 0)).to_data()
    assert shown["settlement"]["reason"] == "a test feed"
    again = ask(discard_letters, DiscardRequest(selection, "once more", "ann"))
    assert [(each.settled_before, each.discarded) for each in again.stages] == [(1, 0)]


def test_what_is_not_there_has_a_code(ask: Ask, die: Bury) -> None:
    die("nothing was sold")
    with pytest.raises(NotFoundError) as raised:
        ask(show_letter, ShowLetterRequest("validate", 7))
    assert code_of(raised) == ("unknown_letter", {"stage": "validate", "offset": 7})
    with pytest.raises(NotFoundError) as raised:
        ask(list_kinds, KindsRequest(LetterSelection(stage="validat")))
    assert code_of(raised)[0] == "unknown_stage"
