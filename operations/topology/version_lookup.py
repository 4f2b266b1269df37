"""Which published version has a number?"""

from __future__ import annotations

from collections.abc import Sequence

from farandole.events.next_step import NextStep
from farandole.events.topology_version import Version
from farandole.operations.errors import NotFoundError

_HISTORY = NextStep("see", ("history",))


def find_version(history: Sequence[Version], pipeline: str, number: int | None) -> Version:
    """Return the version with that number. `number` is None if the version before the newest was
    asked for and there is none. Raises NotFoundError (`unknown_version`) if there is no such
    version."""
    found = next((v for v in history if v.version == number), None)
    if found is not None:
        return found
    if number is None or not history:
        message = f"{pipeline} has no earlier version"
    else:
        first, last = history[0].version, history[-1].version
        message = f"{pipeline} has the versions {first} to {last}, not {number}"
    raise NotFoundError(
        "unknown_version", message, next_steps=[_HISTORY], pipeline=pipeline, version=number
    )
