"""How does a command write where its standard streams are closed, or cannot take every letter?"""

from __future__ import annotations

import codecs
import io
import os
import sys

from farandole.events.number_format import THIN_SPACE

_NAMES = ("stdin", "stdout", "stderr")
_ERROR_HANDLER = "farandole.escape"


def make_streams_usable() -> None:
    """Let no output fail for want of a stream or a letter.

    A stream that is closed (`>&-`) becomes `/dev/null`: Python has None for it, and the next file
    that is opened would get its number. A letter that the encoding of the terminal lacks
    (`PYTHONIOENCODING=latin-1`) is written as its escape, and the thin space in numbers as a space.
    """
    codecs.register_error(_ERROR_HANDLER, _escape)
    for number, name in enumerate(_NAMES):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number, which is this one
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 -- for good
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERROR_HANDLER)


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError):
        if error.object[error.start] == THIN_SPACE:
            return " ", error.start + 1
        error.end = error.start + 1
    return codecs.backslashreplace_errors(error)
