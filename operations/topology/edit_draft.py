"""How does a step in the graph change the text of a topology file?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from farandole.operations.errors import RefusedError
from farandole.operations.results import Result
from farandole.operations.topology.draft_graph import DraftGraph, graph_of_text
from farandole.router import topology_edits
from farandole.router.topology_edits import EditRefusedError


class _Edit(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InsertStage(_Edit):
    """A new stage between an event and one of its readers, or as one more reader of it."""

    edit: Literal["insert-stage"]
    stage: str
    event: str
    reader: str | None = None
    """The stage that is to subscribe to what the new one emits; None for none."""
    emits: str | None = None
    run: str | None = None
    """`package.module:function`, if the file's package does not lead to it."""
    parameters: dict[str, Any] | None = None
    """Those of the function: `with:`."""


class RewireStage(_Edit):
    """A stage subscribes to another event; with one side alone it gets an input or loses one."""

    edit: Literal["rewire"]
    stage: str
    old: str | None = None
    new: str | None = None


class RemoveStage(_Edit):
    """A stage goes."""

    edit: Literal["remove-stage"]
    stage: str
    join: bool = False
    """True: who reads what it emitted subscribes to its input instead."""


class AddEvent(_Edit):
    """An event with settings of its own."""

    edit: Literal["add-event"]
    event: str
    partitions: int | None = Field(default=None, ge=1)
    key: str | None = None


class RemoveEvent(_Edit):
    """An event has no settings of its own any more."""

    edit: Literal["remove-event"]
    event: str


Edit = Annotated[
    InsertStage | RewireStage | RemoveStage | AddEvent | RemoveEvent, Field(discriminator="edit")
]


class EditResult(Result):
    """The text after the edit."""

    text: str
    graph: DraftGraph | None


def edit_draft(text: str, edit: Edit) -> EditResult:
    """Return a text with one edit; all that is not concerned stays as it is, comments too. Raises
    RefusedError (`edit_refused`)."""
    try:
        changed = _edited(text, edit)
    except EditRefusedError as error:
        raise RefusedError("edit_refused", str(error)) from None
    except RecursionError:
        raise RefusedError("edit_refused", "the parameters are nested too deeply") from None
    return EditResult(text=changed, graph=graph_of_text(changed.encode(), "topology.yaml"))


def _edited(text: str, edit: Edit) -> str:
    match edit:
        case InsertStage():
            settings: dict[str, Any] = {"run": edit.run} if edit.run else {}
            settings |= {"with": edit.parameters} if edit.parameters else {}
            return topology_edits.insert_stage(
                text,
                edit.stage,
                event_type=edit.event,
                reader=edit.reader,
                emits=edit.emits,
                settings=settings,
            )
        case RewireStage():
            return topology_edits.rewire_stage(text, edit.stage, old=edit.old, new=edit.new)
        case RemoveStage():
            return topology_edits.remove_stage(text, edit.stage, join=edit.join)
        case AddEvent():
            given = {"partitions": edit.partitions, "key": edit.key}
            kept = {name: value for name, value in given.items() if value is not None}
            return topology_edits.add_event(text, edit.event, kept)
        case RemoveEvent():
            return topology_edits.remove_event(text, edit.event)
