"""How is the topology file read, checked, changed and put in force?"""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from farandole.operations.topology.completion_data import CompletionData, completion_data
from farandole.operations.topology.diff import DiffRequest, DiffResult, diff_versions
from farandole.operations.topology.draft import (
    ApplyDraftRequest,
    ApplyDraftResult,
    DraftPlan,
    DraftRequest,
    LintResult,
    TopologyFileState,
    apply_draft,
    graph_in_force,
    lint_draft,
    plan_draft,
    read_topology_file,
)
from farandole.operations.topology.draft_check import DraftChecker
from farandole.operations.topology.draft_graph import DraftGraph
from farandole.operations.topology.edit_draft import Edit, EditResult, edit_draft
from farandole.operations.topology.history import HistoryEntry, read_history
from farandole.operations.topology.rollback import (
    RollbackRequest,
    RollbackResult,
    plan_rollback,
    roll_back,
)
from farandole.web.access import Editor, Viewer
from farandole.web.console import CurrentConsole

router = APIRouter(prefix="/topology", tags=["topology"])


def _current_checker(request: Request) -> DraftChecker:
    checker: DraftChecker = request.app.state.checker
    return checker


CurrentChecker = Annotated[DraftChecker, Depends(_current_checker)]
Text = Annotated[str, Field(max_length=1_000_000)]
"""The linter refuses a long one with a finding, and this a much longer one without reading it."""


class TextBody(BaseModel):
    """A text that is not saved."""

    text: Text


class EditBody(TextBody):
    """One edit of a text."""

    edit: Edit


class DraftBody(TextBody):
    """A text, and which content of the file it was made from."""

    revision: str


class Permission(BaseModel):
    """The plan that was seen, and what of it is permitted."""

    token: str
    allow: list[str] = []
    """The kinds of danger, as `farandole apply --allow` names them."""
    confirmed: list[str] = []
    """The names of the dangerous changes, as somebody has typed them."""


class ApplyBody(DraftBody, Permission):
    """A planned text."""


class RollbackBody(Permission):
    """A planned rollback."""

    version: int = Field(ge=1)


class VersionBody(BaseModel):
    """A version by its number."""

    version: int = Field(ge=1)


@router.get("/file")
async def read_file(console: CurrentConsole, principal: Viewer) -> TopologyFileState:
    """Return the topology file of the console's folder as it is saved."""
    return await read_topology_file(console.installation_for(principal))


@router.get("/completion")
async def read_completion(console: CurrentConsole, principal: Viewer) -> CompletionData:
    """Return what an editor of the file offers and explains."""
    return await asyncio.to_thread(completion_data, console.installation.folder)


@router.post("/lint")
async def lint(
    body: TextBody, console: CurrentConsole, checker: CurrentChecker, principal: Editor
) -> LintResult:
    """Return the linter's findings about a text. The functions are imported, in a process of their
    own."""
    return await lint_draft(console.installation_for(principal), body.text, checker)


@router.post("/edits")
async def edit(body: EditBody, principal: Editor) -> EditResult:
    """Return a text with one edit; nothing is saved."""
    return edit_draft(body.text, body.edit)


@router.post("/plan")
async def plan(
    body: DraftBody, console: CurrentConsole, checker: CurrentChecker, principal: Editor
) -> DraftPlan:
    """Return what saving and applying a text would change; nothing is changed."""
    request = DraftRequest(body.text, body.revision)
    return await plan_draft(console.installation_for(principal), request, checker)


@router.post("/apply")
async def apply(
    body: ApplyBody, console: CurrentConsole, checker: CurrentChecker, principal: Editor
) -> ApplyDraftResult:
    """Save a text as the topology file and put it in force, as it was planned."""
    request = ApplyDraftRequest(
        DraftRequest(body.text, body.revision),
        body.token,
        principal.name,
        body.allow,
        body.confirmed,
    )
    return await apply_draft(console.installation_for(principal), request, checker)


@router.get("/{pipeline}/versions")
async def list_versions(
    pipeline: str, console: CurrentConsole, principal: Viewer
) -> list[HistoryEntry]:
    """Return the versions of a pipeline, the newest first."""
    entries = await read_history(console.installation_for(principal, pipeline))
    return entries[::-1]


@router.get("/{pipeline}/graph")
async def read_graph(
    pipeline: str, console: CurrentConsole, principal: Viewer
) -> DraftGraph | None:
    """Return what is connected to what in the version in force; null before the first."""
    return await graph_in_force(console.installation_for(principal, pipeline), pipeline)


@router.get("/{pipeline}/difference")
async def read_difference(
    pipeline: str, before: int, after: int, console: CurrentConsole, principal: Viewer
) -> DiffResult:
    """Return what changes from one version to another."""
    request = DiffRequest(before, after)
    return await diff_versions(console.installation_for(principal, pipeline), request)


@router.post("/{pipeline}/rollback/plan")
async def plan_a_rollback(
    pipeline: str,
    body: VersionBody,
    console: CurrentConsole,
    checker: CurrentChecker,
    principal: Editor,
) -> DraftPlan:
    """Return what putting an earlier version in force would change; nothing is changed."""
    installation = console.installation_for(principal, pipeline)
    return await plan_rollback(installation, body.version, checker)


@router.post("/{pipeline}/rollback")
async def rollback(
    pipeline: str,
    body: RollbackBody,
    console: CurrentConsole,
    checker: CurrentChecker,
    principal: Editor,
) -> RollbackResult:
    """Publish the content of an earlier version as the next one, as it was planned. The topology
    file is not changed."""
    request = RollbackRequest(
        principal.name,
        body.version,
        body.allow,
        checker,
        body.token,
        body.confirmed,
    )
    return await roll_back(console.installation_for(principal, pipeline), request)
