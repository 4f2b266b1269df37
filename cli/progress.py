"""How is the progress of a long command shown?

On a terminal one line on standard error is written over and over; elsewhere, a plain line now and
then, so that a log shows that the command lives.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from farandole.events.number_format import grouped
from farandole.events.safe_text import single_line

_LOG_INTERVAL = 10.0  # seconds between two lines where there is no terminal
_DRAW_INTERVAL = 0.1  # likewise on a terminal
_CLEAR = "\r\x1b[K"


class ProgressLine:
    """Shows what a command does at the moment. Use it as a context manager: the line is cleared at
    the end."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        # Where there is no terminal, a quick command says nothing.
        self._next = 0.0 if self._is_terminal else clock() + _LOG_INTERVAL
        self._drawn = False

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of `what` are done."""
        self.say(f"{what}: {grouped(done)} of {grouped(total)}")

    def say(self, text: str) -> None:
        """Show a text."""
        now = self._clock()
        if now < self._next:
            return
        if self._is_terminal:
            self._next = now + _DRAW_INTERVAL
            self._stream.write(f"{_CLEAR}{single_line(text)}")
            self._drawn = True
        else:
            self._next = now + _LOG_INTERVAL
            self._stream.write(f"{single_line(text)}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Remove the line from the terminal, so that something else can be printed."""
        if self._drawn:
            self._stream.write(_CLEAR)
            self._stream.flush()
            self._drawn = False
