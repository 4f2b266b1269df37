"""Which control documents are in force: which mode has a stage, and which runs are cancelled?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from farandole.events.control_documents import (
    CancelDocument,
    ControlDocument,
    PauseDocument,
    ResumeDocument,
)
from farandole.events.drain_document import DrainDocument
from farandole.events.release_document import ReleaseDocument
from farandole.events.switch_document import EndSwitchDocument, Mode, SwitchDocument

CANCELLATION_LIFETIME = timedelta(days=7)
"""How long a run stays cancelled if the document does not say: as long as the ledger is kept."""
MAX_CANCELLED_RUNS = 10_000
"""How many runs can be cancelled at one time; beyond that the oldest are forgotten."""


class TimedDocument(NamedTuple):
    """A document, with its place in the log."""

    control: ControlDocument
    at: datetime
    """When it was written, by the broker's clock."""
    generation: int
    """Its offset in the control topic: it names what the document has set."""
    record_key: bytes | None = None
    """The key of its record, if it is known; usually `control.key`."""

    @property
    def key(self) -> bytes:
        """The key under which it is deleted."""
        return self.control.key if self.record_key is None else self.record_key


class StageMode(NamedTuple):
    """The mode of a stage, and the document that says so."""

    mode: Mode
    run: str = ""
    """The candidate, `package.module:function`."""
    share: float = 1.0
    """The share of the events or keys for which the candidate is called."""
    allow_effects: bool = False
    generation: int | None = None
    """None if no document says anything of the stage."""
    since: datetime | None = None
    until: datetime | None = None
    by: str = ""
    of_pipeline: bool = False
    """True if the document is about the whole pipeline."""
    comment: str = ""


ON = StageMode("on")
"""The mode of a stage of which no document says anything."""


class DrainInForce(NamedTuple):
    """The drain of a pipeline, and the document that says so."""

    generation: int
    since: datetime
    until: datetime | None = None
    by: str = ""
    comment: str = ""


def is_expired(control: ControlDocument, now: datetime) -> bool:
    """Return True if the document's `until` has passed."""
    until: datetime | None = getattr(control, "until", None)
    return until is not None and until <= now


def cancelled_runs(documents: Iterable[TimedDocument], now: datetime) -> dict[str, datetime]:
    """Return the runs that are cancelled, and until when. `documents`: in the order of the log."""
    found: dict[str, datetime] = {}
    for control, at, _, _ in documents:
        if isinstance(control, CancelDocument):
            found.pop(control.run, None)
            found[control.run] = _cancelled_until(control, at)
    current = [(run, until) for run, until in found.items() if until > now]
    return dict(current[-MAX_CANCELLED_RUNS:])


def released_runs(
    documents: Iterable[TimedDocument], pipeline: str, stage: str, now: datetime
) -> set[str]:
    """Return the runs that a person has let into a gated stage."""
    return {
        control.run
        for control, *_ in documents
        if isinstance(control, ReleaseDocument)
        and control.pipeline == pipeline
        and control.stage in ("", stage)
        and not is_expired(control, now)
    }


def stage_mode(
    documents: Sequence[TimedDocument], pipeline: str, stage: str, now: datetime
) -> StageMode:
    """Return the mode of a stage now. `documents`: in the order of the log.

    Only the newest document of the stage and the newest of the whole pipeline count, under
    whatever keys they and others stand. Of these two the newer one decides whether the stage is on
    hold. If it is not, the document of the stage says its mode: so a pipeline that is held and let
    on again does not end a canary. A document that has expired, or whose switch is over, is as if
    it were not there.
    """
    own, whole = (
        each if each is not None and not _is_over(each, documents, now) else None
        for each in _newest_of_both(documents, pipeline, stage)
    )
    newest = max((each for each in (own, whole) if each), key=_generation, default=None)
    if newest is None:
        return ON
    if own is not None and "hold" not in (_mode_of(own), _mode_of(newest)):
        return _as_stage_mode(own)
    return _as_stage_mode(newest)


def hold_ended_at(
    documents: Sequence[TimedDocument], pipeline: str, stage: str, now: datetime
) -> float:
    """Return when the last hold of a stage may have ended, in seconds of the epoch; 0 if none has.
    `documents`: in the order of the log.

    A document that lifts a hold mostly has its key, and compaction deletes the hold: so any
    document by which the stage is not on hold counts as the end of one.
    """
    ended = [0.0]
    for each in _newest_of_both(documents, pipeline, stage):
        if each is None:
            continue
        if _mode_of(each) != "hold":
            ended.append(each.at.timestamp())
        elif (end := end_of_switch(each, documents)) is not None:
            ended.append(end.at.timestamp())
        elif is_expired(each.control, now):
            ended.append(each.control.until.timestamp())  # type: ignore[union-attr]
    return max(each for each in ended if each <= now.timestamp())


def drain_in_force(
    documents: Iterable[TimedDocument], pipeline: str, now: datetime
) -> DrainInForce | None:
    """Return the drain of a pipeline; None if it is not drained. Only the newest document counts,
    under whatever key it and others stand."""
    found = [
        each
        for each in documents
        if isinstance(each.control, DrainDocument) and each.control.pipeline == pipeline
    ]
    newest = max(found, key=_generation, default=None)
    if newest is None or is_expired(newest.control, now):
        return None
    assert isinstance(newest.control, DrainDocument)
    drain = newest.control
    return DrainInForce(newest.generation, newest.at, drain.until, drain.by, drain.comment)


def newest_switch(
    documents: Iterable[TimedDocument], pipeline: str, stage: str
) -> TimedDocument | None:
    """Return the newest switch, pause or resume document of exactly this stage, or of the whole
    pipeline if `stage` is empty; None if there is none. It may have expired, or be over.
    `documents`: in the order of the log."""
    found = (
        each
        for each in documents
        if isinstance(each.control, MODE_DOCUMENTS)
        and (each.control.pipeline, each.control.stage) == (pipeline, stage)
    )
    return max(found, key=_generation, default=None)


def newest_switches(documents: Iterable[TimedDocument]) -> list[TimedDocument]:
    """Return what `newest_switch` returns for each stage and pipeline, in the order of the log."""
    return newest_of_each(documents, *MODE_DOCUMENTS)


def newest_of_each(documents: Iterable[TimedDocument], *kinds: type) -> list[TimedDocument]:
    """Return the newest document of each subject, under whatever key it stands, in the order of the
    log; of documents of these kinds, all of which have a subject."""
    found: dict[tuple[str, ...], TimedDocument] = {
        each.control.subject: each  # type: ignore[union-attr]  # all of the kinds have one
        for each in documents
        if isinstance(each.control, kinds)
    }
    return sorted(found.values(), key=_generation)


def oldest_of_each(documents: Sequence[TimedDocument], *kinds: type) -> list[TimedDocument]:
    """Return the oldest document of each subject, as `newest_of_each` the newest: of an order it is
    the one that counts."""
    return newest_of_each(reversed(documents), *kinds)


def end_of_switch(
    switch: TimedDocument, documents: Iterable[TimedDocument]
) -> TimedDocument | None:
    """Return the newest document that says that a switch is over; None if none does. Compaction
    leaves no other of several that say so."""
    control = switch.control
    if not isinstance(control, SwitchDocument):
        return None
    found = (
        each
        for each in documents
        if isinstance(end := each.control, EndSwitchDocument)
        and (end.pipeline, end.stage) == (control.pipeline, control.stage)
        and end.generation == switch.generation < each.generation
    )
    return max(found, key=_generation, default=None)


def next_expiry(documents: Iterable[TimedDocument], now: datetime) -> datetime | None:
    """Return when the next of these documents expires; None if none does."""
    found = (_expiry(each) for each in documents)
    return min((until for until in found if until is not None and until > now), default=None)


def _expiry(document: TimedDocument) -> datetime | None:
    control = document.control
    if isinstance(control, CancelDocument):
        return _cancelled_until(control, document.at)
    until: datetime | None = getattr(control, "until", None)
    return until


def _cancelled_until(control: CancelDocument, at: datetime) -> datetime:
    return control.until or at + CANCELLATION_LIFETIME


MODE_DOCUMENTS = (SwitchDocument, PauseDocument, ResumeDocument)
"""The documents that say which mode a stage has."""


def _newest_of_both(
    documents: Sequence[TimedDocument], pipeline: str, stage: str
) -> tuple[TimedDocument | None, TimedDocument | None]:
    return newest_switch(documents, pipeline, stage), newest_switch(documents, pipeline, "")


def _generation(document: TimedDocument) -> int:
    return document.generation


def _is_over(switch: TimedDocument, documents: Sequence[TimedDocument], now: datetime) -> bool:
    return is_expired(switch.control, now) or end_of_switch(switch, documents) is not None


def _mode_of(document: TimedDocument) -> Mode:
    control = document.control
    if isinstance(control, SwitchDocument):
        return control.mode
    return "hold" if isinstance(control, PauseDocument) else "on"


def _as_stage_mode(document: TimedDocument) -> StageMode:
    control = document.control
    assert isinstance(control, MODE_DOCUMENTS)
    mode = StageMode(
        _mode_of(document),
        generation=document.generation,
        since=document.at,
        until=control.until,
        by=control.by,
        of_pipeline=not control.stage,
        comment=getattr(control, "comment", ""),
    )
    if not isinstance(control, SwitchDocument):
        return mode
    return mode._replace(
        run=control.run,
        share=1.0 if control.share is None else control.share,
        allow_effects=control.allow_effects,
    )
