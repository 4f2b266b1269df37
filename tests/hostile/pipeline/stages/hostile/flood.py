"""What can a generator do?"""

from __future__ import annotations

from collections.abc import Iterator

from stages.hostile.asked import Asked, Done


def flood(asked: Asked) -> Iterator[Done]:
    """As it is told."""
    yield Done(n=asked.n)
    match asked.do:
        case "ten million":
            for n in range(10_000_000):
                yield Done(n=n)
        case "raise late":
            raise ValueError("after the first")
        case "give the wrong type late":
            yield "text"
