"""What have the rows in common that one release writes and another one may write again?"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RowModel(BaseModel):
    """A row, or a part of one. Fields that a newer release has added are kept when it is written
    again."""

    model_config = ConfigDict(frozen=True, extra="allow")
