"""What may a stage function raise, and what may it ask for?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

if not __name__.startswith("farandole."):
    raise ImportError(
        "stages.contract has moved: write `from farandole import Context, Reject, To`"
    )

T = TypeVar("T")


class Reject(Exception):
    """This event can never succeed: a dead letter at once, without a retry."""


@dataclass(frozen=True, slots=True)
class To(Generic[T]):
    """`data` as an event of the type `event`: for a stage two of whose outputs share a schema."""

    event: str
    data: T


class Logger(Protocol):
    """The part of a structlog logger that stages use: a dotted event name and fields."""

    def debug(self, event: str, **fields: Any) -> Any: ...
    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...


class Context(Protocol):
    """A second parameter annotated `Context` receives this."""

    @property
    def run(self) -> str | None:
        """The run id; None for a batch whose events belong to several runs."""

    @property
    def pipeline(self) -> str: ...

    @property
    def stage(self) -> str: ...

    @property
    def attempt(self) -> int:
        """1 at the first try."""

    @property
    def deadline(self) -> float:
        """`time.monotonic()` at which the attempt counts as hung."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """The CloudEvents attributes of the event; empty for a bare record and for a batch."""

    @property
    def log(self) -> Logger: ...
