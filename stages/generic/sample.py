"""Is an event one of the share that goes on?"""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from farandole.stages.contract import Context, Reject

if not __name__.startswith("farandole."):
    raise ImportError(
        "stages.generic.sample is a part of farandole: import farandole.stages.generic.sample"
    )

T = TypeVar("T")

_HASH_RANGE = 2**64


class SampleParams(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    share: Annotated[float, Field(ge=0, le=1)]
    """Of all events, or of all values of the key."""
    key: str | None = None
    """A field: all events that have the same in it go on, or none does."""


def sample(event: T, context: Context, params: SampleParams) -> T | None:
    """Pass on a share of the events. The same event is always answered the same: by the field
    `key`, else by where it came from. Raises Reject where the event has no such field."""
    if params.key is None:
        attributes = context.attributes
        # What somebody wrote without attributes opens a run, which nothing else has.
        decided_by = f"{attributes.get('source', '')} {attributes.get('id') or context.run}"
    else:
        decided_by = _key_text(event, params.key)
    drawn = int.from_bytes(blake2b(decided_by.encode(), digest_size=8).digest())
    return event if drawn < params.share * _HASH_RANGE else None


def _key_text(event: Any, key: str) -> str:
    if not isinstance(event, dict) or key not in event:
        raise Reject(f"it has no field {key!r}, by which it is sampled")
    return str(event[key])
