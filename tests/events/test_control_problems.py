"""Does a person learn what is wrong with a control document, and what to write instead?"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from farandole.events.control_problems import control_problem, problem_text
from farandole.events.flag_document import FlagDocument
from tests.hostile.hostile_controls import NO_DOCUMENTS

SWITCH = {"do": "switch", "pipeline": "p", "stage": "s", "mode": "hold"}
FLAG = {"do": "flag", "pipeline": "p", "flag": "f"}
FIRE = {"do": "fire", "pipeline": "p", "schedule": "s", "id": "7f3a"}
BACKFILL = {**FIRE, "do": "backfill", "from": "2026-11-01T00:00:00Z", "to": "2026-11-08T00:00:00Z"}
CANARY = {**SWITCH, "mode": "canary", "run": "shop:price2"}
TIME = "write for example 2026-11-24T14:00:00Z"
PYDANTIC = re.compile(
    r"input|field required|discriminator|tuple|valid |permitted|pattern|string|boolean|integer",
    re.I,
)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({**SWITCH, "untl": "x"}, "untl: no such field; did you mean until? There are"),
        ({**SWITCH, "until": "2026-11-24T13:00"}, f'until: "2026-11-24T13:00" has no time zone; {TIME}'),  # noqa: E501
        ({**SWITCH, "until": "soon"}, f'until: "soon" is no time; {TIME}'),
        ({**SWITCH, "until": True}, f"until: true is no time; {TIME}"),
        ({"do": "mute", "stage": "s"}, f"until: it is missing; {TIME}"),
        ({**CANARY, "share": "150%"}, "share: 150% is not above 0 % and at most 100 %"),
        ({**CANARY, "share": 10}, "share: 1000 % is not above 0 % and at most 100 %"),
        ({**CANARY, "share": "nan%"}, "share: nan% is not above 0 %"),
        ({**CANARY, "share": []}, "share: a number is needed, not []"),
        ({**SWITCH, "do": "pauze"}, 'do: there is no "pauze"; did you mean pause? There are ack'),
        ({**SWITCH, "do": "SWITCH"}, 'do: there is no "SWITCH"; did you mean switch?'),
        ({"pipeline": "p"}, "do: it is missing; there are acknowledge, backfill, cancel,"),
        ({"do": "switch", "mode": "on"}, "pipeline: it is missing"),
        ({"do": "switch", "pipeline": "p"}, "mode: it is missing; there are on, hold, bypass,"),
        ({**SWITCH, "mode": "holt"}, 'mode: "holt" is not one of them; did you mean hold? There'),
        ({**SWITCH, "stage": 7}, "stage: a text is needed, not 7"),
        ({**SWITCH, "pipeline": ""}, "pipeline: it must not be empty"),
        ({**SWITCH, "run": "price2"}, 'run: "price2" is not of the form package.module:function'),
        ({**SWITCH, "allow_effects": 1}, "allow_effects: true or false is needed, not 1"),
        ({**FLAG, "flag": 7, "value": 1}, "flag: a text is needed, not 7"),
        ({**FLAG, "rules": [{"valu": 1}]}, "rules.0.valu: no such field; did you mean value?"),
        ({**FLAG, "rules": {}}, "rules: a list is needed, not {}"),
        ({"do": "end-switch", "pipeline": "p", "generation": -1}, "generation: -1 is less than 0"),
        (FIRE, f"planned: it is missing; {TIME}"),
        ({**FIRE, "planned": "now"}, f'planned: "now" is no time; {TIME}'),
        ({**FIRE, "id": "a/b", "planned": "2026-11-24T14:00:00Z"}, 'id: "a/b" is no id: letters,'),
        ({**BACKFILL, "max_parallel": 101}, "max_parallel: 101 is more than 100"),
        ({**BACKFILL, "max_parallel": 0}, "max_parallel: 0 is less than 1"),
        ({**BACKFILL, "to": "2026-10-01T00:00:00Z"}, "to must be later than from"),
        ({"do": "schedule", "pipeline": "p"}, "paused: it is missing"),
        ({"do": "schedule", "pipeline": "p", "paused": 1}, "paused: true or false is needed, not"),
        ([1], "a document is a JSON object, not [1]"),
    ],
)  # fmt: skip
def test_the_text_names_the_field_and_what_to_write(document: Any, problem: str) -> None:
    found = control_problem(json.dumps(document).encode())
    assert found is not None
    assert found.startswith(problem)
    assert not PYDANTIC.search(found)


def test_a_field_named_as_its_kind_is_named_without_the_kind_before_it() -> None:
    with pytest.raises(ValidationError) as raised:
        FlagDocument.model_validate({"pipeline": "p", "flag": "", "value": 1})
    assert problem_text(raised.value) == "flag: it must not be empty"


@pytest.mark.parametrize("value", NO_DOCUMENTS.values(), ids=NO_DOCUMENTS)
def test_no_hostile_document_is_refused_in_words_of_the_library(value: bytes) -> None:
    found = control_problem(value)
    assert found
    assert len(found) <= 300
    assert found.startswith("it is no JSON") or not PYDANTIC.search(found)


def test_where_a_text_is_no_json_is_said_without_the_words_of_a_parser() -> None:
    assert control_problem(b"{x}") == "it is no JSON at line 1 column 2"
