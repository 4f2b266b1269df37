"""Is a JSON text changed only where its data change?"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.events.json_text import (
    compact_json,
    indent_json,
    member_text,
    merge_patch_text,
    parse_json,
    rewrite_json,
)

NUMBERS = st.one_of(
    st.integers().map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
SPACES = st.sampled_from(["", "", " ", "\n  ", "\t"])
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)


def _written(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([json.dumps(name), json.dumps(name, ensure_ascii=False)])


@st.composite
def _object_text(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    parts = [
        f"{draw(SPACES)}{draw(_written(name))}{draw(SPACES)}:{draw(SPACES)}{draw(values)}{draw(SPACES)}"
        for name in draw(st.lists(NAMES, max_size=4))  # some names stand there twice
    ]
    return f"{{{draw(SPACES) if not parts else ''}{','.join(parts)}}}"


@st.composite
def _array_text(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    parts = [f"{draw(SPACES)}{text}{draw(SPACES)}" for text in draw(st.lists(values, max_size=4))]
    return f"[{','.join(parts)}]"


JSON_TEXTS = st.recursive(
    st.one_of(NUMBERS, NAMES.flatmap(_written), st.sampled_from(["true", "false", "null"])),
    lambda values: _object_text(values) | _array_text(values),
    max_leaves=6,
)
OBJECT_TEXTS = _object_text(JSON_TEXTS)
PLAIN_DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | NAMES,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(NAMES, values, max_size=3),
    max_leaves=4,
)


def _exact(text: str | bytes) -> Any:
    """Return the data of a text, with each number as it is written."""
    return json.loads(text, parse_float=lambda t: ("number", t), parse_int=lambda t: ("number", t))


def _merge_patch(document: Any, patch: Any) -> Any:
    """RFC 7396, as its authors write it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge_patch(result.get(name), value)
    return result


@settings(max_examples=40)
@given(JSON_TEXTS)
def test_white_space_is_all_that_compacting_and_indenting_change(text: str) -> None:
    assert _exact(compact_json(text)) == _exact(indent_json(text)) == _exact(text)
    assert compact_json(indent_json(text)) == compact_json(text)


@settings(max_examples=40)
@given(PLAIN_DATA)
def test_indented_json_looks_as_python_writes_it(data: Any) -> None:
    text = json.dumps(data, ensure_ascii=False)
    assert indent_json(text) == json.dumps(data, indent=2, ensure_ascii=False) + "\n"


@settings(max_examples=40)
@given(OBJECT_TEXTS)
def test_the_text_of_a_member_is_that_of_the_last_with_its_name(text: str) -> None:
    for name, value in _exact(text).items():
        found = member_text(text, name)
        assert found is not None
        assert _exact(found) == value
    assert member_text(text, "no such name") is None


@settings(max_examples=40)
@given(JSON_TEXTS, JSON_TEXTS)
def test_a_patch_changes_what_it_names_and_no_digit_of_anything_else(text: str, patch: str) -> None:
    assert _exact(merge_patch_text(text, patch)) == _merge_patch(_exact(text), _exact(patch))


@settings(max_examples=40)
@given(JSON_TEXTS)
def test_data_that_nobody_changed_keep_their_text(text: str) -> None:
    assert _exact(rewrite_json(text.encode(), parse_json(text))) == _exact(text)


@settings(max_examples=40)
@given(OBJECT_TEXTS, NAMES, PLAIN_DATA)
def test_a_changed_member_leaves_the_text_of_all_others(text: str, name: str, value: Any) -> None:
    changed = _exact(rewrite_json(text.encode(), {**parse_json(text), name: value}))
    expected = {**_exact(text), name: value}
    assert {**changed, name: value} == expected
    assert parse_json(rewrite_json(text.encode(), {**parse_json(text), name: value}))[name] == value


@settings(max_examples=40)
@given(JSON_TEXTS, PLAIN_DATA)
def test_any_other_data_are_written_whole(text: str, data: Any) -> None:
    written = parse_json(rewrite_json(text.encode(), data))
    assert written == parse_json(json.dumps(data))


@pytest.mark.parametrize(
    ("text", "data", "written"),
    [
        ('{"a": 1.10 ,"b":2}', {"a": 1.1, "b": 3}, '{"a": 1.10 ,"b":3}'),
        ('{ "a" : 1 , "b" : 2 }', {"b": 2}, '{  "b" : 2 }'),
        ('{ "a" : 1 , "b" : 2 }', {"a": 1}, '{ "a" : 1 }'),
        ("[ 1.0 ]", [2], "[ 2 ]"),
        ('{"a":1.1,"b":[1,{}]}', {"a": 1.1, "b": [1, {"c": 2}]}, '{"a":1.1,"b":[1,{"c":2}]}'),
        ('{"a":0.0}', {"a": -0.0}, '{"a":-0.0}'),
        ("{ }", {"a": 1}, '{"a":1 }'),
        ("[1.0, 2.50]", [1.0, "***"], '[1.0, "***"]'),
        ("[1.0,2.50]", [1.0], "[1.0]"),
        ('{"a":1}', {"a": True}, '{"a":true}'),
        ('{"a":1}', {"a": 1.0}, '{"a":1.0}'),
        ('{"a":1E400}', {"a": float("inf")}, '{"a":1E400}'),
        ('{"a":"\\u00e9"}', {"a": "é", "b": "é"}, '{"a":"\\u00e9","b":"é"}'),
    ],
)
def test_only_the_changed_part_is_written_anew(text: str, data: Any, written: str) -> None:
    assert rewrite_json(text.encode(), data).decode() == written


def test_what_a_name_said_first_does_not_survive_where_it_stands_twice() -> None:
    text = b'{"who":{"mail":"ann@example.com","mail":"***"},"who":{"mail":"***"}}'
    assert rewrite_json(text, {"who": {"mail": "***"}}) == b'{"who":{"mail":"***"}}'


def test_an_integer_has_any_number_of_digits() -> None:
    many = "9" * 4000
    assert merge_patch_text(f'{{"n":{many},"m":1}}', '{"m":2}') == f'{{"n":{many},"m":2}}'
    assert Decimal(member_text(f'{{"n":{many}}}', "n") or 0) == int(many)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}', "", "{", "01"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_json(text)
