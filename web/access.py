"""Who asks, and what may they do?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from farandole.operations.actor import Actor


class Role(IntEnum):
    """What somebody may do; each role may do what those before it may."""

    VIEWER = 1
    """Look, with personal data masked."""
    OPERATOR = 2
    """Act on runs, stages, letters, incidents and schedules."""
    EDITOR = 3
    """Change the topology."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who has been recognised."""

    name: str
    role: Role
    may_reveal: bool = False
    """True if personal data may be shown unmasked."""
    origin: str = ""
    """The address of the browser."""

    @property
    def actor(self) -> Actor:
        """Who this is in `farandole.actions`."""
        return Actor(self.name, "web", self.role.name.lower(), self.origin)


def current_principal(request: Request) -> Principal:
    """Return who the guard has recognised. Raises HTTPException 401."""
    principal: Principal | None = getattr(request.state, "principal", None)
    if principal is None:  # the guard lets nobody come so far
        raise HTTPException(401, "nobody is signed in")
    return principal


def _require(role: Role) -> Callable[[Principal], Principal]:
    def check(principal: Annotated[Principal, Depends(current_principal)]) -> Principal:
        if principal.role < role:
            raise HTTPException(403, f"this needs the role {role.name.lower()}")
        return principal

    return check


def _require_revealer(
    principal: Annotated[Principal, Depends(current_principal)],
) -> Principal:
    require_reveal(principal)
    return principal


def require_reveal(principal: Principal) -> None:
    """Raise HTTPException 403 unless personal data may be shown to the principal unmasked. Whoever
    shows some calls the operation `reveal` first, which records it."""
    if not principal.may_reveal:
        raise HTTPException(403, "this needs the right to see personal data")


Viewer = Annotated[Principal, Depends(_require(Role.VIEWER))]
"""A principal who may look, as a parameter of a route."""
Operator = Annotated[Principal, Depends(_require(Role.OPERATOR))]
"""A principal who may act."""
Editor = Annotated[Principal, Depends(_require(Role.EDITOR))]
"""A principal who may change the topology."""
Revealer = Annotated[Principal, Depends(_require_revealer)]
"""A principal to whom personal data may be shown."""
