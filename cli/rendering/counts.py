"""How is a number of things written?"""

from __future__ import annotations

from farandole.events.number_format import grouped


def count_text(number: int, singular: str, plural: str | None = None) -> str:
    """Return `1 letter` or `1 204 letters`. `plural` is for nouns that do not end in s."""
    noun = singular if number == 1 else plural or f"{singular}s"
    return f"{grouped(number)} {noun}"
