"""Does a name that a user has typed exist?"""

from __future__ import annotations

from collections.abc import Iterable

from farandole.operations.errors import NotFoundError
from farandole.stages.nearest_name import did_you_mean


def require_known(name: str, known: Iterable[str], kind: str, code: str = "unknown_stage") -> str:
    """Return `name` if it is one of `known`. Raise NotFoundError, which proposes the nearest one,
    otherwise. `kind` is what the message calls it, for example `event type`."""
    names = list(known)
    if name in names:
        return name
    all_of_them = f"there are {', '.join(names)}" if names else "there is none at all"
    remedy = did_you_mean(name, names, all_of_them)
    raise NotFoundError(
        code, f"there is no {kind} {name!r}; {remedy}", name=name, kind=kind, known=names
    )
