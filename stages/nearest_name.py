"""Which known name was probably meant by a misspelled one?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

if not __name__.startswith("farandole."):
    raise ImportError("stages.nearest_name is a part of farandole: import farandole.stages")


def nearest_name(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant; None if none is similar."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.7)
    return close[0] if close else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return a remedy: the nearest known name, or `otherwise` if none is similar."""
    near = nearest_name(word, known)
    return f"did you mean {near!r}?" if near else otherwise
