"""What was unusual about the last runs of a pipeline?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from farandole.events.quality_findings import FindingsRow, OverRow
from farandole.events.record_time import EPOCH, known_time
from farandole.operations.results import Result


class UnusualNumber(Result):
    """A number about a run that is not what was expected."""

    model_config = ConfigDict(extra="ignore")

    edge: str
    """The event type, or `event type>stage`; empty for the run as a whole."""
    column: str
    statistic: str
    kind: str
    value: float
    expected: float
    low: float
    """The expected range, with `high`."""
    high: float
    score: float
    """How many usual deviations it is away; negative: below."""

    @property
    def event(self) -> str:
        """The event type that it is about; empty for the run as a whole."""
        return self.edge.partition(">")[0]


def _moment(milliseconds: object) -> datetime:
    if type(milliseconds) is not int:
        raise ValueError("a time is a whole number of milliseconds")
    return known_time(milliseconds) or EPOCH


Moment = Annotated[datetime, BeforeValidator(_moment)]
"""A time that stands in a row in milliseconds of the epoch."""


class UsualMoment(Result):
    """The last run or window about which nothing was unusual."""

    model_config = ConfigDict(extra="ignore")

    run: str | None
    window: Moment | None
    at: Moment
    """When it ended."""


class ChangedValue(Result):
    """A value whose share is another than usual."""

    model_config = ConfigDict(extra="ignore")

    column: str
    value: str
    """As Python writes it: `'tea'`, `7`."""
    share: float
    usual: float
    rows: int
    """Of how many rows it is a share."""


class Meanwhile(Result):
    """Something that happened since the last usual run."""

    model_config = ConfigDict(extra="ignore")

    what: Literal["version", "control", "check"]
    text: str
    at: Moment | None


class Anomaly(UnusualNumber):
    """One cause: the number that is farthest from what was expected, and those with it."""

    id: str
    run: str | None
    window: datetime | None
    """Without a run and a window, a feed should have come."""
    at: datetime
    """When the run or window ended, or when it was told that the feed should have come."""
    state: Literal["open", "over", "expected"] = "open"
    """`expected`: somebody has taken it as normal."""
    over: datetime | None = None
    """Since when it is over."""
    by: str = ""
    """Who has taken it as normal."""
    reason: str = ""
    """Why."""
    others: list[UnusualNumber] = Field(default_factory=list, validation_alias="with")
    more: int = 0
    """How many further ones are not listed."""
    usual: UsualMoment | None = None
    """None if no usual run before is known."""
    changed: list[ChangedValue] = Field(default_factory=list)
    """The values whose shares changed most, those of the same column first."""
    broken: dict[str, int] = Field(default_factory=dict)
    """How often which value has broken the check that fails more often."""
    samples: list[str] = Field(default_factory=list)
    """The ids of events."""
    meanwhile: list[Meanwhile] = Field(default_factory=list)

    @property
    def is_silence(self) -> bool:
        """True if it is that a feed should have come."""
        return self.run is None and self.window is None


def list_anomalies(rows: Iterable[FindingsRow], over: Mapping[str, OverRow]) -> Iterator[Anomaly]:
    """Yield what was unusual, in the order of the rows; what no lane of ours wrote is left out.
    `over`: by anomaly, that it is over."""
    for row in rows:
        window = row.get("window")
        for each in row["anomalies"]:
            try:
                yield Anomaly.model_validate(
                    {
                        **each,
                        "run": row.get("run"),
                        "window": None if window is None else known_time(window) or EPOCH,
                        "at": known_time(row["at"]) or EPOCH,
                        **_end(over.get(str(each.get("id")))),
                    }
                )
            except ValidationError:
                continue


def _end(over: OverRow | None) -> dict[str, object]:
    if over is None:
        return {"state": "open"}
    return {
        "state": "expected" if over["how"] == "expected" else "over",
        "over": known_time(over["at"]) or EPOCH,
        "by": over.get("by", ""),
        "reason": over.get("comment", ""),
    }
