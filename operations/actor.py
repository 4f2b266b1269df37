"""Who asks for an operation, and from where?"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from farandole.events.action_record import ActionVia
from farandole.operations.current_user import current_user


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks for an operation, as `farandole.actions` tells of it."""

    name: str
    """`user@host`, or the name of a user of the web console."""
    via: ActionVia
    role: str = ""
    """Empty where Kafka's rights alone decide."""
    origin: str = ""
    """The machine, or the address of the browser."""


def local_actor(via: ActionVia = "program") -> Actor:
    """Return the user of this machine."""
    return Actor(current_user(), via, origin=socket.gethostname())
