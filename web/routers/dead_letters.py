"""Which events died, and how are they repaired, replayed and discarded?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from farandole.operations.actions.reveal import RevealRequest
from farandole.operations.actions.reveal import reveal as record_reveal
from farandole.operations.dead_letters.discard import DiscardRequest, DiscardResult, discard_letters
from farandole.operations.dead_letters.indexed_letters import (
    IndexedKinds,
    IndexedKindsRequest,
    IndexedLettersRequest,
    LettersPage,
    LetterState,
    list_indexed_kinds,
    list_indexed_letters,
)
from farandole.operations.dead_letters.letter_causes import (
    LetterCauses,
    LetterCausesRequest,
    find_letter_causes,
)
from farandole.operations.dead_letters.letter_detail import (
    LetterDetail,
    LetterDetailRequest,
    describe_letter,
)
from farandole.operations.dead_letters.letter_repair import (
    LetterEdit,
    RepairCheck,
    check_repair,
    repaired_value,
)
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.planned_settlement import (
    DiscardPlan,
    ReplayPlan,
    confirm_discard,
    confirm_replay,
    plan_discard,
    plan_replay,
)
from farandole.operations.dead_letters.replay import ReplayRequest, ReplayResult, replay_letters
from farandole.operations.errors import InvalidRequestError, UnavailableError
from farandole.operations.recorded import record_refused
from farandole.web.access import Operator, Principal, Viewer, require_reveal
from farandole.web.console import Console, CurrentConsole
from farandole.web.jobs import Job, Progress

router = APIRouter(prefix="/dead-letters", tags=["dead letters"])

MAX_NAMED_LETTERS = 1_000
Offset = Annotated[int, Field(ge=0, lt=2**63)]
Milliseconds = Annotated[int, Field(ge=0, lt=2**53)]


class Selection(BaseModel):
    """Letters by name, or all those that match every filter."""

    letters: Annotated[list[str], Field(max_length=MAX_NAMED_LETTERS)] = []
    """Names such as `validate/17`."""
    stage: str | None = None
    run: str | None = None
    fingerprint: str | None = None
    since: Milliseconds | None = None
    until: Milliseconds | None = None
    every: bool = False
    """True for every letter of the pipeline, if nothing else is said."""
    through: dict[str, Offset] | None = None
    """By stage: the last letter that is meant, as the preview has returned it."""


class Edit(BaseModel):
    """How the data of one letter are changed: by the whole text, or by a merge patch."""

    edited: str | None = None
    """The data as JSON. What was masked and was not touched is `•••`."""
    patch: str | None = None
    """A merge patch (RFC 7396)."""
    revealed: bool = False
    """True if the text was shown unmasked."""
    by_newest: bool = False


class ReplayBody(BaseModel):
    """Which letters are replayed, and how."""

    pipeline: str | None = None
    selection: Selection
    patch: str | None = None
    """A merge patch for each letter."""
    edited: str | None = None
    """Or the data of the only selected letter."""
    revealed: bool = False
    as_new_run: bool = False
    by_newest: bool = False


class ConfirmedReplay(ReplayBody):
    """A replay whose preview somebody has seen."""

    token: str


class DiscardBody(BaseModel):
    """Which letters are discarded."""

    pipeline: str | None = None
    selection: Selection


class ConfirmedDiscard(DiscardBody):
    """A discard whose preview somebody has seen."""

    token: str
    reason: Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")]


@router.get("/kinds")
async def list_kinds(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str | None = None,
    stage: str | None = None,
    run: str | None = None,
    since: Milliseconds | None = None,
    until: Milliseconds | None = None,
    fresh: bool = False,
) -> IndexedKinds:
    """Return the kinds of dead letters, of all pipelines unless one is named. `fresh`: with what
    was written in the last second."""
    selection = LetterSelection(stage=stage, run=run, since=since, until=until, all_letters=True)
    request = IndexedKindsRequest(selection, pipeline, fresh)
    return await list_indexed_kinds(console.installation_for(principal), console.letters, request)


@router.get("")
async def list_letters(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str | None = None,
    stage: str | None = None,
    run: str | None = None,
    fingerprint: str | None = None,
    since: Milliseconds | None = None,
    until: Milliseconds | None = None,
    state: LetterState = "open",
    text: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[str, Query(max_length=500)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    fresh: bool = False,
) -> LettersPage:
    """Return a page of letters, the newest first; `after` is the `next` of the page before."""
    selection = LetterSelection(
        stage=stage, run=run, fingerprint=fingerprint, since=since, until=until, all_letters=True
    )
    request = IndexedLettersRequest(selection, pipeline, state, text, after, limit, fresh)
    return await list_indexed_letters(console.installation_for(principal), console.letters, request)


@router.post("/replay/preview")
async def preview_replay(
    console: CurrentConsole, principal: Operator, body: ReplayBody
) -> ReplayPlan:
    """Return what a replay would do, with a token for exactly that."""
    request = await _replay_request(console, principal, body)
    return await plan_replay(console.installation_for(principal, body.pipeline), request)


@router.post("/replay", status_code=202)
async def replay(console: CurrentConsole, principal: Operator, body: ConfirmedReplay) -> Job:
    """Replay what the preview with this token has shown, and return the job that does it. If the
    preview would be another one now, the answer is 409 `stale_token`."""
    installation = console.installation_for(principal, body.pipeline)
    asked = await _replay_request(console, principal, body)
    request, plan = await confirm_replay(installation, asked, body.token)

    async def deed(progress: Progress) -> ReplayResult:
        try:
            return await replay_letters(installation, request, progress)
        finally:
            await console.letters.refresh(at_once=True)

    try:
        return console.jobs.start(
            "dead replay",
            _title("Replay", plan.replayable, body.selection),
            principal.name,
            plan.replayable,
            deed,
            runs=[each.run for each in plan.preview.runs],
        )
    except UnavailableError as error:
        await record_refused(installation, "dead replay", request.selection.target, request, error)
        raise


@router.post("/discard/preview")
async def preview_discard(
    console: CurrentConsole, principal: Operator, body: DiscardBody
) -> DiscardPlan:
    """Return what would be discarded, with a token for exactly that."""
    installation = console.installation_for(principal, body.pipeline)
    return await plan_discard(installation, _selection(body.selection))


@router.post("/discard", status_code=202)
async def discard(console: CurrentConsole, principal: Operator, body: ConfirmedDiscard) -> Job:
    """Discard what the preview with this token has shown, and return the job that does it. If the
    preview would be another one now, the answer is 409 `stale_token`."""
    installation = console.installation_for(principal, body.pipeline)
    asked = DiscardRequest(_selection(body.selection), body.reason.strip(), principal.name)
    request = await confirm_discard(installation, asked, body.token)
    letters = sum(map(len, request.selection.positions.values()))

    async def deed(progress: Progress) -> DiscardResult:
        try:
            return await discard_letters(installation, request, progress)
        finally:
            await console.letters.refresh(at_once=True)

    try:
        return console.jobs.start(
            "dead discard",
            _title("Discard", letters, body.selection),
            principal.name,
            letters,
            deed,
        )
    except UnavailableError as error:
        await record_refused(installation, "dead discard", request.selection.target, request, error)
        raise


@router.get("/{pipeline}/{stage}/{offset}")
async def show_letter(
    console: CurrentConsole,
    principal: Viewer,
    pipeline: str,
    stage: str,
    offset: Annotated[int, Field(ge=0, lt=2**63)],
    reveal: bool = False,
) -> LetterDetail:
    """Return one letter. `reveal` leaves personal data as they are, for those who may see them, and
    is recorded."""
    installation = console.installation_for(principal, pipeline)
    if reveal:
        require_reveal(principal)
        await record_reveal(installation, RevealRequest(f"{stage}/{offset}", pipeline))
    return await describe_letter(installation, LetterDetailRequest(stage, offset, reveal))


@router.get("/{pipeline}/{stage}/{offset}/causes")
async def list_causes(
    console: CurrentConsole, principal: Viewer, pipeline: str, stage: str, offset: Offset
) -> LetterCauses:
    """Return the events that caused the one that died, the root first."""
    installation = console.installation_for(principal, pipeline)
    return await find_letter_causes(installation, LetterCausesRequest(stage, offset))


@router.post("/{pipeline}/{stage}/{offset}/repair")
async def check_letter(
    console: CurrentConsole,
    principal: Operator,
    pipeline: str,
    stage: str,
    offset: Offset,
    body: Edit,
) -> RepairCheck:
    """Return what becomes of the data of a letter by a change, and whether the stage takes it.
    Nothing is written."""
    if body.revealed:
        require_reveal(principal)
    installation = console.installation_for(principal, pipeline)
    edit = LetterEdit(stage, offset, body.edited, body.patch, body.revealed, body.by_newest)
    return await check_repair(installation, edit)


async def _replay_request(
    console: Console, principal: Principal, body: ReplayBody
) -> ReplayRequest:
    selection = _selection(body.selection)
    values = None
    if body.edited is not None:
        if body.revealed:
            require_reveal(principal)
        if body.patch is not None or sum(map(len, selection.positions.values())) != 1:
            raise InvalidRequestError(
                "invalid_request", "`edited` is for one letter by its name, and not with `patch`"
            )
        ((stage, offsets),) = selection.positions.items()
        (offset,) = offsets
        edit = LetterEdit(stage, offset, body.edited, reveal=body.revealed)
        installation = console.installation_for(principal, body.pipeline)
        values = {stage: {offset: await repaired_value(installation, edit)}}
    return ReplayRequest(
        selection,
        principal.name,
        body.patch,
        values,
        as_new_run=body.as_new_run,
        by_newest=body.by_newest,
        skip_unfit=True,
    )


def _selection(asked: Selection) -> LetterSelection:
    """Return the selection that a body means. Raises InvalidRequestError."""
    positions: dict[str, set[int]] = {}
    for name in asked.letters:
        stage, slash, offset = name.rpartition("/")
        if not (slash and stage and offset.isascii() and offset.isdigit() and len(offset) < 19):
            raise InvalidRequestError("invalid_request", f"{name[:100]!r} is no name of a letter")
        positions.setdefault(stage, set()).add(int(offset))
    selection = LetterSelection(
        {stage: frozenset(offsets) for stage, offsets in positions.items()},
        asked.stage, asked.run, asked.fingerprint, asked.since, asked.until,
        all_letters=asked.every, through=asked.through,
    )  # fmt: skip
    if not selection.is_given:
        raise InvalidRequestError(
            "invalid_request", "no letter is selected; name some, give a filter, or say `every`"
        )
    if selection.positions and selection.has_filters:
        raise InvalidRequestError("invalid_request", "say either which letters, or a filter")
    return selection


def _title(deed: str, letters: int, selection: Selection) -> str:
    if len(selection.letters) == 1:
        return f"{deed} {selection.letters[0]}"
    of = f" of {selection.stage}" if selection.stage else ""
    return f"{deed} {letters} {'letter' if letters == 1 else 'letters'}{of}"
