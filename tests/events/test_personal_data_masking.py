"""Is every personal value masked, and nothing else?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.events.personal_data_masking import (
    MAX_MASKING_DEPTH,
    mask_personal,
    personal_values,
)
from farandole.events.personal_data_masking import (
    PERSONAL_MASK as MASK,
)

TEXT = {"type": "string"}
NAME = {"type": "string", "personal": True}


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


OPEN = {**of(a=TEXT), "additionalProperties": NAME}


@pytest.mark.parametrize(
    ("schema", "data", "expected", "found"),
    [
        (of(a=NAME, b=TEXT), {"a": "ann", "b": "b"}, {"a": MASK, "b": "b"}, {"ann"}),
        (of(a={"type": "integer", "personal": True}), {"a": 900}, {"a": MASK}, {"900"}),
        (of(a={"items": TEXT, "personal": True}), {"a": [1.5, "y"]}, {"a": MASK}, {"1.5", "y"}),
        (of(a={"items": of(x=NAME)}), {"a": [{"x": "x1"}, {}]}, {"a": [{"x": MASK}, {}]}, {"x1"}),
        ({"prefixItems": [TEXT, NAME], "items": TEXT}, ["a", "b", "c"], ["a", MASK, "c"], {"b"}),
        ({"prefixItems": [TEXT], "items": NAME}, ["a", "b"], ["a", MASK], {"b"}),
        (OPEN, {"a": "x", "b": "y"}, {"a": "x", "b": MASK}, {"y"}),
        ({"patternProperties": {"^a": of(x=NAME)}}, {"a1": {"x": "y"}}, {"a1": {"x": MASK}}, {"y"}),
        (of(a={"anyOf": [NAME, {"type": "null"}]}), {"a": "ann"}, {"a": MASK}, {"ann"}),
        (of(a={"oneOf": [of(x=TEXT), of(x=NAME)]}), {"a": {"x": "y"}}, {"a": {"x": MASK}}, {"y"}),
        ({"allOf": [of(a=TEXT), of(a=NAME)]}, {"a": "x"}, {"a": MASK}, {"x"}),
        (of(a={"$ref": "#/$defs/A", "personal": True}), {"a": {"b": "c"}}, {"a": MASK}, {"c"}),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": of(x=NAME)}}, {"x": "y"}, {"x": MASK}, {"y"}),
        ({"$ref": "#/$defs/a%20b", "$defs": {"a b": of(x=NAME)}}, {"x": "y"}, {"x": MASK}, {"y"}),
        (NAME, "ann", MASK, {"ann"}),
        (of(a=NAME), {"a": None}, {"a": MASK}, set()),
        (of(a={"personal": "yes"}, b={"personal": False}), {"a": "x"}, {"a": "x"}, set()),
        (of(a=True, b=False), {"a": "x", "b": "y"}, {"a": "x", "b": "y"}, set()),
        (of(a=NAME), ["a", 5, None], MASK, {"a", "5"}),
        (of(a=of(x=NAME)), {"a": [{"x": "y"}]}, {"a": MASK}, {"y"}),
        (of(a=of(x=NAME)), {"a": "y"}, {"a": MASK}, {"y"}),
        (of(a=of(x=NAME)), {"a": None}, {"a": None}, set()),
        (of(a={"items": of(x=NAME)}), {"a": {"x": "y"}}, {"a": MASK}, {"y"}),
        (of(a={"anyOf": [of(x=NAME), TEXT]}), {"a": "y"}, {"a": "y"}, set()),
        (of(a={"anyOf": [of(x=NAME), {}]}), {"a": ["y"]}, {"a": ["y"]}, set()),
        (of(a=of(x=TEXT), b=NAME), {"a": ["y"]}, {"a": ["y"]}, set()),
        ({"$ref": "#/$defs/gone"}, {"a": "x"}, {"a": "x"}, set()),
        ({"$ref": "https://example.com/schema"}, {"a": "x"}, {"a": "x"}, set()),
        (None, {"a": "x"}, {"a": "x"}, set()),
        ({}, {"a": "x"}, {"a": "x"}, set()),
    ],
)  # fmt: skip
def test_each_way_in_which_a_schema_marks_a_place(
    schema: Any, data: Any, expected: Any, found: set[str]
) -> None:
    before = deepcopy(data)
    assert mask_personal(data, schema) == expected
    assert personal_values(data, schema) == found
    assert data == before


def test_text_is_found_also_as_a_message_would_quote_it() -> None:
    assert personal_values('O\'Brien "x"\n', NAME) == {'O\'Brien "x"\n', 'O\\\'Brien "x"\\n'}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}},
        {"allOf": [{"$ref": "#"}], "anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    ],
)
def test_a_schema_that_is_nothing_but_itself_ends(schema: Any) -> None:
    assert mask_personal({"a": ["b"]}, schema) == {"a": ["b"]}
    assert personal_values({"a": ["b"]}, schema) == set()


TREE = {"$ref": "#/$defs/T", "$defs": {"T": of(name=NAME, below={"$ref": "#/$defs/T"})}}


def tree(levels: int) -> Any:
    made: Any = {}
    for level in range(levels, 0, -1):
        made = {"name": f"name {level}", "below": made}
    return made


def test_a_tree_is_followed_as_deep_as_the_data() -> None:
    assert personal_values(tree(9), TREE) == {f"name {level}" for level in range(1, 10)}
    assert "name " not in json.dumps(mask_personal(tree(9), TREE))


def test_very_deep_data_are_masked_as_a_whole() -> None:
    deep = tree(100_000)
    assert json.dumps(mask_personal(deep, TREE)).count("below") == MAX_MASKING_DEPTH + 1
    assert "name 100000" in personal_values(deep, TREE)


# -- any schema, and data of it


Schema = dict[str, Any]
_LEAF = st.sampled_from(["string", "integer", "number"]).map(lambda kind: {"type": kind})
_FIELD = st.sampled_from(["a", "b", "c"])


def _nested(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    fields = st.dictionaries(_FIELD, inner, max_size=3)
    return st.one_of(
        fields.map(lambda f: {"type": "object", "properties": f}),
        inner.map(lambda s: {"type": "object", "additionalProperties": s}),
        inner.map(lambda s: {"type": "array", "items": s}),
        st.lists(inner, min_size=1, max_size=3).map(lambda s: {"type": "array", "prefixItems": s}),
        inner.map(lambda s: {"anyOf": [s, {"type": "null"}]}),
        inner.map(lambda s: {"allOf": [s]}),
        inner.map(lambda s: {**s, "personal": True}),
        st.just({"$ref": "#/$defs/D"}),
    )


SCHEMAS = st.recursive(_LEAF | _LEAF.map(lambda s: {**s, "personal": True}), _nested, max_leaves=12)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Schema, Any, Any]:
    """A schema, data of it, and the same with the mask wherever one was drawn into a mark."""
    definition = draw(SCHEMAS.filter(lambda schema: "$ref" not in schema))
    root = {"allOf": [draw(SCHEMAS)], "$defs": {"D": definition}}

    def made(schema: Schema, depth: int) -> tuple[Any, Any]:
        data, shown = plain(schema, depth)
        return data, MASK if schema.get("personal") else shown

    def plain(schema: Schema, depth: int) -> tuple[Any, Any]:
        if "$ref" in schema:
            return made(definition, depth + 1) if depth < 4 else (None, None)
        if "anyOf" in schema:
            return made(schema["anyOf"][0], depth)
        if "allOf" in schema:
            return made(schema["allOf"][0], depth)
        kind = schema["type"]
        if kind == "object":
            fields = schema.get("properties") or {}
            if "additionalProperties" in schema:
                fields = dict.fromkeys(draw(st.sets(_FIELD)), schema["additionalProperties"])
            return both({name: made(of, depth) for name, of in fields.items()})
        if kind == "array":
            count = draw(st.integers(0, 3))
            items = schema.get("prefixItems") or [schema["items"]] * count
            data, shown = both(dict(enumerate(made(of, depth) for of in items)))
            return list(data.values()), list(shown.values())
        leaves = {
            "string": st.text(max_size=8),
            "integer": st.integers(),
            "number": st.floats(allow_nan=False, allow_infinity=False),
        }
        leaf = draw(leaves[kind])
        return leaf, leaf

    def both(pairs: dict[Any, tuple[Any, Any]]) -> tuple[dict[Any, Any], dict[Any, Any]]:
        return {k: d for k, (d, _) in pairs.items()}, {k: s for k, (_, s) in pairs.items()}

    return (root, *made(root, 0))


def texts(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for value in data.values():
            yield from texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from texts(value)
    elif data is not None:
        yield str(data)


@given(cases())
def test_exactly_what_is_marked_is_masked(case: tuple[Schema, Any, Any]) -> None:
    schema, data, expected = case
    before = deepcopy(data)
    assert mask_personal(data, schema) == expected
    assert data == before


@given(cases())
def test_no_personal_value_is_left_unless_it_stands_elsewhere_too(
    case: tuple[Schema, Any, Any],
) -> None:
    schema, data, expected = case
    public = list(texts(expected))
    left = list(texts(mask_personal(data, schema)))
    for value in [*personal_values(data, schema), *texts(data)]:
        if len(value) >= 3 and not any(value in text for text in public):
            assert not any(value in text for text in left)


@given(cases())
def test_what_is_not_masked_is_no_personal_value(case: tuple[Schema, Any, Any]) -> None:
    """And each text of the data is one or the other."""
    schema, data, expected = case
    assert set(texts(data)) - {""} <= personal_values(data, schema) | set(texts(expected))
