"""Which run does a person let into a gated stage although its checks have not passed?"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farandole.events.control_model import StrictDocument
from farandole.events.record_time import RowTime


class ReleaseDocument(StrictDocument):
    """The gates of a pipeline, or of one stage, are open to a run."""

    do: Literal["release"] = "release"
    pipeline: str = Field(min_length=1)
    stage: str = ""
    """Empty for all of its gated stages."""
    run: str = Field(min_length=1)
    until: RowTime | None = None

    @property
    def key(self) -> bytes:
        return f"release/{self.pipeline}/{self.stage}/{self.run}".encode()
