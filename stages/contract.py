"""What may a stage function raise and return, and which context does it get?"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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


class EventInfo(Protocol):
    """What is known of an event beside its data."""

    @property
    def id(self) -> str:
        """Its id, such as `line.ingested/3/10482/0`; the position of a bare record, such as
        `order.placed/0/12`. It is the same at every attempt and after a replay."""

    @property
    def type(self) -> str:
        """Its event type, as in the file."""

    @property
    def key(self) -> str | None:
        """Its Kafka key as text; None if it has none."""

    @property
    def time(self) -> datetime | None:
        """When it was made, with its zone: its attribute `time`, or the record's timestamp. None if
        neither is a time."""

    @property
    def run(self) -> str:
        """The id of its run."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """Its CloudEvents attributes, without `ce_`; empty for a bare record."""

    def flag(self, name: str, default: T) -> T:
        """Return the value of a flag for this event: see `Context.flag`. For a function of a list,
        whose events may have different keys."""


class Context(Protocol):
    """The context of an attempt, for a parameter with the annotation `Context`. Each field is
    computed when it is asked for."""

    @property
    def events(self) -> Sequence[EventInfo]:
        """The events of this call: `events[i]` belongs to the i-th of a list; a function of one
        event has `events[0]`."""

    @property
    def run(self) -> str | None:
        """The run id; None for a batch whose events belong to several runs."""

    @property
    def pipeline(self) -> str:
        """The name of the pipeline."""

    @property
    def stage(self) -> str:
        """The name of the stage, as in the file."""

    @property
    def attempt(self) -> int:
        """The number of this attempt; 1 for the first. It goes on where the event was parked, and
        starts again at a replay."""

    @property
    def deadline(self) -> float:
        """The `time.monotonic()`, in seconds, after which the attempt counts as hung: its start and
        the stage's `timeout`."""

    @property
    def attributes(self) -> Mapping[str, str]:
        """The CloudEvents attributes of the event, without `ce_`; empty for a bare record and for a
        batch."""

    def flag(self, name: str, default: T) -> T:
        """Return the value of a flag of the pipeline (`flags:` in the file): what a control
        document says, else its default in the file. `default`, of the same type, is returned if
        the newest version has no such flag.

        All reads of one batch see the same documents. In a function of a list, rules for a share of
        the keys or for attributes do not count here: `context.events[i].flag` reads for one
        event."""

    def limit(self, name: str) -> Awaitable[None]:
        """Wait until the limit `name` of the file lets one more call pass: `await
        context.limit("crm")`, or `context.limit("crm")` in a thread (`threads:`). The time does not
        count for `timeout`. Raises LookupError if the file has no such limit."""

    @property
    def log(self) -> Logger:
        """A structlog logger whose lines have the pipeline, the stage and the run."""
