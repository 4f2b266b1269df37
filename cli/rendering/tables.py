"""How are rows aligned in columns, and what in them stands out?"""

from __future__ import annotations

from collections.abc import Sequence

import click

from farandole.events.number_format import grouped


class Alarm(str):
    """A line or a cell about which somebody must do something. It alone has a colour, on a
    terminal."""

    __slots__ = ()

    def styled(self) -> str:
        """Return the text in its colour."""
        return click.style(str(self), fg="red")


def alarm_count(number: int) -> str:
    """Return a count that somebody must look at unless it is 0."""
    return Alarm(grouped(number)) if number else grouped(number)


def format_columns(rows: Sequence[Sequence[str]], *, left: int = 1) -> list[str]:
    """Return rows with the same number of cells as lines: the first `left` columns are aligned
    left, the others right."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            _styled(cell, cell.ljust(width) if i < left else cell.rjust(width))
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _styled(cell: str, padded: str) -> str:
    if not isinstance(cell, Alarm):
        return padded
    return padded.replace(cell, cell.styled(), 1)
