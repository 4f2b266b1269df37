"""What have all control documents in common?"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from farandole.events.row_format import KNOWN_FORMATS


class FrozenDocument(BaseModel):
    """A document of the first release: fields that it does not have are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class StrictDocument(BaseModel):
    """A document that people write by hand: a field that it does not have makes it invalid, so that
    a mistyped `untl` is not ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(default=KNOWN_FORMATS["control document"], ge=1, exclude=True)
    comment: str = ""
    """Whatever the writer wants to note."""
    by: str = ""


def _parse_share(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a share is a number from 0 to 1, or a text such as 10%")
    if not isinstance(value, str):
        return value
    number, sign, rest = value.strip().partition("%")
    if not sign or rest:
        raise ValueError("a share as text has a percent sign, such as 10%")
    try:
        return float(number) / 100
    except ValueError:
        raise ValueError(f"{value!r} is no share, such as 10%") from None


Share = Annotated[float, BeforeValidator(_parse_share), Field(gt=0, le=1, allow_inf_nan=False)]
"""A part of all events or keys: above 0 and at most 1, or a text such as `10%`."""
