"""Is what somebody changes in a masked JSON text applied to the original, and nothing else?"""

from __future__ import annotations

import pytest

from farandole.events.json_edit import (
    MaskedPartError,
    NotAPatchError,
    apply_edit,
    merge_patch_between,
)
from farandole.events.json_text import merge_patch_text, parse_json
from farandole.events.safe_text import escape_harmful_json

ORIGINAL = (
    '{"who": "Ann", "n": 12345678901234567890, "price": 19.990, "items": [{"of": "Bob", "q": 0}]}'
)
SHOWN = ORIGINAL.replace("Ann", "•••").replace("Bob", "•••").replace('{"who', '{\n "who')


def test_what_is_not_touched_stays_digit_for_digit() -> None:
    assert apply_edit(ORIGINAL, SHOWN, SHOWN) == ORIGINAL
    changed = apply_edit(ORIGINAL, SHOWN, SHOWN.replace('"q": 0', '"q": 1'))
    assert "12345678901234567890" in changed
    assert "19.990" in changed
    assert parse_json(changed) == parse_json(ORIGINAL.replace('"q": 0', '"q": 1'))


def test_a_masked_value_can_be_written_anew() -> None:
    changed = apply_edit(ORIGINAL, SHOWN, SHOWN.replace('"who": "•••"', '"who": "Eve"'))
    assert parse_json(changed)["who"] == "Eve"
    assert parse_json(changed)["items"][0]["of"] == "Bob"


def test_a_field_is_added_removed_and_set_to_null() -> None:
    shown = '{"a": 1, "b": 2}'
    assert parse_json(apply_edit(shown, shown, '{"b": null, "c": [3]}')) == {"b": None, "c": [3]}


def test_a_mask_of_which_nobody_knows_the_meaning_is_refused() -> None:
    with pytest.raises(MaskedPartError):
        apply_edit(ORIGINAL, SHOWN, '{"items": [{"of": "•••"}, {"of": "•••"}]}')
    with pytest.raises(MaskedPartError):
        apply_edit(ORIGINAL, SHOWN, SHOWN.replace("who", "whom"))


def test_a_change_becomes_a_merge_patch() -> None:
    before = '{"a": 1, "b": {"c": 2, "d": 3.10}, "e": 5}'
    after = '{"a": 1, "b": {"c": 7, "d": 3.10}, "f": 1e400}'
    patch = merge_patch_between(before, after)
    assert patch == '{"e": null, "b": {"c": 7}, "f": 1e400}'
    assert parse_json(merge_patch_text(before, patch)) == parse_json(after)
    assert merge_patch_between(before, before) == "{}"


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("[1]", "[2]", NotAPatchError),
        ('{"a": 1}', '{"a": null}', NotAPatchError),
        ('{"a": [{"b": "•••", "c": 1}]}', '{"a": [{"b": "•••", "c": 2}]}', MaskedPartError),
    ],
)
def test_what_no_patch_can_say_is_refused(before: str, after: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        merge_patch_between(before, after)


def test_what_is_harmful_is_escaped_without_changing_the_value() -> None:
    text = '{"note": "\u202egnp.exe\u200b \U000e0041 \x7f"}'
    escaped = escape_harmful_json(text)
    assert parse_json(escaped) == parse_json(text)
    assert escaped.isascii()
