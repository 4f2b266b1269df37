"""Which lines of the user's code does an error come from?

Frames of Farandole, of the standard library and of installed packages are left out: they do not
help the author of a function. Where nothing else is left, as for a function in an installed
package, the frames of installed packages are kept."""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException

if not __name__.startswith("farandole."):
    raise ImportError("stages.user_traceback is a part of farandole: import farandole.stages")

MAX_FRAMES = 20  # of each exception in a chain
# Paths are not resolved, because the files of Farandole are reached by links.
_OWN_FOLDER = f"{Path(__file__).parents[1]}/"
_LIBRARY_FOLDERS = tuple({f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib")})
_INSTALLED = ("/site-packages/", "/dist-packages/")


def error_place(error: BaseException) -> str | None:
    """Return the last line of the user's code at which an error was, such as
    `stages/orders.py:12`; None if no line of a file is known."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{shown_path(error.filename)}:{error.lineno}"
    kept = _kept_frames(traceback.extract_tb(error.__traceback__))
    return f"{shown_path(kept[-1].filename)}:{kept[-1].lineno}" if kept else None


def function_place(function: Callable[..., object]) -> str | None:
    """Return where a function is defined, such as `stages/orders.py:12`; None if it is not written
    in Python."""
    code = getattr(function, "__code__", None)
    return None if code is None else f"{shown_path(code.co_filename)}:{code.co_firstlineno}"


def frame_place(frames: StackSummary) -> str | None:
    """Return the innermost line of the user's code in a stack; None if there is none."""
    own = [frame for frame in frames if is_users_file(frame.filename)]
    return f"{shown_path(own[-1].filename)}:{own[-1].lineno}" if own else None


def format_user_traceback(error: BaseException) -> str:
    """Return the traceback of an error and of those that caused it, with the user's frames alone.
    It never raises: what cannot be formatted is said so."""
    try:
        described = TracebackException.from_exception(error, lookup_lines=False)
        for each in _with_causes(described):
            each.stack[:] = _kept_frames(each.stack)[-MAX_FRAMES:]
        return "".join(described.format())
    except BaseException as second_error:  # noqa: BLE001 -- a hostile __str__ must not kill the lane
        return f"(its traceback cannot be read: {type(second_error).__name__})"


def shown_path(file: str) -> str:
    """Return a path as the user knows it: relative to the first folder of the import path that has
    it, which is the pipeline's. Only the name if there is none."""
    path = Path(file)
    for root in filter(None, sys.path):
        if path.is_relative_to(root):
            return str(path.relative_to(root))
    return path.name


def _kept_frames(frames: Sequence[FrameSummary]) -> list[FrameSummary]:
    """Return the user's frames; those of installed packages if there are none."""
    own = [frame for frame in frames if is_users_file(frame.filename)]
    return own or [f for f in frames if _is_installed(f.filename) and not _is_own(f.filename)]


def is_users_file(file: str) -> bool:
    """Return True for a file of Python code that is not Farandole's, of no installed package and of
    no part of Python."""
    is_file = not file.startswith("<")  # as `<frozen importlib._bootstrap>` is none
    return is_file and not (
        _is_installed(file) or _is_own(file) or file.startswith(_LIBRARY_FOLDERS)
    )


def _is_installed(file: str) -> bool:
    return any(part in file for part in _INSTALLED)


def _is_own(file: str) -> bool:
    return file.startswith(_OWN_FOLDER)


def _with_causes(described: TracebackException) -> Iterator[TracebackException]:
    """Yield an exception, those that it came from, and those of a group."""
    waiting = [described]
    while waiting:
        each = waiting.pop()
        yield each
        inner = (each.__cause__, each.__context__, *(each.exceptions or ()))
        waiting += [other for other in inner if other is not None]
