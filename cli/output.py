"""How is an answer printed?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click
import orjson

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_line(line: str) -> None:
    click.echo(line)


def print_json(data: Any) -> None:
    """One document, indented."""
    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())


def print_byte_lines(lines: Iterable[bytes]) -> None:
    """Lines as they are, in one write."""
    stream = click.get_binary_stream("stdout")
    stream.write(b"".join(line + b"\n" for line in lines))
    stream.flush()


def format_columns(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Rows of equally many cells as lines: the first `left` columns flush left, the rest right."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
