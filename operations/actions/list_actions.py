"""Who has done what, when and from where?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiokafka import TopicPartition
from pydantic import ValidationError

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.events.action_record import ActionOutcome, ActionRecord, ActionVia, parse_action
from farandole.events.record import Record
from farandole.events.record_time import EPOCH, known_time
from farandole.events.row_format import NewerFormatError
from farandole.operations.errors import query
from farandole.operations.events.newest_records import newest_records
from farandole.operations.installation import Installation
from farandole.operations.results import Result


@dataclass(frozen=True, slots=True)
class ActionsRequest:
    """Which deeds are listed; all that is set must fit."""

    who: str = ""
    """A part of the name, in any case; also of whom it was done for."""
    what: str = ""
    """How the name of the deed begins: `dead` for `dead replay` and `dead discard`."""
    target: str = ""
    """A part of what it was done to."""
    pipeline: str = ""
    via: ActionVia | None = None
    result: ActionOutcome | None = None
    since: int | None = None
    """Milliseconds of the epoch, as is `until`."""
    until: int | None = None
    limit: int = 50
    before: int | None = None
    """Only deeds recorded before this offset: the `next` of an earlier answer."""


class ListedAction(Result):
    """One deed."""

    offset: int
    """Where its record is in `farandole.actions`."""
    id: str
    at: datetime
    """When it was done, by the clock of the machine that did it."""
    recorded: datetime
    """By the broker's clock; after a restore, when it was restored."""
    who: str
    role: str
    via: ActionVia
    origin: str
    what: str
    target: str
    pipeline: str
    by: str
    reason: str
    before: Any
    after: Any
    result: ActionOutcome
    code: str


class ActionsResult(Result):
    """Deeds, the newest first."""

    actions: list[ListedAction]
    next: int | None
    """What `before` continues with; None if there are no older ones."""
    missing: bool = False
    """True if the topic does not exist: nothing has been recorded."""


@query
async def list_actions(installation: Installation, request: ActionsRequest) -> ActionsResult:
    """Return what was done, the newest first. Records that this release cannot read are left out.
    Raises UnavailableError."""
    settings = installation.settings
    topic = settings.names.actions_topic
    place = TopicPartition(topic, 0)
    async with ClusterAdmin.open(settings) as admin:
        if topic not in await admin.topics([topic]):
            return ActionsResult(actions=[], next=None, missing=True)
        start = (await admin.start_offsets([place]))[place]
        end = (await admin.end_offsets([place]))[place]
        if request.before is not None:
            end = max(start, min(end, request.before))
        wanted = request.limit + 1  # one more, to know whether there are older ones
        found = await newest_records(
            settings, admin, wanted, {place: start}, {place: end}, _condition(request)
        )
    listed = [_listed(record, action) for record in found if (action := _readable(record))]
    newest_first = listed[::-1]
    shown = newest_first[: request.limit]
    has_more = len(newest_first) > request.limit
    return ActionsResult(actions=shown, next=shown[-1].offset if has_more else None)


def _condition(request: ActionsRequest) -> Callable[[Record], bool]:
    """Return what says whether a record fits a request."""
    since = known_time(request.since) if request.since is not None else None
    until = known_time(request.until) if request.until is not None else None

    def fits(record: Record) -> bool:
        action = _readable(record)
        return (
            action is not None
            and request.who.lower() in f"{action.who} {action.by}".lower()
            and action.what.startswith(request.what)
            and request.target.lower() in action.target.lower()
            and request.pipeline in ("", action.pipeline)
            and request.via in (None, action.via)
            and request.result in (None, action.result)
            and (since is None or action.at >= since)
            and (until is None or action.at < until)
        )

    return fits


def _readable(record: Record) -> ActionRecord | None:
    """Return the deed of a record; None if it has none that this release knows."""
    if record.value is None:
        return None
    try:
        return parse_action(record.value)
    except (ValidationError, NewerFormatError):
        return None


def _listed(record: Record, action: ActionRecord) -> ListedAction:
    return ListedAction(
        offset=record.offset,
        recorded=known_time(record.timestamp) or EPOCH,
        **{name: getattr(action, name) for name in ActionRecord.model_fields},
    )
