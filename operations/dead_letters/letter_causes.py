"""Which events caused the event of a dead letter, up to the root of its run?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.operations.dead_letters.dead_event import dead_event
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.selected_letters import open_selected_store, unknown_letter
from farandole.operations.errors import query
from farandole.operations.events.event_tracer import EventTracer, FoundRecords
from farandole.operations.installation import Installation
from farandole.operations.reason_text import reason_text
from farandole.operations.results import Result

MAX_CAUSES = 20


@dataclass(frozen=True, slots=True)
class LetterCausesRequest:
    """The letter whose causes are asked for."""

    stage: str
    offset: int


class CausingEvent(Result):
    """An event on the way to the one that died."""

    event_type: str
    partition: int
    offset: int
    stage: str | None
    """The stage that emitted it; None if it is a root."""


class LetterCauses(Result):
    """The way to an event that died."""

    events: list[CausingEvent]
    """The root first, the event that died last. Empty if the letter does not say where its event
    was."""
    notes: list[str]
    """Why causes are missing, such as that retention has deleted them."""


@query
async def find_letter_causes(
    installation: Installation, request: LetterCausesRequest
) -> LetterCauses:
    """Return the causes of a dead letter. Raises NotFoundError `unknown_stage`, `unknown_letter`
    and `nothing_applied`."""
    stage, offset = request.stage, request.offset
    selection = LetterSelection({stage: frozenset({offset})})
    store, _ = await open_selected_store(installation, selection)
    letter = await store.letter_at(stage, offset)
    if letter is None:
        raise unknown_letter(stage, offset)
    event = dead_event(letter)
    if event is None:
        return LetterCauses(events=[], notes=["the letter does not say where its event was"])
    found = FoundRecords()
    async with ClusterAdmin.open(installation.settings) as admin:
        versions = store.versions.values()
        tracer = EventTracer(installation.settings, admin, versions, MAX_CAUSES, lambda _: None)
        await tracer.find_causes(event, found)
    return LetterCauses(
        events=[
            CausingEvent(
                event_type=tracer.type_of(record),
                partition=record.partition,
                offset=record.offset,
                stage=tracer.stage_of(record),
            )
            for record in (*found.causes, event)
        ],
        notes=[reason_text(reason) for reason in found.notes],
    )
