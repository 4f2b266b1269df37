"""What has changed? One stream of a browser, which all of its tabs share, tells it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from hashlib import blake2b
from typing import Annotated, NamedTuple

import orjson
from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from farandole.operations.errors import InvalidRequestError
from farandole.operations.read_model.read_model import Delta
from farandole.operations.read_model.revision import Revision
from farandole.web.access import Viewer
from farandole.web.console import CurrentConsole

router = APIRouter(tags=["stream"])

RECONNECT_MS = 1_000
MAX_ID_LENGTH = 32_768  # characters


class AskedChanges(NamedTuple):
    """What a stream is to tell."""

    views: Sequence[str]
    since: Revision | None
    """None for everything."""


async def _asked_changes(
    console: CurrentConsole,
    topics: Annotated[
        list[str], Query(min_length=1, description="Views, such as `runs` or `stages/order-lines`.")
    ],
    last_event_id: Annotated[str | None, Header(max_length=MAX_ID_LENGTH)] = None,
) -> AsyncGenerator[AskedChanges]:
    views = [*dict.fromkeys(name for topic in topics for name in topic.split(",") if name)]
    if not views:
        raise InvalidRequestError("invalid_request", "name what is wanted: topics=runs")
    console.model.require_views(views)
    with console.streams.place():
        yield AskedChanges(views, _parse_id(last_event_id, views))


@router.get("/stream", response_class=EventSourceResponse)
async def stream(
    console: CurrentConsole,
    principal: Viewer,
    asked: Annotated[AskedChanges, Depends(_asked_changes)],
) -> AsyncGenerator[ServerSentEvent]:
    """Tell what the views hold, then what changes in them, at most four times a second.

    Each event is a JSON object: `views` has by name `whole`, `rows` by key, and `removed`, a list
    of keys. If `whole` is true, rows that are not named are gone. The id of the last event, in
    `Last-Event-ID`, goes on where a stream has ended, also of another console."""
    changes = console.model.changes(asked.views, asked.since)
    try:
        async for delta in changes:
            yield ServerSentEvent(
                raw_data=_encode(delta),
                event="change",
                id=_format_id(delta.revision, asked.views),
                retry=RECONNECT_MS,
            )
    finally:
        await changes.aclose()


def _encode(delta: Delta) -> str:
    views = {
        name: {"whole": change.whole, "rows": change.rows, "removed": change.removed}
        for name, change in delta.views.items()
    }
    return orjson.dumps({"views": views}).decode()


def _format_id(revision: str, views: Sequence[str]) -> str:
    """Return the id of an event: what its reader knows of these views."""
    return f"{revision}~{_digest(views)}"


def _parse_id(text: str | None, views: Sequence[str]) -> Revision | None:
    """Return the revision of an event's id; None if it was of other views, or is none."""
    revision, _, digest = (text or "").rpartition("~")
    return Revision.parse(revision) if digest == _digest(views) else None


def _digest(views: Sequence[str]) -> str:
    return blake2b("\n".join(sorted(views)).encode(), digest_size=4).hexdigest()
