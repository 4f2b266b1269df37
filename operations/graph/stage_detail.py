"""What does the panel of a stage, or of an edge, say of its code, its data and its settings?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.operations.errors import query
from farandole.operations.graph.code_location import CodeLocation, locate_function
from farandole.operations.graph.stage_condition import duration_text, share_text
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.results import Result
from farandole.operations.topology.version_lookup import find_version


@dataclass(frozen=True, slots=True)
class DetailRequest:
    """Which stage or event type, and of which version."""

    name: str
    version: int | None = None
    """None: the newest one that has it."""


class Setting(Result):
    """A setting, as the panel shows it."""

    name: str
    value: str


class EventDetail(Result):
    """An event type of a version."""

    name: str
    topic: str
    partitions: int
    key: str | None
    title: str | None
    """Of the schema of its data."""
    data_schema: dict[str, Any] | None
    emitters: list[str]
    subscribers: list[str]
    version: int


class StageDetail(Result):
    """A stage of a version."""

    name: str
    version: int
    run: str
    location: CodeLocation | None
    """None if its source is not here."""
    subscribes: list[EventDetail]
    emits: list[EventDetail]
    accepts: dict[str, Any] | None
    """The JSON Schema of what the function reads; None if it takes anything."""
    settings: list[Setting]
    """Those that are set, and those that always matter, in words."""
    can_bypass: bool
    """False if what comes in cannot go on as it is: the stage emits nothing."""
    dead_topic: str
    retry_topic: str | None


@query
async def read_stage_detail(installation: Installation, request: DetailRequest) -> StageDetail:
    """Return a stage. Raises NotFoundError (`nothing_applied`, `unknown_version`, `unknown_stage`)
    and UnavailableError."""
    version = await _find(installation, request.version, lambda each: each.stages, request.name)
    name = require_known(request.name, version.stages, "stage")
    stage = version.stages[name]
    return StageDetail(
        name=name,
        version=version.version,
        run=stage.run,
        location=await asyncio.to_thread(locate_function, installation.folder, stage.run),
        subscribes=[_event_detail(version, each) for each in stage.subscribes],
        emits=[_event_detail(version, each) for each in stage.emits],
        accepts=stage.accepts,
        settings=[*stage_settings(stage)],
        can_bypass=bool(stage.emits),
        dead_topic=installation.settings.names.dead_topic(version.pipeline, name),
        retry_topic=stage.parking.topic if stage.parking else None,
    )


@query
async def read_event_detail(installation: Installation, request: DetailRequest) -> EventDetail:
    """Return an event type. Raises NotFoundError (`nothing_applied`, `unknown_version`,
    `unknown_event_type`) and UnavailableError."""
    version = await _find(installation, request.version, lambda each: each.events, request.name)
    name = require_known(request.name, version.events, "event type", "unknown_event_type")
    return _event_detail(version, name)


async def _find(
    installation: Installation, number: int | None, parts: Callable[[Version], Any], name: str
) -> Version:
    """Return the version with a number; without one, the newest that has the name, or the newest
    of all."""
    versions = [each for _, each in sorted((await installation.versions()).items())]
    if number is not None:
        return find_version(versions, versions[0].pipeline, number)
    return next((each for each in reversed(versions) if name in parts(each)), versions[-1])


def _event_detail(version: Version, name: str) -> EventDetail:
    event: EventSpec = version.events[name]
    return EventDetail(
        name=name,
        topic=event.topic,
        partitions=event.partitions,
        key=event.key,
        title=(event.data_schema or {}).get("title"),
        data_schema=event.data_schema,
        emitters=[*version.emitters(name)],
        subscribers=[*version.subscribers(name)],
        version=version.version,
    )


def stage_settings(stage: StageSpec) -> Iterator[Setting]:
    """Yield the settings of a stage in words, those that everybody asks for first."""
    yield Setting(name="subscribes", value=", ".join(stage.subscribes))
    yield Setting(name="emits", value=", ".join(stage.emits) or "nothing")
    if stage.external:
        word = "at least once" if stage.is_relayed else "with transactions"
        yield Setting(name="external", value=f"a program of yours, {word}")
    else:
        yield Setting(name="runs", value=stage.run)
    title = (stage.accepts or {}).get("title")
    if title:
        yield Setting(name="takes", value=f"a list of {title}" if stage.takes_batch else title)
    for event, condition in stage.when.items():
        yield Setting(name=f"when {event}" if len(stage.subscribes) > 1 else "when",
                      value=" ".join(condition.split()))  # fmt: skip
    for name, value in stage.parameters.items():
        yield Setting(name=f"with {name}", value=to_json(value).decode())
    if stage.threads:
        yield Setting(name="threads", value=str(stage.threads))
    if stage.processes > 1:
        yield Setting(name="processes", value=str(stage.processes))
    retry, breaker = stage.retry, stage.breaker
    tries = f"{retry.attempts} attempt{'s' if retry.attempts > 1 else ''}"
    waits = f"{_short(retry.backoff)} to {_short(retry.max_backoff)}"
    yield Setting(name="retry", value=f"{tries}, {waits}" if retry.attempts > 1 else tries)
    if retry.within is not None:
        yield Setting(name="retry within", value=_short(retry.within))
    yield Setting(
        name="breaker",
        value=f"{share_text(breaker.share)} of {breaker.failures} in {_short(breaker.window)}",
    )
    yield Setting(name="timeout", value=_short(stage.timeout))
    if stage.age is not None:
        yield Setting(name="expected age", value=_short(stage.age))
    if stage.throttle is not None:
        yield Setting(name="throttle", value=str(stage.throttle))
    if stage.has_effects:
        yield Setting(name="effects", value="writes to the outside")


def _short(seconds: float) -> str:
    """Return a duration as files have it: `200 ms`, `10 s`, `1 min`."""
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    return f"{seconds:g} s" if seconds < 60 else duration_text(seconds)
