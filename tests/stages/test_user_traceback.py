"""Do errors show the lines of the user's code, and no others?"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

from farandole.stages.generic.mask import MaskParams
from farandole.stages.user_traceback import (
    MAX_FRAMES,
    error_place,
    format_user_traceback,
    function_place,
)

CODE = """\
import json

def read(text):
    return json.loads(text)

def wrap(text):
    try:
        return read(text)
    except ValueError as error:
        raise LookupError("no order") from error

def deep(n):
    if n == 0:
        raise KeyError("seats")
    deep(n - 1)
"""


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The names of a module `work/orders.py` in a user's folder."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    (tmp_path / "work").mkdir()
    file = tmp_path / "work" / "orders.py"
    file.write_text(CODE)
    names: dict[str, object] = {}
    exec(compile(CODE, str(file), "exec"), names)
    return names


def raised(function: object, *arguments: object) -> BaseException:
    """The error as a worker gets it, without this test's own frame."""
    try:
        function(*arguments)  # type: ignore[operator]
    except BaseException as error:  # noqa: BLE001 -- whatever it is
        trace = error.__traceback__
        return error.with_traceback(trace and trace.tb_next)
    raise AssertionError("nothing was raised")


def test_a_librarys_frames_are_left_out(users: dict[str, object]) -> None:
    error = raised(users["read"], "{")
    assert error_place(error) == "work/orders.py:4"
    shown = format_user_traceback(error)
    assert "orders.py" in shown
    assert "json/decoder.py" not in shown
    assert "return json.loads(text)" in shown


def test_the_errors_before_an_error_are_shown_alike(users: dict[str, object]) -> None:
    shown = format_user_traceback(raised(users["wrap"], "{"))
    assert "JSONDecodeError" in shown
    assert "LookupError: no order" in shown
    assert "json/decoder.py" not in shown


def test_the_last_frames_are_kept(users: dict[str, object]) -> None:
    shown = format_user_traceback(raised(users["deep"], 500))
    assert shown.count("orders.py") <= MAX_FRAMES
    assert "line 14" in shown


def test_an_error_in_no_users_code_shows_where_it_is() -> None:
    """As for a function that an installed package has."""
    error = raised(click.INT.convert, "many", None, None)
    # The environment may be in this folder: then the path begins with it.
    assert "click/types.py:" in (error_place(error) or "")
    assert "click/types.py" in format_user_traceback(error)


def test_an_error_in_farandoles_code_has_no_place() -> None:
    params = MaskParams.model_validate({"fields": {"a": "hash"}, "secret": "NOT_SET_ANYWHERE"})
    error = raised(lambda: params.key)
    assert error.__traceback__ is not None
    assert error_place(error.with_traceback(error.__traceback__.tb_next)) is None


def test_a_message_that_cannot_be_read_is_no_second_failure() -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise ValueError("no")

    assert "Hostile" in format_user_traceback(Hostile())


def test_a_function_of_c_has_no_place(users: dict[str, object]) -> None:
    assert function_place(len) is None
    assert function_place(users["deep"]) == "work/orders.py:12"  # type: ignore[arg-type]


def test_a_group_of_errors_shows_each(users: dict[str, object]) -> None:
    group = BaseExceptionGroup("two", [raised(users["read"], "{"), ValueError("other")])
    shown = format_user_traceback(group)
    assert "json/decoder.py" not in shown
    assert "other" in shown
