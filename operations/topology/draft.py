"""What would a text that is not saved yet change, and how is it saved and put in force?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from farandole.operations.errors import ConflictError, RefusedError, operation, query
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.operations.topology.apply import ApplyResult, carry_out, note_plan
from farandole.operations.topology.draft_check import DraftChecker
from farandole.operations.topology.draft_graph import DraftGraph, graph_of_text, graph_of_topology
from farandole.operations.topology.file_text import (
    FileText,
    content_revision,
    read_file_text,
    require_revision,
    unwritable_error,
    why_unwritable,
    write_file_text,
)
from farandole.operations.topology.followed_files import Follower, follower_of
from farandole.operations.topology.plan_token import (
    names_to_confirm,
    plan_token,
    require_confirmed,
    require_token,
)
from farandole.operations.topology.router_answer import await_router
from farandole.operations.topology_source import findings_error
from farandole.router.change_plan import ChangePlan
from farandole.router.cluster_snapshot import plan_changes
from farandole.router.lint_finding import Finding, error_findings
from farandole.router.topology_change import Change, Danger
from farandole.router.topology_store import current_version


class TopologyFileState(Result):
    """The topology file of the folder as it is saved."""

    path: str
    text: str
    """With `\\n` at the end of each line."""
    revision: str
    """Another one after each save."""
    saved: datetime
    unwritable_because: str | None
    """Why it cannot be written here; None if it can."""
    followed_by: str | None
    """The router that applies it at each save; None if none is seen."""
    graph: DraftGraph | None
    """None if too little of the file can be read."""


class LintResult(Result):
    """The findings about a text."""

    fit: bool
    """True if none is an error."""
    findings: list[Finding]
    graph: DraftGraph | None


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """A text, and which content of the file it was made from."""

    text: str
    revision: str


@dataclass(frozen=True, slots=True)
class ApplyDraftRequest:
    """The text to apply as it was planned, who asks for it, and what is permitted."""

    draft: DraftRequest
    token: str
    by: str
    allowed: Sequence[str] = ()
    """The kinds of danger that are allowed."""
    confirmed: Sequence[str] = ()
    """The names of the dangerous changes, as somebody has typed them."""


class DraftPlan(Result):
    """What applying would change, and the token that applying demands."""

    token: str
    pipeline: str
    newest: int | None
    """The version in force; None before the first."""
    next: int | None
    """The version that applying would publish; None if it would publish none."""
    rollback_of: int | None
    changes: list[Change]
    dangers: list[Danger]
    """The kinds of danger that must be allowed, each once."""
    confirm: list[str]
    """The names that must be typed, each once."""
    warnings: list[Finding]
    unwritable_because: str | None = None
    """Why the file cannot be written here, so that it cannot be applied from here; None if it
    can."""
    followed_by: str | None = None
    """The router that will apply the file; None if whoever asks does."""
    writes_file: bool = False
    """True if applying writes the file."""


class ApplyDraftResult(ApplyResult):
    """What came of applying a text."""

    revision: str
    """Of the file as it is now."""
    applied_by: str
    """The router that has published the version, or who has asked for it."""


@query
async def read_topology_file(installation: Installation) -> TopologyFileState:
    """Return what the folder's file says. Raises RefusedError (`file_unusable`)."""
    found = read_file_text(installation.topology.file)
    follower = _follower(installation)
    return TopologyFileState(
        path=str(found.file),
        text=found.text,
        revision=found.revision,
        saved=datetime.fromtimestamp(found.file.stat().st_mtime).astimezone(),
        unwritable_because=why_unwritable(found.file),
        followed_by=str(follower) if follower else None,
        graph=graph_of_text(found.content, found.file.name),
    )


async def lint_draft(installation: Installation, text: str, checker: DraftChecker) -> LintResult:
    """Return the linter's findings about a text, as if it were saved. Needs no broker."""
    content = text.encode()
    verdict = await checker.check(installation.topology, content)
    name = installation.topology.file.name
    graph = graph_of_text(content, name)
    if verdict.derived is not None and graph is not None:
        fields = {e.name: e.fields for e in graph_of_topology(verdict.derived).events}
        events = [e.model_copy(update={"fields": fields.get(e.name, [])}) for e in graph.events]
        graph = graph.model_copy(update={"events": events})
    return LintResult(
        fit=verdict.derived is not None,
        findings=[replace(each, file=name) for each in verdict.findings],
        graph=graph,
    )


@query
async def plan_draft(
    installation: Installation, request: DraftRequest, checker: DraftChecker
) -> DraftPlan:
    """Return what saving and applying a text would change; change nothing. Raises ConflictError
    (`file_changed`), RefusedError (`findings`, `file_unusable`) and UnavailableError."""
    found, content, plan, warnings = await _planned(installation, request, checker)
    follower = _follower(installation)
    return draft_plan(
        plan,
        plan_token(plan, found.revision, content_revision(content)),
        warnings=warnings,
        unwritable_because=why_unwritable(found.file) if content != found.content else None,
        followed_by=str(follower) if follower else None,
        writes_file=content != found.content,
    )


def draft_plan(plan: ChangePlan, token: str, **more: object) -> DraftPlan:
    """Return a plan as somebody sees it; `more` are other fields of DraftPlan."""
    return DraftPlan.model_validate(
        {
            "token": token,
            "pipeline": plan.derived.pipeline,
            "newest": plan.newest,
            "next": (plan.newest or 0) + 1 if plan.publishes else None,
            "rollback_of": plan.rollback_of,
            "changes": list(plan.changes),
            "dangers": list(plan.dangers),
            "confirm": names_to_confirm(plan.changes),
            "warnings": [],
            **more,
        }
    )


@operation
@recorded("apply")
async def apply_draft(
    installation: Installation, request: ApplyDraftRequest, checker: DraftChecker
) -> ApplyDraftResult:
    """Save a text as the folder's file and put it in force.

    Where a router follows the file, it applies what is safe; this waits for it. What is dangerous,
    and allowed, is published here, before the file is written: no router may do that. Raises
    ConflictError (`file_changed`, `stale_token`, `not_applied`), RefusedError (`findings`,
    `dangerous_changes`, `confirmation_missing`, `file_unwritable`), and UnavailableError
    (`router_silent` and others).
    """
    found, content, plan, _ = await _planned(installation, request.draft, checker)
    note_plan(installation, plan)
    require_token(plan, request.token, found.revision, content_revision(content))
    require_permitted(plan, request.allowed, request.confirmed)
    writes = content != found.content
    why = why_unwritable(found.file) if writes else None
    if why is not None:
        raise unwritable_error(found.file, why)
    follower = _follower(installation)
    if plan.dangers:
        # In this order, so that a router that follows the file does not ask for what is permitted.
        require_revision(read_file_text(found.file), found.revision)
        applied, by = await carry_out(installation, plan, request.by, request.allowed), request.by
        if writes:
            _save_applied(found, content, applied.version)
    else:
        if writes:
            write_file_text(found.file, content, found.revision)
            installation.deed.after = {"saved": found.file.name}
        if follower is not None and writes:
            applied, by = await await_router(installation, plan, follower), str(follower)
        else:
            applied, by = await carry_out(installation, plan, request.by, ()), request.by
    revision = content_revision(content)
    installation.deed.after = {
        "version": applied.version,
        "saved": found.file.name if content != found.content else None,
        "applied_by": by,
        "allowed": [*request.allowed],
    }
    return ApplyDraftResult(**applied.to_data(), revision=revision, applied_by=by)


def _save_applied(found: FileText, content: bytes, version: str) -> None:
    """Save a text that is in force already. Raises ConflictError (`file_changed`) and RefusedError
    (`file_unwritable`)."""
    try:
        write_file_text(found.file, content, found.revision)
    except (ConflictError, RefusedError) as error:
        error.message = f"{version} is in force, but the file does not say so: {error.message}"
        raise


def require_permitted(plan: ChangePlan, allowed: Sequence[str], confirmed: Sequence[str]) -> None:
    """Raise RefusedError (`dangerous_changes`, `confirmation_missing`) unless each dangerous change
    is allowed by its kind, and confirmed by its name."""
    refused = plan.not_allowed(allowed)
    if refused:
        raise RefusedError(
            "dangerous_changes",
            "nothing was applied; each dangerous change must be allowed",
            details=[str(change) for change in refused],
            changes=[{"what": c.what, "name": c.name, "danger": c.danger} for c in refused],
            dangers=list(dict.fromkeys(change.danger for change in refused)),
        )
    require_confirmed(plan, list(confirmed))


async def _planned(
    installation: Installation, request: DraftRequest, checker: DraftChecker
) -> tuple[FileText, bytes, ChangePlan, list[Finding]]:
    found = read_file_text(installation.topology.file)
    require_revision(found, request.revision)
    content = found.content_of(request.text)
    verdict = await checker.check(installation.topology, content)
    if verdict.derived is None:
        raise findings_error(error_findings(verdict.findings) or list(verdict.findings))
    plan = await plan_changes(installation.settings, verdict.derived)
    name = found.file.name
    return found, content, plan, [replace(each, file=name) for each in verdict.findings]


def _follower(installation: Installation) -> Follower | None:
    return follower_of(
        installation.topology.file, installation.folder, installation.settings.namespace
    )


@query
async def graph_in_force(installation: Installation, pipeline: str) -> DraftGraph | None:
    """Return the graph of the version in force; None before the first. Raises
    UnavailableError."""
    version = await current_version(installation.settings, pipeline)
    return graph_of_topology(version) if version is not None else None
