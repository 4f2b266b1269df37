"""How is it written down that dead letters were replayed, or discarded?

By a record in the dead-letter topic itself: one partition, so that it stands behind the letters
that it settles, and as long as they do. It is no letter: its header `dead_settlement` says so, and
no letter of ours has that one, since whatever an event has of that family is taken off.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from farandole.events.deadletter import FAMILY
from farandole.events.display import encodable
from farandole.events.headers import encoded
from farandole.events.record import Header, Outgoing

How = Literal["replayed", "discarded"]

HEADER = f"{FAMILY}settlement"
MOST = 1_000
"""Letters that one record settles."""
LONGEST_REASON = 1_000  # characters
LONGEST_NAME = 200  # characters


class Settlement(BaseModel):
    """What became of some letters of the topic in which this stands."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    settles: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=MOST)]
    """Their offsets."""
    how: How
    by: str
    at: Annotated[datetime, Field(strict=False)]
    reason: str = ""
    order: str = ""
    """Tells the letters that one person's command settled from those of another."""


def make(
    letters: Sequence[int], how: How, *, by: str, at: datetime, reason: str = "", order: str = ""
) -> list[Outgoing]:
    """As few records as settle all these letters."""
    return [
        Outgoing(
            None,
            Settlement(
                settles=tuple(letters[first : first + MOST]),
                how=how,
                by=encodable(by[:LONGEST_NAME]),
                at=at,
                reason=encodable(reason[:LONGEST_REASON]),
                order=order,
            )
            .model_dump_json()
            .encode(),
            encoded([(HEADER, how.encode())]),
        )
        for first in range(0, len(letters), MOST)
    ]


def is_one(headers: Sequence[Header]) -> bool:
    """Is a record of a dead-letter topic no letter?"""
    return any(name == HEADER for name, _ in headers)


def read(value: bytes | None, headers: Sequence[Header]) -> Settlement | None:
    """None of a letter, and where somebody else wrote what only looks like a settlement."""
    if not is_one(headers):
        return None
    try:
        return Settlement.model_validate_json(value or b"")
    except ValidationError:
        return None
