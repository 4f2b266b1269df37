"""Which form does the result of an operation have, for programs and for `--json`?"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """The result of an operation; the fields are the keys that `--json` prints, in this order.

    A base class, since pydantic reads the configuration from it.
    """

    model_config = ConfigDict(
        frozen=True, arbitrary_types_allowed=True, populate_by_name=True, ser_json_timedelta="float"
    )

    def to_data(self) -> dict[str, Any]:
        """Return plain data for orjson, which writes moments as `2026-11-24T12:00:00+00:00`."""
        return self.model_dump(mode="python", by_alias=True)
