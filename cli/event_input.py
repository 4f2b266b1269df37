"""How does a person hand events to a command?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from farandole.events.event_lines import EventLine


def read_data(option: str) -> bytes:
    """Return what --data names as one line of JSON: itself, @FILE, or - for standard input. Raises
    UsageError."""
    from farandole.events.json_text import one_line_json

    try:
        if option == "-":
            raw = sys.stdin.buffer.read()
        elif option.startswith("@"):
            raw = Path(option[1:]).read_bytes()
        else:
            raw = option.encode("utf-8", "surrogateescape")
        return one_line_json(raw)
    except OSError as error:
        raise click.UsageError(f"--data {option}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--data is not JSON: {error}") from None


def read_event_lines(file: str, data_of: str | None = None) -> list[EventLine]:
    """Return the events of a file, one a line; - for standard input. If `data_of` names an event
    type, each line has the data of one alone. Raises UsageError."""
    from farandole.events.event_lines import parse_event_lines

    try:
        with click.open_file(file, "rb") as stream:
            return [*parse_event_lines(stream, data_of)]
    except OSError as error:
        raise click.UsageError(f"--file {file}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--file {file}: {error}") from None
