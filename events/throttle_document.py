"""Which rate does a control document set, instead of the one in the file?"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, model_validator

from farandole.events.control_model import StrictDocument
from farandole.events.rate import RateError, parse_rate, parse_rate_rule
from farandole.events.record_time import RowTime


class RateTarget(NamedTuple):
    """What a rate is about: a stage, the roots of the pipeline (both empty), or a limit."""

    stage: str = ""
    limit: str = ""


OFF: Literal["off"] = "off"
"""Written for a rate: there is no limit, whatever the file says."""
AS_FILE: Literal["file"] = "file"
"""Written for a rate: what the file says is valid."""


def _check_rate(written: Any) -> Any:
    """Return a rate as `farandole.events.rate` writes it. Raises ValueError."""
    if written in (None, OFF, AS_FILE):
        return written
    try:
        return str(parse_rate_rule(written))
    except RateError as error:
        raise ValueError(f"{error.message}; {error.remedy}, or off, or file") from None


def _check_key_rate(written: Any) -> Any:
    if written in (None, OFF, AS_FILE):
        return written
    try:
        rate = parse_rate(written)
    except RateError as error:
        raise ValueError(f"{error.message}; {error.remedy}, or off, or file") from None
    if not rate.count:
        raise ValueError("a rate of 0 for each key would park every event; write rate: 0")
    return str(rate)


class ThrottleDocument(StrictDocument):
    """How fast a stage, or a pipeline's roots, take events, or how often functions call what they
    depend on. A rate that is not given is that of the file."""

    do: Literal["throttle"] = "throttle"
    pipeline: str = Field(min_length=1)
    stage: str = ""
    """Empty for the roots of the pipeline, and for a limit."""
    limit: str = ""
    """The name of a limit under `limits:`; empty for a throttle."""
    rate: Annotated[str | None, BeforeValidator(_check_rate)] = None
    per_key: Annotated[str | None, BeforeValidator(_check_key_rate)] = None
    until: RowTime | None = None

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        if self.rate is None and self.per_key is None:
            raise ValueError("a throttle needs a rate, such as 100/s, or off, or file")
        if self.limit and self.stage:
            raise ValueError("a limit is that of all stages: leave out either stage or limit")
        if self.per_key is not None and not self.stage:
            raise ValueError("per_key needs a stage")
        if self.limit and self.rate and "lines" in self.rate:
            raise ValueError("a limit counts calls, not lines; write for example 50/s")
        return self

    @property
    def target(self) -> RateTarget:
        """What the rate is about."""
        return RateTarget(self.stage, self.limit)

    @property
    def key(self) -> bytes:
        if self.limit:
            return f"limit/{self.pipeline}/{self.limit}".encode()
        return f"throttle/{self.pipeline}/{self.stage}".encode()

    @property
    def subject(self) -> tuple[str, ...]:
        """What it decides: the newest document of a subject counts, under whatever key."""
        return "throttle", self.pipeline, *self.target
