"""Which control documents are in force: what is paused, and which runs are cancelled?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from farandole.events.control_documents import (
    AcknowledgeDocument,
    CancelDocument,
    ControlDocument,
    PauseDocument,
    RestartDocument,
    ResumeDocument,
)

CANCELLATION_LIFETIME = timedelta(days=7)
"""How long a run stays cancelled if the document does not say: as long as the ledger is kept."""
MAX_CANCELLED_RUNS = 10_000
"""How many runs can be cancelled at one time; beyond that the oldest are forgotten."""


class TimedDocument(NamedTuple):
    """A document, with the time at which it was written."""

    control: ControlDocument
    at: datetime


def is_expired(control: ControlDocument, now: datetime) -> bool:
    """Return True if the document's `until` has passed."""
    return (
        not isinstance(control, AcknowledgeDocument | RestartDocument)
        and control.until is not None
        and control.until <= now
    )


def cancelled_runs(documents: Iterable[TimedDocument], now: datetime) -> dict[str, datetime]:
    """Return the runs that are cancelled, and until when. `documents`: in the order of the log."""
    found: dict[str, datetime] = {}
    for control, at in documents:
        if isinstance(control, CancelDocument):
            found.pop(control.run, None)
            found[control.run] = control.until or at + CANCELLATION_LIFETIME
    current = [(run, until) for run, until in found.items() if until > now]
    return dict(current[-MAX_CANCELLED_RUNS:])


def pause_in_force(
    documents: Sequence[TimedDocument], pipeline: str, stage: str, now: datetime
) -> TimedDocument | None:
    """Return the document that pauses a stage now; None if nothing does. `documents`: in the order
    of the log.

    Only the newest document of the stage and the newest of the whole pipeline count, also if others
    stand under other keys; of these two the newer one decides, unless it has expired.
    """
    replaced = set()
    for each in reversed(documents):
        control = each.control
        if not isinstance(control, PauseDocument | ResumeDocument) or not control.applies_to(
            pipeline, stage
        ):
            continue
        if control.key not in replaced and not is_expired(control, now):
            return each if isinstance(control, PauseDocument) else None
        replaced.add(control.key)
    return None
