"""Is a costly expression ended, and every other one answered?"""

from __future__ import annotations

import json

import pytest

from farandole.stages.cel_expression import Undecided
from farandole.worker.isolated_condition import CostlyExpressionError, isolated_condition

LONG = json.dumps({"a": [*range(5_000)], "s": "x" * 200_000}).encode()
EVERY = "size(data.a) > 4 && data.a.all(x, {})"


def test_an_expression_is_true_false_or_undecided_of_data_and_attributes() -> None:
    with isolated_condition("data.n > 1 && attributes.type == 'read'") as is_true:
        assert is_true(b'{"n": 2}', {"type": "read"})
        assert not is_true(b'{"n": 18446744073709551616000}', {"type": "other"})
        with pytest.raises(Undecided, match=r"data\.n > 1"):
            is_true(b"no JSON", {})
        with pytest.raises(Undecided):
            is_true(None, {})
        assert is_true(b'{"n": 2, "text": "\xc3\xa4\\n"}', {"type": "read"})


def test_an_expression_that_takes_too_long_is_ended() -> None:
    with isolated_condition(EVERY.format("!data.s.matches('(a|b|x)*z')"), seconds=0.3) as is_true:
        assert not is_true(b'{"a": []}', {})
        with pytest.raises(CostlyExpressionError):
            is_true(LONG, {})
        with pytest.raises(CostlyExpressionError):
            is_true(b'{"a": []}', {})


def test_an_expression_that_takes_too_much_memory_is_ended_or_undecided() -> None:
    """Which of the two limits it meets first depends on the machine."""
    costly = EVERY.format("size(data.a.map(y, data.s + string(x) + string(y))) > 0")
    with isolated_condition(costly, seconds=0.3) as is_true:
        assert not is_true(b'{"a": []}', {})
        with pytest.raises((CostlyExpressionError, Undecided)):
            is_true(LONG, {})


def test_after_its_block_an_expression_answers_no_more() -> None:
    with isolated_condition("true") as is_true:
        assert is_true(b"{}", {})
    with pytest.raises(CostlyExpressionError):
        is_true(b"{}", {})
