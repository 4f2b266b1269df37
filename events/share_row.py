"""How does a lane say which share of a limit it uses, and which it wants?

A row of `farandole.shares`. The lane writes it in a transaction of its own, so only the rightful
owner of the lane can. `farandole.worker.throttle.share_claim` says what it means to other lanes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from farandole.events.row_format import check_json_format

WHOLE = 1_000_000
"""All of a limit. Shares are whole numbers, so that their sum is exact."""

ShareKind = Literal["throttle", "roots"]
"""`throttle`: the throttle of a stage; `roots`: that of a pipeline, which limits its roots."""

Share = Annotated[int, Field(ge=0, le=WHOLE)]


class ShareRow(BaseModel):
    """What one lane uses of one limit, as it last wrote it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    """Names this row: no other row of any lane has the same."""
    at: int
    """When it was written, in milliseconds of the epoch."""
    held: Share
    """What the lane used when it wrote the row."""
    wanted: Share
    """What it wants to use; less than before is valid at once."""
    demand: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """How many events a second it could use now, what has piled up included."""
    arrivals: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """How many events a second have come of late."""
    rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """How many a second all lanes together may take, as of then."""
    credit: Annotated[float, Field(gt=-1, lt=1)] = 0.0
    """The part of an event that was due, or not yet, with which the next owner goes on."""
    waiting: Annotated[int, Field(ge=0)] = 0
    """How many events the lane knows that it has not taken yet."""
    throttled: Annotated[int, Field(ge=0)] = 0
    """Since when events have been waiting for the limit, in milliseconds of the epoch; 0 if none
    waits for it now."""

    @property
    def claim(self) -> int:
        """What other lanes must leave to this one."""
        return max(self.held, self.wanted)


def parse_share_row(value: bytes) -> ShareRow:
    """Return the row. Raises NewerFormatError, and ValueError if no lane wrote it."""
    check_json_format("share row", value)
    return ShareRow.model_validate_json(value)


def share_key(kind: ShareKind, pipeline: str, stage: str, lane: int) -> bytes:
    """Return the key of a lane's row."""
    return f"{kind}/{pipeline}/{stage}/{lane}".encode()


def limit_prefix(kind: ShareKind, pipeline: str, stage: str) -> bytes:
    """Return how the keys of all rows begin that share one limit."""
    return (
        f"{kind}/{pipeline}/{stage}/".encode()
        if kind == "throttle"
        else f"{kind}/{pipeline}/".encode()
    )
