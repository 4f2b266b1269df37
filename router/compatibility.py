"""Which stages cannot read what is still unread under other versions?

PLACEHOLDER of the final signature, to be replaced: it finds nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from events.topology import Version
from router.derive import Derived


class Incompatible(NamedTuple):
    """Events of a type that a stage can no longer read."""

    event_type: str
    stage: str
    version: int
    reason: str


def incompatible(
    versions: Sequence[Version],
    derived: Derived,
    unread: Collection[tuple[int, str, str]],
) -> list[Incompatible]:
    return []
