"""How are results printed on standard output?"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable
from typing import Any

import click

from farandole.cli.rendering.errors import discard_stdout
from farandole.cli.rendering.tables import Alarm


def print_line(line: str) -> None:
    """Print one line; on a terminal an Alarm has its colour."""
    click.echo(line.styled() if isinstance(line, Alarm) else line)


def print_wrapped(line: str) -> None:
    """Print one line; on a terminal that is too narrow it is continued further to the right, at a
    word."""
    width = shutil.get_terminal_size().columns
    if len(click.unstyle(line)) <= width or not sys.stdout.isatty():
        print_line(line)
        return
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    for part in textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ):
        print_line(type(line)(part))


def print_notice(line: str) -> None:
    """Print a line about a service that goes on, also when nobody reads it any more."""
    try:
        click.echo(line)
    except BrokenPipeError:
        discard_stdout()


def print_json(data: Any) -> None:
    """Print one JSON document, indented."""
    import orjson

    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())


def print_json_line(data: Any) -> None:
    """Print one JSON document in one line, at once."""
    import orjson

    print_byte_lines([orjson.dumps(data)])


def print_byte_lines(lines: Iterable[bytes]) -> None:
    """Print lines unchanged, in one write."""
    stream = click.get_binary_stream("stdout")
    stream.write(b"".join(line + b"\n" for line in lines))
    stream.flush()
