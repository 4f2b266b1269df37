"""How are counts, rates and shares written for a person?"""

from __future__ import annotations

THIN_SPACE = "\u202f"
"""Stands between thousands: a narrow space at which no line is broken. Ids, offsets and positions
have none."""


def grouped(number: int) -> str:
    """Return a count with its digits in groups: `1 204`, with THIN_SPACE."""
    return f"{number:,}".replace(",", THIN_SPACE)


def format_exact(number: float) -> str:
    """Return a number that is no count with all of its digits, those before the point in groups:
    `1 204.25`."""
    return f"{number:,.15g}".replace(",", THIN_SPACE)


def format_figure(number: float) -> str:
    """Return a number that is no count with at most six digits that matter: `0.0123`; a whole one
    with all of its digits: `1 204`."""
    is_whole = float(number).is_integer() and abs(number) < 1e15
    return grouped(int(number)) if is_whole else f"{number:.6g}"


def format_rate(per_second: float) -> str:
    """Return a rate without its unit, rounded: `8 210`, and below 10 with one digit: `0.3`."""
    if abs(per_second) < 9.95:
        return f"{per_second:.1f}"
    return grouped(round(per_second))


def format_share(share: float) -> str:
    """Return a share in per cent, without the sign, with two digits: `0.39`."""
    return f"{100 * share:.2f}"
