"""What may a stage function raise and return, and which context does it get?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Protocol, TypeVar

if not __name__.startswith("farandole."):
    raise ImportError(
        "stages.contract has moved: write `from farandole import Context, Reject, To`"
    )

T = TypeVar("T")


class Reject(Exception):
    """Raised by a stage function for an event that can never succeed: the event becomes a dead
    letter at once, without a retry."""


@dataclass(frozen=True, slots=True)
class To(Generic[T]):
    """Returned by a stage function to name the event type of an output, if two outputs of the stage
    share a schema."""

    event: str
    data: T


UNCHANGED_MARK = object()

Unchanged = Annotated[T, UNCHANGED_MARK]
"""What a function of a TypeVar returns if it only decides whether the event goes on: the event is
passed on byte for byte, whatever the function did to its data."""


class Logger(Protocol):
    """The methods of a structlog logger that stages use: a dotted event name, and fields."""

    def debug(self, event: str, **fields: Any) -> Any: ...
    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...


class Context(Protocol):
    """The context of an attempt, for a parameter with the annotation `Context`."""

    @property
    def run(self) -> str | None:
        """The run id; None for a batch whose events belong to several runs."""

    @property
    def pipeline(self) -> str: ...

    @property
    def stage(self) -> str: ...

    @property
    def attempt(self) -> int:
        """The number of this attempt; 1 for the first."""

    @property
    def deadline(self) -> float:
        """The `time.monotonic()` after which the attempt counts as hung."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """The CloudEvents attributes of the event; empty for a bare record and for a batch."""

    @property
    def log(self) -> Logger: ...
