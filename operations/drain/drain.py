"""How is a pipeline drained, until when does a command wait for that, and how does a drain end?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from farandole.broker.broker_errors import AccessDeniedError, BrokerError
from farandole.events.controls_in_force import drain_in_force
from farandole.events.drain_document import DrainDocument
from farandole.operations.control.control_change import drop_controls, put_control
from farandole.operations.control.control_query import read_control_state
from farandole.operations.control.expiry import expiry
from farandole.operations.drain.drain_reader import open_drain_reader
from farandole.operations.drain.drain_state import DrainState, read_drain_state
from farandole.operations.errors import operation, query
from farandole.operations.installation import Installation
from farandole.operations.published_pipeline import require_published
from farandole.operations.recorded import recorded
from farandole.operations.results import Result

LOOK_INTERVAL = 0.5  # seconds between the end of one look and the next
_UNANSWERED_SECONDS = 60.0  # for how long Kafka may give no answer


@dataclass(frozen=True, slots=True)
class DrainRequest:
    """Which pipeline is drained, by whom, and until when at most."""

    by: str
    pipeline: str | None = None
    """None: that of the file."""
    duration: timedelta | None = None
    comment: str = ""
    until: datetime | None = None
    """Instead of `duration`. With neither: until somebody ends the drain."""


class DrainOrder(Result):
    """The drain that is in force after a request."""

    pipeline: str
    since: datetime
    until: datetime | None
    by: str
    generation: int
    """The offset of the document in the control topic."""


class DrainEnd(Result):
    """The drain that a request has ended."""

    pipeline: str
    since: datetime | None
    """None if the pipeline was not drained."""
    by: str


@operation
@recorded("drain")
async def order_drain(installation: Installation, request: DrainRequest) -> DrainOrder:
    """Drain a pipeline, and return the drain that is in force. A drain that is in force already
    gets the end and the comment of this request, if they are others. Raises NotFoundError
    (`nothing_applied`, `pipeline_unknown`) and UnavailableError."""
    settings = installation.settings
    pipeline = await require_published(installation, request.pipeline)
    documents = await read_control_state(settings)
    now = datetime.now(UTC)
    until = expiry(request.duration, request.until)
    found = drain_in_force(documents.values(), pipeline, now)
    if found is not None and found.until is until is None and not request.comment:
        return DrainOrder(
            pipeline=pipeline,
            since=found.since,
            until=None,
            by=found.by,
            generation=found.generation,
        )
    document = DrainDocument(pipeline=pipeline, until=until, by=request.by, comment=request.comment)
    generation = await put_control(installation, document, documents)
    return DrainOrder(
        pipeline=pipeline, since=now, until=until, by=request.by, generation=generation
    )


@operation
@recorded("drain end")
async def end_drain(installation: Installation, pipeline: str | None = None) -> DrainEnd:
    """End the drain of a pipeline: delete every document that orders one, under whatever key.
    Raises NotFoundError (`nothing_applied`, `pipeline_unknown`) and UnavailableError."""
    settings = installation.settings
    pipeline = await require_published(installation, pipeline)
    documents = await read_control_state(settings)
    found = drain_in_force(documents.values(), pipeline, datetime.now(UTC))
    subject = DrainDocument(pipeline=pipeline).subject
    await drop_controls(installation, documents, subject)
    if found is None:
        return DrainEnd(pipeline=pipeline, since=None, by="")
    return DrainEnd(pipeline=pipeline, since=found.since, by=found.by)


@query
async def read_drains(installation: Installation, pipelines: Iterable[str]) -> list[DrainState]:
    """Return how far those of the pipelines are drained for which a drain is in force. Raises
    UnavailableError."""
    documents = await read_control_state(installation.settings)
    now = datetime.now(UTC)
    found = []
    for pipeline in pipelines:
        if drain_in_force(documents.values(), pipeline, now) is not None:
            async with open_drain_reader(installation.settings, pipeline) as reader:
                found.append(await read_drain_state(reader, pipeline))
    return found


@query
async def is_drained(installation: Installation) -> bool:
    """Return True if a drain of the pipeline is in force: its roots wait. Raises
    UnavailableError."""
    documents = await read_control_state(installation.settings)
    pipeline = await installation.require_pipeline()
    return drain_in_force(documents.values(), pipeline, datetime.now(UTC)) is not None


@query
async def read_drain(
    installation: Installation, pipeline: str | None = None, excepted: Sequence[str] = ()
) -> DrainState:
    """Return how far a pipeline is drained. `excepted`: runs that need not end. Raises
    NotFoundError (`nothing_applied`, `pipeline_unknown`) and UnavailableError."""
    pipeline = await require_published(installation, pipeline)
    async with open_drain_reader(installation.settings, pipeline) as reader:
        return await read_drain_state(reader, pipeline, excepted)


@operation
async def wait_until_drained(
    installation: Installation,
    pipeline: str | None = None,
    *,
    timeout: timedelta | None = None,
    excepted: Sequence[str] = (),
    progress: Callable[[DrainState], None] = lambda _: None,
) -> DrainState:
    """Look again and again until a pipeline is drained, nobody drains it any more, or `timeout` has
    passed; return the last state. Raises as `read_drain`, UnavailableError only if Kafka has not
    answered for a minute."""
    pipeline = await require_published(installation, pipeline)
    ends = None if timeout is None else time.monotonic() + timeout.total_seconds()
    state: DrainState | None = None
    answered = time.monotonic()
    while True:
        try:
            async with open_drain_reader(installation.settings, pipeline) as reader:
                while True:
                    state = await read_drain_state(reader, pipeline, excepted)
                    answered = time.monotonic()
                    is_over = ends is not None and answered >= ends
                    if state.state != "draining" or is_over:
                        return state
                    progress(state)
                    await asyncio.sleep(LOOK_INTERVAL)
        except BrokerError as error:
            unanswered = time.monotonic() - answered
            is_denied = isinstance(error, AccessDeniedError)
            if is_denied or unanswered >= _UNANSWERED_SECONDS:
                raise
        if state is not None and ends is not None and time.monotonic() >= ends:
            return state
        await asyncio.sleep(LOOK_INTERVAL)
