"""What can one event do to the batch that it is in?"""

from __future__ import annotations

from collections.abc import Iterator

from stages.hostile.asked import Asked, Done


def gather(asked: list[Asked]) -> Iterator[Done]:
    """An answer for each, unless one is not to be answered."""
    for each in asked:
        if each.do == "raise":
            raise ValueError(f"not with {each.n} among them")
        yield Done(n=each.n)
