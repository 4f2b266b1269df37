"""Which pipeline is drained, and which lane has acknowledged that?"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import orjson
from pydantic import Field

from farandole.events.control_model import StrictDocument
from farandole.events.record_time import RowTime

ACKNOWLEDGEMENT_KEY = b"drain/acknowledged"
"""The key of a lane's acknowledgement in its state."""


class DrainDocument(StrictDocument):
    """No further run begins in a pipeline, and what is in flight ends. Without a value under its
    key the drain is over."""

    do: Literal["drain"] = "drain"
    pipeline: str = Field(min_length=1)
    until: RowTime | None = None

    @property
    def key(self) -> bytes:
        return f"drain/{self.pipeline}".encode()

    @property
    def subject(self) -> tuple[str, ...]:
        """What it decides: the newest document of a subject counts, under whatever key."""
        return "drain", self.pipeline


class Acknowledgement(NamedTuple):
    """A lane takes no more roots of some topics, except of runs that others have begun."""

    generation: int
    """The offset of the drain document."""
    waits: frozenset[str]
    """The topics of which the roots wait."""


def serialize_acknowledgement(acknowledgement: Acknowledgement) -> bytes:
    """Return the value of the row in the lane's state."""
    return orjson.dumps(
        {"generation": acknowledgement.generation, "waits": sorted(acknowledgement.waits)}
    )


def parse_acknowledgement(value: bytes | None) -> Acknowledgement | None:
    """Return the acknowledgement in a row; None if there is no row, or none that a lane wrote."""
    try:
        row: Any = orjson.loads(value or b"")
        generation, waits = row["generation"], row["waits"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    if type(generation) is not int or not isinstance(waits, list):
        return None
    return Acknowledgement(generation, frozenset(each for each in waits if isinstance(each, str)))
