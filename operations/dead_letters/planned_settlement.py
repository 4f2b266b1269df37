"""How is what somebody has seen in a preview done, and nothing else?

A plan has a token: a hash of what was previewed, and of how. Whoever does the deed sends it again,
and it is computed again from what is in Kafka then, so that any process can check it. If the token
differs, something has changed, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import orjson

from farandole.operations.dead_letters.discard import (
    DiscardRequest,
    select_open_letters,
)
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay import (
    ReplayPreview,
    ReplayRequest,
    preview_replay,
)
from farandole.operations.errors import ConflictError, operation
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded
from farandole.operations.results import Result


class ReplayPlan(Result):
    """What a replay would do, and the token with which exactly that is done."""

    token: str
    through: dict[str, int]
    """By stage: the last letter that is meant. Letters that die later are not."""
    preview: ReplayPreview
    replayable: int
    """Letters that would be replayed."""
    refused: int
    """Letters that would not, with the reasons in `preview`."""
    settled_before: int


class DiscardPlan(Result):
    """What would be discarded, and the token with which exactly that is done."""

    token: str
    through: dict[str, int]
    stages: dict[str, int]
    """By stage: how many open letters are selected."""
    total: int


@operation
async def plan_replay(installation: Installation, request: ReplayRequest) -> ReplayPlan:
    """Return what a replay would do. Raises as `preview_replay`."""
    return _replay_plan(request, await preview_replay(installation, request, fence=False))


@operation
@recorded("dead replay", lambda request: request.selection.target)
async def confirm_replay(
    installation: Installation, request: ReplayRequest, token: str
) -> tuple[ReplayRequest, ReplayPlan]:
    """Return the request with the letters that the plan of this token has named, and the plan. The
    selection has the plan's `through`. Raises ConflictError `stale_token` if the plan would be
    another one now, and as `preview_replay`."""
    preview = await preview_replay(installation, request, fence=False)
    plan = _replay_plan(request, preview)
    if plan.token != token:
        raise _stale()
    installation.deed.only_looked = True  # what is done now is recorded; a refusal is here
    return replace(request, letters=preview.letters), plan


@operation
async def plan_discard(installation: Installation, selection: LetterSelection) -> DiscardPlan:
    """Return what would be discarded. Raises as `select_open_letters`."""
    return _discard_plan(await select_open_letters(installation, selection))


@operation
@recorded("dead discard", lambda request: request.selection.target)
async def confirm_discard(
    installation: Installation, request: DiscardRequest, token: str
) -> DiscardRequest:
    """Return the request with the letters that the plan of this token has named. Raises
    ConflictError `stale_token` if the plan would be another one now."""
    found = await select_open_letters(installation, request.selection)
    if _discard_plan(found).token != token:
        raise _stale()
    installation.deed.only_looked = True
    return replace(request, selection=found)


def _replay_plan(request: ReplayRequest, preview: ReplayPreview) -> ReplayPlan:
    how = {
        "do": "replay",
        "patch": request.patch,
        "values": {
            f"{stage}/{offset}": blake2b(value, digest_size=16).hexdigest()
            for stage, values in (request.values or {}).items()
            for offset, value in values.items()
        },
        "as_new_run": request.as_new_run,
        "by_newest": request.by_newest,
    }
    through = preview.through
    # Not what was settled before: of that, `through` leaves out some the second time.
    found = {
        "letters": {each.stage: each.letters for each in preview.stages if each.letters},
        "replayable": {each.stage: each.replayable for each in preview.stages if each.letters},
        "refused": [each.to_data() for each in preview.refused],
        "targets": [each.to_data() for each in preview.targets],
    }
    return ReplayPlan(
        token=_token({"how": how, "found": found}),
        through=through,
        preview=preview,
        replayable=preview.replayable,
        refused=sum(each.count for each in preview.refused),
        settled_before=sum(each.settled_before for each in preview.stages),
    )


def _discard_plan(found: LetterSelection) -> DiscardPlan:
    positions = {stage: sorted(offsets) for stage, offsets in found.positions.items()}
    return DiscardPlan(
        token=_token({"how": {"do": "discard"}, "found": positions}),
        through={stage: offsets[-1] for stage, offsets in positions.items()},
        stages={stage: len(offsets) for stage, offsets in positions.items()},
        total=sum(map(len, positions.values())),
    )


def _token(state: Mapping[str, Any]) -> str:
    encoded = orjson.dumps(state, option=orjson.OPT_SORT_KEYS, default=_encode)
    return blake2b(encoded, digest_size=16).hexdigest()


def _encode(value: Any) -> Any:
    if hasattr(value, "to_data"):
        return value.to_data()
    raise TypeError(type(value).__name__)


def _stale() -> ConflictError:
    return ConflictError(
        "stale_token",
        "something has changed since the preview: letters were settled, or a version was applied; "
        "nothing was done; look at it anew",
    )
