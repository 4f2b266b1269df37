"""Which unusual numbers about runs does a person take as normal, and which are not to be told?"""

from __future__ import annotations

from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from farandole.events.control_model import StrictDocument
from farandole.events.record_time import RowTime
from farandole.events.run_row import split_edge_name

ANOMALY_ID_PATTERN = r"^[0-9a-f]{16}$"
_MAX_NAME = 300  # characters, as of a measurement


class ExpectDocument(StrictDocument):
    """What was unusual is normal: what was measured is learnt, and the incident is over. The lane
    that watches the pipeline takes it once; what it has learnt stays when the document goes."""

    do: Literal["expect"] = "expect"
    pipeline: str = Field(min_length=1)
    anomaly: str = Field(pattern=ANOMALY_ID_PATTERN)
    until: RowTime | None = None

    @property
    def key(self) -> bytes:
        return f"expect/{self.pipeline}/{self.anomaly}".encode()

    @property
    def subject(self) -> tuple[str, ...]:
        """What it decides: the newest document of a subject counts, under whatever key."""
        return "expect", self.pipeline, self.anomaly


class IgnoredNumbers(NamedTuple):
    """Which numbers about runs are not told: those that have all of the names that are given."""

    edge: str = ""
    """The event type, also on its way into each stage, or `event type>stage`; empty for numbers
    about the run as a whole."""
    column: str = ""
    """Empty for every column, and for the numbers about the edge as a whole."""
    statistic: str = ""
    """Empty for every one."""

    def covers(self, edge: str, column: str, statistic: str) -> bool:
        """Return True if this number about a run is not told."""
        return (
            self.edge in (edge, split_edge_name(edge)[0])
            and self.column in ("", column)
            and self.statistic in ("", statistic)
        )

    def __str__(self) -> str:
        place = "/".join(filter(None, (self.edge, self.column))) or "the run"
        return f"{self.statistic} of {place}" if self.statistic else place


class IgnoreDocument(StrictDocument):
    """Numbers about the runs of a pipeline are learnt, and not told, whatever they are."""

    do: Literal["ignore"] = "ignore"
    pipeline: str = Field(min_length=1)
    edge: str = Field(default="", max_length=_MAX_NAME)
    column: str = Field(default="", max_length=_MAX_NAME)
    statistic: str = Field(default="", max_length=_MAX_NAME)
    until: RowTime | None = None

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if not self.edge and not self.statistic:
            raise ValueError("say which numbers: an edge, or a statistic of the run as a whole")
        if self.column and not self.edge:
            raise ValueError("a column needs the edge whose it is")
        return self

    @property
    def numbers(self) -> IgnoredNumbers:
        return IgnoredNumbers(self.edge, self.column, self.statistic)

    @property
    def key(self) -> bytes:
        return "/".join(self.subject).encode()

    @property
    def subject(self) -> tuple[str, ...]:
        """What it decides: the newest document of a subject counts, under whatever key."""
        return "ignore", self.pipeline, *self.numbers
