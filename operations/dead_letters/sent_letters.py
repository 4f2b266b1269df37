"""Which event was sent where by a replay, and what was changed in its data?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from farandole.events.json_edit import merge_patch_between
from farandole.events.safe_text import single_line
from farandole.notifier.dead_letter_view import DeadLetterView, PersonalData
from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
from farandole.operations.dead_letters.letter_detail import shown_data
from farandole.operations.dead_letters.settlement_writer import Sent
from farandole.operations.results import Result

_MAX_PATCH_LENGTH = 4_000  # characters


class SentLetter(Result):
    """A letter that was replayed."""

    letter: str
    """Its name, `validate/17`."""
    event_id: str
    """As it was when it died; empty if it has none."""
    event_type: str
    topic: str
    """The topic of the event; `partition` and `offset` complete its position."""
    partition: int
    offset: int | None
    """None if the event was published again: it has another position then."""
    run: str
    """The run that it died in."""
    version: str
    """The version that handles it."""
    opens_run: bool
    """True if the event was published again, as the root of a new run."""
    changed: bool
    """True if its data are not as they were when it died."""
    patch: str | None
    """The change as a merge patch, personal parts masked; None if none can express it."""
    patch_cut: bool
    """True if `patch` is only the beginning."""


def describe_sent(store: DeadLetterStore, stage: str, sent: Sent) -> SentLetter:
    """Return what may be shown of a letter that was replayed."""
    replay = sent.replay
    event, root = replay.event, replay.new_root
    attributes = {
        name: (raw or b"").decode(errors="backslashreplace") for name, raw in event.headers
    }
    changed = event.value != sent.letter.value
    patch = None
    if changed:
        letter = DeadLetterView.from_record(
            sent.letter, store.pipeline, stage, store.directory.personal_fields, datetime.now(UTC)
        )
        before, after = sent.letter.value or b"", event.value or b""
        patch = masked_patch(before, after, letter.secrets.schema)
    return SentLetter(
        letter=f"{stage}/{replay.letter_offset}",
        event_id=single_line(attributes.get("ce_id", "")),
        event_type=replay.event_type,
        topic=event.topic if root is None else root.topic,
        partition=event.partition if root is None else root.partition,
        offset=event.offset if root is None else None,
        run=replay.run.decode(),
        version=replay.handling_version.name if root is None else store.newest.name,
        opens_run=root is not None,
        changed=changed,
        patch=None if patch is None else patch[:_MAX_PATCH_LENGTH],
        patch_cut=patch is not None and len(patch) > _MAX_PATCH_LENGTH,
    )


def masked_patch(before: bytes, after: bytes, schema: Mapping[str, Any] | None) -> str | None:
    """Return the merge patch that makes one value of the other, with `•••` for what the schema
    marks as personal; None if no patch can express the change. `after` fits the schema."""
    try:
        patch = merge_patch_between(before.decode(), after.decode())
    except ValueError:
        return None
    return shown_data(patch.encode(), PersonalData(schema)).text
