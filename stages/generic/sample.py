"""Which share of the events is passed on?"""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from farandole.stages.contract import Context, Reject, Unchanged
from farandole.stages.parameter_formats import FIELD_FORMAT

if not __name__.startswith("farandole."):
    raise ImportError(
        "stages.generic.sample is a part of farandole: import farandole.stages.generic.sample"
    )

T = TypeVar("T")

_HASH_RANGE = 2**64


class SampleParams(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    share: Annotated[float, Field(ge=0, le=1)]
    """The share of all events or, with a key, of all values of the key."""
    key: str | None = Field(default=None, json_schema_extra={"format": FIELD_FORMAT})
    """The name of a field: all events with the same value are passed on, or none is."""


def sample(event: T, context: Context, params: SampleParams) -> Unchanged[T] | None:
    """Return the event if it belongs to the share, else None. The result for an event is always the
    same: it depends on the field `key` or, without a key, on the event's source and id. Raises
    Reject if the event has no such field."""
    if params.key is None:
        attributes = context.attributes
        # A record without attributes opens a run, whose id is unique.
        decided_by = f"{attributes.get('source', '')} {attributes.get('id') or context.run}"
    else:
        decided_by = _key_text(event, params.key)
    position = int.from_bytes(blake2b(decided_by.encode(), digest_size=8).digest())
    return event if position < params.share * _HASH_RANGE else None


def _key_text(event: Any, key: str) -> str:
    if not isinstance(event, dict) or key not in event:
        raise Reject(f"it has no field {key!r}, by which it is sampled")
    return str(event[key])
