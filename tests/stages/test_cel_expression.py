"""Is an expression true for exactly the events that it describes?"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.stages.cel_expression import (
    ExpressionError,
    Undecided,
    check_types,
    compile_expression,
    expression_paths,
)

LINE = {"quantity": 3, "store": "a", "coupon": None, "tags": ["x", "y"], "paid": {"cents": 499}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("data.quantity > 2", True),
        ("data.quantity > 2.5 && data.store in ['a', 'b']", True),
        ("data.paid.cents < 100", False),
        ("data.coupon == null", True),
        ("has(data.cents) && data.cents > 1", False),
        ("data.tags.exists(t, t == 'y')", True),
        ("data.store.matches('^[a-c]$')", True),
        ("attributes.type.startsWith('line.')", True),
        ("'runid' in attributes", False),
        ("true", True),
    ],
)
def test_expressions_read_data_and_attributes(source: str, answer: bool) -> None:
    assert compile_expression(source)(LINE, {"type": "line.read"}) is answer


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("data.cents > 1", "there is no 'cents'"),
        ("attributes.runid == 'x'", "there is no 'runid'"),
        ("data.store > 1", "no matching overloads found : _>_(string, int64)"),
        ("data.quantity", "it gives int, neither true nor false"),
        ("data.quantity.x == 1", "a field is asked of no object"),
        ("1 / (data.quantity - 3) == 1", "divide by zero"),
        ("data.store.matches('(a')", "invalid regular expression"),
        ("data.tags[7] == 'x'", "index=7"),
    ],
)
def test_an_undecided_expression_is_named_with_the_reason(source: str, why: str) -> None:
    with pytest.raises(Undecided) as said:
        compile_expression(source)(LINE, {})
    assert f"`{source}`" in str(said.value)
    assert why in str(said.value)


@pytest.mark.parametrize(
    ("source", "why", "column"),
    [
        ("data.quantity >", "it ends too early", 16),
        ("data.x == 1 && size(1) > 0", "found no matching overload for 'size'", 20),
        ("", "it ends too early", 1),
        ("1 + 1", "it gives int, neither true nor false", 0),
        ("open('/etc/passwd') == ''", "there is no function 'open'", 5),
        ("data.__class__.mro()", "there is no function 'mro'", 19),
        ("(" * 3_000 + "true" + ")" * 3_000, "recursion limit", 0),
    ],
)
def test_text_that_is_no_condition_does_not_compile(source: str, why: str, column: int) -> None:
    with pytest.raises(ExpressionError, match=None) as said:
        compile_expression(source)
    assert why in str(said.value)
    assert said.value.column == column


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(ExpressionError) as said:
        compile_expression("data.x == 1 && dta.y == 2")
    assert said.value.unknown == "dta"


def test_large_integers_in_other_fields_do_not_matter() -> None:
    line = {**LINE, "large": 2**70, "larger": [10**400, -(10**400)]}
    assert compile_expression("data.quantity > 2")(line, {})
    assert compile_expression("data.large > 1000.0")(line, {})


def test_no_event_makes_an_expression_slow() -> None:
    """A regular expression that backtracks would take years, two loops over the list minutes."""
    began = time.process_time()
    assert not compile_expression("data.s.matches('^(a+)+$')")({"s": "a" * 10_000 + "b"}, {})
    with pytest.raises(Undecided, match="budget"):
        compile_expression("data.l.all(x, data.l.exists(y, y == x))")(
            {"l": list(range(50_000))}, {}
        )
    assert time.process_time() - began < 5


@given(JSON, st.dictionaries(st.text(), st.text(), max_size=3))
def test_for_any_event_an_expression_is_true_or_false_or_undecided(
    data: Any, attributes: dict[str, str]
) -> None:
    for source in ("data.a > 1", "data == null", "size(data) > 0", "'a' in attributes"):
        with suppress(Undecided):
            assert compile_expression(source)(data, attributes) in (True, False)


@given(st.text())
def test_any_text_compiles_or_raises_an_expression_error(source: str) -> None:
    with suppress(ExpressionError):
        compile_expression(source)


def test_the_fields_in_an_expression_are_found() -> None:
    source = (
        "data.a == 'data.b' && data . c.d > 1 && x.data.f && data.map(y, y) == data.g // data.h"
    )
    assert list(expression_paths(source)) == [("a",), ("c", "d"), ("g",)]


TYPES = {
    ("name",): "string", ("n",): "integer", ("price",): "number", ("ok",): "boolean",
    ("tags",): "array", ("customer", "email"): "string",
}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("data.name > 3", "`>` does not work with text and an integer"),
        ("data.n == '3'", "`==` does not work with an integer and text"),
        ("data.customer.email > 3", "`>` does not work with text and an integer"),
        ("has(data.name) && data.name > 3", "`>` does not work with text and an integer"),
        ("data.ok && data.name", "`&&` does not work with a boolean and text"),
        ("data.tags > 3", "`>` does not work with a list and an integer"),
        ("!data.name", "`!` does not work with text"),
        ("data.name", "it gives text, neither true nor false"),
        ("data.n", "it gives an integer, neither true nor false"),
        ("data.price", "it gives a number, neither true nor false"),
        ("has(data.n) ? data.name : 'none'", "it gives text, neither true nor false"),
    ],
)
def test_an_expression_that_does_not_fit_the_types_is_refused(source: str, said: str) -> None:
    compile_expression(source)  # without types nothing is wrong with it
    with pytest.raises(ExpressionError) as caught:
        check_types(source, TYPES)
    assert str(caught.value) == said


VALUES = {"name": "Ada", "n": 3, "price": 2.5, "ok": True, "tags": ["a"],
          "customer": {"email": "a@example.com"}}  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        "data.name == 'Ada'", "data.n > 2.5", "data.price > 1", "data.n / 2 > 0", "data.ok",
        "has(data.name) && data.name == 'Ada'", "has(data.customer) && has(data.customer.email)",
        "data.tags.exists(t, t == 'a')", "'a' in data.tags", "data.name.startsWith('A')",
        "data.name != null", "data['name'] == 'Ada'", "size(data.name) == 3",
        "data.other == 1 || true", "attributes.source == 's' || data.ok", "data.n in [1, 3]",
        "'has(data.name)' != data.name", "data.ok ? data.n > 1 : data.name == ''",
    ],
)  # fmt: skip
def test_what_the_types_allow_also_runs(source: str) -> None:
    check_types(source, TYPES)
    assert compile_expression(source)(VALUES, {"source": "s"}) is True
