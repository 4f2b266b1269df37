"""How does a command write where its standard streams are closed, or cannot take every letter?"""

from __future__ import annotations

import io
import os
import sys

_NAMES = ("stdin", "stdout", "stderr")


def make_streams_usable() -> None:
    """Let no output fail for want of a stream or a letter.

    A stream that is closed (`>&-`) becomes `/dev/null`: Python has None for it, and the next file
    that is opened would get its number. A letter that the encoding of the terminal lacks
    (`PYTHONIOENCODING=latin-1`) is written as its escape.
    """
    for number, name in enumerate(_NAMES):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number, which is this one
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 -- for good
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
