"""Does a stage take the data of a dead letter as somebody has edited them?

A person edits what is shown, in which personal data are masked: what was not touched stays as it
was. The change is also returned as a merge patch, by which other letters can be mended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from farandole.events.json_edit import (
    MaskedPartError,
    NotAPatchError,
    apply_edit,
    merge_patch_between,
)
from farandole.events.json_text import indent_json, merge_patch_text, parse_json
from farandole.events.record import Record
from farandole.events.safe_text import escape_harmful_json, single_line
from farandole.notifier.dead_letter_view import DeadLetterView
from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
from farandole.operations.dead_letters.letter_detail import ShownValue, shown_data, shown_value
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay_builder import (
    NotReplayableError,
    Replay,
    parse_letter,
    replay_by_newest,
)
from farandole.operations.dead_letters.selected_letters import open_selected_store, unknown_letter
from farandole.operations.dead_letters.value_repair import UnfitValueError, validate_value
from farandole.operations.errors import RefusedError, query
from farandole.operations.installation import Installation
from farandole.operations.results import Result

_MAX_PROBLEM_LENGTH = 300  # characters


@dataclass(frozen=True, slots=True)
class LetterEdit:
    """How somebody has changed the data of one letter."""

    stage: str
    offset: int
    edited: str | None = None
    """The whole data as they are to be; what was masked and was not touched is `•••`."""
    patch: str | None = None
    """Or a merge patch (RFC 7396)."""
    reveal: bool = False
    """True if the edited data were shown unmasked."""
    by_newest: bool = False
    """The newest version is to handle the letter, and not its own."""


class RepairCheck(Result):
    """What becomes of the data of a letter."""

    fits: bool
    """True if the stage takes them."""
    version: str
    """The version of which it is the schema."""
    problem: str | None
    """Which field does not fit, and why; None if it fits."""
    after: str
    """The data as they would be replayed, masked and indented; empty if they are no JSON."""
    patch: str | None
    """The change as a merge patch; None if none can express it."""
    patch_problem: str | None


@query
async def check_repair(installation: Installation, request: LetterEdit) -> RepairCheck:
    """Return what becomes of the data of a letter. Raises NotFoundError `unknown_stage`,
    `unknown_letter` and `nothing_applied`, and RefusedError `unfit_value` if the letter cannot be
    edited at all."""
    store, record = await _open(installation, request)
    replay = _replay(store, record, request)
    shown = _shown(store, record, request)
    patch, patch_problem = _patch(shown, request)
    problem, after = None, ""
    try:
        value = edited_value(replay.event.value or b"", shown, request)
        after = _masked_text(store, record, value, request)
        validate_value(replay, value)
    except UnfitValueError as error:
        problem = str(error)
    return RepairCheck(
        fits=problem is None,
        version=replay.handling_version.name,
        problem=problem,
        after=after,
        patch=patch,
        patch_problem=patch_problem,
    )


@query
async def repaired_value(installation: Installation, request: LetterEdit) -> bytes:
    """Return the data that replace those of a letter. Raises as `check_repair`, also if the edited
    text is no JSON."""
    store, record = await _open(installation, request)
    try:
        return edited_value(record.value or b"", _shown(store, record, request), request)
    except UnfitValueError as error:
        raise _unfit(request, str(error)) from None


def edited_value(original: bytes, shown: ShownValue, request: LetterEdit) -> bytes:
    """Return the data of a letter with the changes of a person. Raises UnfitValueError if the
    result is no JSON, or it cannot be told what a masked part is to be."""
    if request.patch is not None:
        patch = _parsed(request.patch, "the patch")
        return merge_patch_text(_parsed(original.decode(errors="replace"), "it"), patch).encode()
    if request.edited is None:
        return original
    edited = _parsed(request.edited, "the edited value")
    if shown.kind != "json":
        return edited.encode()
    try:
        return apply_edit(original.decode(), shown.text, edited).encode()
    except MaskedPartError as error:
        raise UnfitValueError(str(error)) from None


async def _open(installation: Installation, request: LetterEdit) -> tuple[DeadLetterStore, Record]:
    selection = LetterSelection({request.stage: frozenset({request.offset})})
    store, _ = await open_selected_store(installation, selection)
    record = await store.letter_at(request.stage, request.offset)
    if record is None:
        raise unknown_letter(request.stage, request.offset)
    return store, record


def _replay(store: DeadLetterStore, record: Record, request: LetterEdit) -> Replay:
    try:
        replay = parse_letter(record, request.stage, store.by_name)
        return replay_by_newest(replay, store.newest) if request.by_newest else replay
    except NotReplayableError as error:
        raise _unfit(request, str(error)) from None


def _view(store: DeadLetterStore, record: Record, stage: str) -> DeadLetterView:
    fields_of = store.directory.personal_fields
    return DeadLetterView.from_record(record, store.pipeline, stage, fields_of, datetime.now(UTC))


def _shown(store: DeadLetterStore, record: Record, request: LetterEdit) -> ShownValue:
    return shown_value(_view(store, record, request.stage), reveal=request.reveal)


def _masked_text(store: DeadLetterStore, record: Record, value: bytes, request: LetterEdit) -> str:
    """Return new data of a letter as they may be shown; empty if they are no JSON, or if they may
    have personal parts of the old ones and nobody can say which."""
    secrets = _view(store, record, request.stage).secrets
    if request.edited is not None:  # whoever asks has written them all
        secrets = replace(secrets, hides_all=False)
    shown = shown_data(value, secrets, reveal=request.reveal)
    return shown.text if shown.kind == "json" else ""


def _patch(shown: ShownValue, request: LetterEdit) -> tuple[str | None, str | None]:
    """Return the change as a merge patch, and why there is none."""
    try:
        if request.patch is not None:
            return _parsed(request.patch, "the patch").strip(), None
        if request.edited is None:
            return "{}", None
        if shown.kind != "json":
            return None, "only data that are JSON can be changed in many letters"
        edited = escape_harmful_json(indent_json(_parsed(request.edited, "the edited value")))
        return merge_patch_between(shown.text, edited), None
    except (NotAPatchError, MaskedPartError, UnfitValueError) as error:
        return None, str(error)


def _parsed(text: str, what: str) -> str:
    """Return a text that is JSON. Raises UnfitValueError."""
    try:
        parse_json(text)
    except ValueError as error:
        problem = single_line(str(error))[:_MAX_PROBLEM_LENGTH]
        raise UnfitValueError(f"{what} is no JSON: {problem}") from None
    return text


def _unfit(request: LetterEdit, problem: str) -> RefusedError:
    return RefusedError(
        "unfit_value",
        f"{request.stage}/{request.offset}: {problem}",
        stage=request.stage,
        offset=request.offset,
        problem=problem,
    )
