"""Where does what a function prints, or logs by Python's `logging`, go?

Into the worker's log, as lines of structlog, which have the stage and the event (`log_origin`)."""

from __future__ import annotations

import io
import logging
import sys
import threading

import structlog

MAX_LINE_LENGTH = 10_000
"""Characters of one printed line; a longer one is logged in parts."""
_LEVELS = (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)

log = structlog.get_logger()


def capture_function_output(level: str) -> None:
    """Send standard output, `logging` from `level` on, and Python's warnings to the log of this
    process, until it ends. What child processes write to file descriptor 1 goes where it went."""
    sys.stdout = PrintedLines(sys.stdout)
    logging.basicConfig(
        handlers=[StandardLogHandler()],
        level=logging.getLevelNamesMapping()[level.upper()],
        force=True,
    )
    logging.captureWarnings(True)


class PrintedLines(io.TextIOBase):
    """A standard output that logs each line. Threads do not share a line."""

    def __init__(self, replaced: io.TextIOBase | object) -> None:
        self._replaced = replaced
        self._unfinished = threading.local()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def buffer(self) -> object:
        """The standard output that was replaced, for bytes: they are no lines."""
        return getattr(self._replaced, "buffer", None)

    def fileno(self) -> int:
        return self._replaced.fileno()  # type: ignore[union-attr]

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Log the lines that end in this text, and keep the rest."""
        *lines, rest = (getattr(self._unfinished, "text", "") + text).split("\n")
        if len(rest) > MAX_LINE_LENGTH:
            lines, rest = [*lines, rest], ""
        self._unfinished.text = rest
        for line in lines:
            _log_printed(line)
        return len(text)

    def flush(self) -> None:
        """Log a line that has no end yet."""
        rest, self._unfinished.text = getattr(self._unfinished, "text", ""), ""
        _log_printed(rest)


def _log_printed(line: str) -> None:
    for start in range(0, len(line), MAX_LINE_LENGTH):
        log.info("function.printed", text=line[start : start + MAX_LINE_LENGTH])


class StandardLogHandler(logging.Handler):
    """Logs the records of Python's `logging`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record; its message is the event, its logger's name a field."""
        level = next((each for each in _LEVELS if each <= record.levelno), logging.DEBUG)
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 -- wrong arguments are the caller's mistake, not a failure
            message = f"{record.msg} {record.args}"
        log.log(level, message, logger=record.name, exc_info=record.exc_info or None)
