"""What do the data of an event type look like, in a run or lately, and how has that changed?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from farandole.events.next_step import NextStep
from farandole.events.topology_version import Version
from farandole.operations.errors import NotFoundError, query
from farandole.operations.installation import Installation
from farandole.operations.published_pipeline import newest_published
from farandole.operations.quality.column_figures import ProfileFigures, profile_figures
from farandole.operations.quality.profile_comparison import ProfileComparison, compare_profiles
from farandole.operations.quality.quality_records import (
    QualityRecord,
    newest_quality,
    shown_moment,
)
from farandole.operations.results import Result


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """Which profile is shown: of a run (its id, or the beginning of it), or of an event type (the
    newest one)."""

    target: str
    pipeline: str | None = None
    event: str | None = None
    """Of a run, only this event type."""
    against: str | None = None
    """The run with which it is compared; `previous` for the one before."""
    column: str | None = None
    """Only this column."""


class EventProfile(Result):
    """The profile of one event type, in one run or window."""

    pipeline: str
    event: str
    stage: str
    """The stage that profiles it; empty if none subscribes to it."""
    version: int
    run: str | None
    window: datetime | None
    """When the window begins."""
    until: datetime | None
    ended: bool
    """If False, more may come."""
    profile: ProfileFigures | None
    """The rows that came; None if only their dead letters are known."""
    died: ProfileFigures | None
    """Those that have become dead letters."""
    compared: ProfileComparison | None = None


class ProfileResult(Result):
    """The profiles that were asked for."""

    profiles: list[EventProfile]


@query
async def show_profile(installation: Installation, request: ProfileRequest) -> ProfileResult:
    """Return the profiles of a run, one for each event type that is profiled, or the newest one of
    an event type. Raises NotFoundError (`not_profiled`, `no_profile`) and UnavailableError."""
    version = await newest_published(installation, request.pipeline)
    settings, pipeline = installation.settings, version.pipeline
    if request.target in version.events:
        _require_profiled(version, request.target)
        event = request.target
        newest = await newest_quality(
            settings, pipeline, lambda key: key.event == event, 2 if request.against else 1
        )
        found = newest[:1]
    else:
        found = await newest_quality(
            settings,
            pipeline,
            lambda key: (
                key.run is not None
                and key.run.startswith(request.target)
                and request.event in (None, key.event)
            ),
            len(version.events),
        )
    if not found:
        raise NotFoundError(
            "no_profile",
            f"there is no profile of {request.target!r} in {pipeline}: it is neither an event type"
            " that is profiled nor a run with one",
            next_steps=[NextStep("see which runs there are", ("runs",))],
        )
    shown = []
    for record in sorted(found, key=lambda each: each.key.event):
        other = None
        if request.against:
            other = await _other(installation, record, request.against)
        shown.append(_event_profile(record, other, request.column))
    return ProfileResult(profiles=shown)


def _require_profiled(version: Version, event: str) -> None:
    if not version.events[event].is_profiled:
        raise NotFoundError(
            "not_profiled",
            f"{event} is not profiled; write `profile: true` under `events:` {event} in"
            " topology.yaml, and apply it",
            next_steps=[NextStep("see what would change", ("plan",))],
        )


async def _other(installation: Installation, record: QualityRecord, against: str) -> QualityRecord:
    """Return the profile with which another one of the same event type is compared."""
    key, settings = record.key, installation.settings
    if against == "previous":
        recent = await newest_quality(
            settings, key.pipeline, lambda each: each.event == key.event, 50, with_open=False
        )
        older = [each for each in recent if each.key != key and each.row["at"] <= record.row["at"]]
    else:
        older = await newest_quality(
            settings,
            key.pipeline,
            lambda each: each.event == key.event and (each.run or "").startswith(against),
            1,
        )
    if not older:
        raise NotFoundError(
            "no_profile", f"there is no profile of {key.event} in {against!r} to compare with"
        )
    return older[0]


def _event_profile(
    record: QualityRecord, other: QualityRecord | None, column: str | None
) -> EventProfile:
    data, key = record.data, record.key
    return EventProfile(
        pipeline=key.pipeline,
        event=key.event,
        stage=data.stage,
        version=data.version,
        run=key.run,
        window=shown_moment(key.window),
        until=shown_moment(data.until or None),
        ended=not record.is_open,
        profile=None if data.profile is None else profile_figures(data.profile, column),
        died=None if data.died is None else profile_figures(data.died, column),
        compared=None if other is None else compare_profiles(record, other),
    )
