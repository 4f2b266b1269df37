"""How are dead letters previewed and replayed?

`preview_replay` returns what a replay would do; `replay_letters` does it. A person sees the preview
and confirms it; then `ReplayRequest.letters` contains what was confirmed. The replay reads the
topics again after the fence (`settlement_writer`) and does not rely on the preview.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from pydantic import Field, SkipValidation

from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.refusals import Refusal, Refusals
from farandole.operations.dead_letters.replay_builder import NotReplayableError, Replay
from farandole.operations.dead_letters.selected_letters import (
    find_selected_letters,
    open_selected_store,
)
from farandole.operations.dead_letters.sent_letters import SentLetter, describe_sent
from farandole.operations.dead_letters.settlement_writer import (
    MAX_KEPT_SENT,
    SettlementOrder,
    UnfinishedOrderError,
    prepare_ordered_replay,
    settle_letters,
)
from farandole.operations.dead_letters.value_repair import (
    MAX_EDITED_LETTERS,
    UnfitValueError,
    ValueAmender,
    patch_amender,
    values_amender,
)
from farandole.operations.errors import RefusedError, UnavailableError, operation
from farandole.operations.installation import Installation
from farandole.operations.reason_text import reason_text
from farandole.operations.reasons import Reason
from farandole.operations.recorded import recorded
from farandole.operations.results import Result

MAX_NAMED_REFUSALS = 200
"""Letters that cannot be replayed and are named one by one."""
MAX_NAMED_RUNS = 20

LetterValues = Mapping[str, Mapping[int, bytes]]
"""The values that letters are replayed with, by stage and offset."""
ReportProgress = Callable[[str, int, int], None]
"""Called with a stage, the number of its letters that are settled, and their total."""


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """Which letters to replay, and how."""

    selection: LetterSelection
    by: str
    patch: str | None = None
    """The text of the JSON merge patch (RFC 7396) for each value; None: no patch."""
    values: LetterValues | None = None
    """The values of all letters, if each was edited. None: not edited. Not together with
    `patch`."""
    as_new_run: bool = False
    """If the version of a letter is retired and the event was a root, publish it as a new run."""
    by_newest: bool = False
    """The newest version handles the letters, and not that of each event."""
    skip_unfit: bool = False
    """A letter whose changed value its stage does not take is refused, and the others are replayed.
    Without, such a letter ends the whole replay before anything is sent."""
    letters: Mapping[str, frozenset[int]] | None = None
    """The offsets that a preview has found open, by stage. None: all selected letters that are open
    now are replayed."""

    @property
    def reason(self) -> str:
        """The reason in the settlements; empty if the values stay unchanged."""
        if self.patch is not None:
            return "with a patched value"
        return "" if self.values is None else "with an edited value"

    def amender(self, stage: str) -> ValueAmender | None:
        """Return the function that changes the values of a stage's letters; None if they stay
        unchanged."""
        if self.patch is not None:
            return patch_amender(self.patch)
        return None if self.values is None else values_amender(self.values.get(stage, {}))


class StagePreview(Result):
    """The effect that a replay would have on the selected letters of one stage."""

    stage: str
    settled_before: int
    replayable: int
    letters: list[int]
    """The offsets of the open letters, including those that cannot be replayed."""


class RefusedLetter(Result):
    """A letter that cannot be replayed, and why."""

    letter: str
    """Its name, `validate/17`."""
    reason: str


class TargetVersion(Result):
    """A version that would handle letters."""

    version: str
    letters: int
    retired: bool
    """True if the replay opens it again."""


class AmendedRun(Result):
    """A run whose books would change."""

    run: str
    letters: int


class ReplayPreview(Result):
    """The effect that a replay would have."""

    stages: list[StagePreview]
    """The stages that have a selected letter."""
    refused: list[Refusal]
    refused_letters: list[RefusedLetter] = Field(default_factory=list)
    """The first MAX_NAMED_REFUSALS of them."""
    targets: list[TargetVersion] = Field(default_factory=list)
    """The versions that would handle the letters that can be replayed."""
    runs: list[AmendedRun] = Field(default_factory=list)
    """The MAX_NAMED_RUNS runs with the most letters that can be replayed."""
    run_count: int = 0
    """How many runs have such letters."""
    editable: SkipValidation[dict[str, list[Replay]]] = Field(default_factory=dict, exclude=True)
    """The letters to edit, by stage, if the preview was asked for them. No part of the JSON."""

    @property
    def letters(self) -> dict[str, frozenset[int]]:
        """The offsets of the open letters, of each stage that has a letter that can be replayed."""
        return {each.stage: frozenset(each.letters) for each in self.stages if each.replayable}

    @property
    def replayable(self) -> int:
        """The number of letters that can be replayed."""
        return sum(each.replayable for each in self.stages)

    @property
    def through(self) -> dict[str, int]:
        """The last open letter of each stage that has one: what dies later is another replay's."""
        return {each.stage: max(each.letters) for each in self.stages if each.letters}

    @property
    def total(self) -> int:
        """The number of open letters in `letters`."""
        return sum(map(len, self.letters.values()))


@operation
async def preview_replay(
    installation: Installation, request: ReplayRequest, *, fence: bool = True, edit: bool = False
) -> ReplayPreview:
    """Return what a replay would do. `fence` aborts unfinished transactions of others who settle
    letters, so that the preview is not delayed by a process that was killed. `edit` collects the
    letters for an editor.

    Raises NotFoundError `unknown_stage` and `unknown_letter`, and RefusedError `unfit_value` if the
    stage does not take a patched value, and `too_many_to_edit`.
    """
    store, stages = await open_selected_store(installation, request.selection)
    findings = _Findings()
    previews: list[StagePreview] = []
    editable: dict[str, list[Replay]] = {}
    for stage in stages:
        offsets, settled = await find_selected_letters(store, stage, request.selection, fence=fence)
        if not offsets and not settled:
            continue
        replays = _ReplayableLetters()
        if offsets:
            order = await _order(store, stage, frozenset(offsets), request)
            keep = MAX_EDITED_LETTERS + 1 if edit else 0
            replays = await _find_replayable(store, order, findings, keep)
            if len(replays.kept) > MAX_EDITED_LETTERS:
                raise _too_many_to_edit(stage)
            if replays.kept:
                editable[stage] = replays.kept
        previews.append(
            StagePreview(
                stage=stage,
                settled_before=len(settled),
                replayable=replays.count,
                letters=sorted(offsets),
            )
        )
    runs = findings.runs.most_common(MAX_NAMED_RUNS)
    return ReplayPreview(
        stages=previews,
        refused=findings.refused.most_common(),
        refused_letters=findings.refused_letters,
        targets=[
            TargetVersion(
                version=name, letters=count, retired=store.by_name[name].retired is not None
            )
            for name, count in findings.versions.most_common()
        ],
        runs=[AmendedRun(run=run, letters=count) for run, count in runs],
        run_count=len(findings.runs),
        editable=editable,
    )


class StageReplay(Result):
    """The result of a replay for the letters of one stage."""

    stage: str
    replayed: int
    settled_by_others: int
    """Letters that somebody else has settled before they were replayed."""
    expired: int
    """Letters that retention has deleted since they were selected."""


class ReplayResult(Result):
    """The result of a replay."""

    stages: list[StageReplay]
    refused: list[Refusal]
    sent: list[SentLetter] = Field(default_factory=list)
    """The first MAX_KEPT_SENT letters that were replayed, of all stages."""

    @property
    def replayed(self) -> int:
        """The letters that were replayed."""
        return sum(each.replayed for each in self.stages)


@operation
@recorded("dead replay", lambda request: request.selection.target)
async def replay_letters(
    installation: Installation,
    request: ReplayRequest,
    progress: ReportProgress = lambda _, __, ___: None,
) -> ReplayResult:
    """Replay dead letters, each exactly once, even if somebody else replays them at the same time.

    Raises NotFoundError `unknown_stage` and `unknown_letter`, and RefusedError `unfit_value`: then
    nothing was replayed. Raises UnavailableError `order_unfinished` if it was given up: the same
    request continues where this one has ended.
    """
    store, stages = await open_selected_store(installation, request.selection)
    chosen = request.letters
    if chosen is None:
        chosen = {}
        for stage in stages:
            found, _ = await find_selected_letters(store, stage, request.selection, fence=True)
            if found:
                chosen = {**chosen, stage: frozenset(found)}
    orders = [await _order(store, stage, letters, request) for stage, letters in chosen.items()]
    if request.reason:
        for order in orders:  # before anything is sent
            await _find_replayable(store, order, _Findings(), 0)
    refused = Refusals()
    done: list[StageReplay] = []
    sent: list[SentLetter] = []
    for order in orders:
        total = len(order.letters)

        def report(count: int, stage: str = order.stage, total: int = total) -> None:
            progress(stage, count, total)

        try:
            outcome = await settle_letters(store, order, report)
        except UnfinishedOrderError as error:
            raise UnavailableError("order_unfinished", str(error), stage=order.stage) from error
        except UnfitValueError as error:  # of a letter that the check above did not see
            raise RefusedError("unfit_value", f"{order.stage}: {error}") from error
        refused.add_all(outcome.refused)
        sent += [describe_sent(store, order.stage, each) for each in outcome.sent.values()]
        expired = total - outcome.done - outcome.settled_by_others - outcome.refused.total()
        done.append(
            StageReplay(
                stage=order.stage,
                replayed=outcome.done,
                settled_by_others=outcome.settled_by_others,
                expired=max(0, expired),
            )
        )
    result = ReplayResult(stages=done, refused=refused.most_common(), sent=sent[:MAX_KEPT_SENT])
    installation.deed.after = {
        "replayed": {each.stage: each.replayed for each in done},
        "refused": sum(each.count for each in result.refused),
    }
    return result


async def _order(
    store: DeadLetterStore, stage: str, letters: frozenset[int], request: ReplayRequest
) -> SettlementOrder:
    return SettlementOrder(
        stage,
        "replayed",
        letters,
        request.by,
        request.reason,
        await store.retry_topic(stage),
        request.amender(stage),
        request.as_new_run,
        request.by_newest,
        request.skip_unfit,
    )


@dataclass(slots=True)
class _Findings:
    """What is found out about all letters of a preview."""

    refused: Refusals = field(default_factory=Refusals)
    refused_letters: list[RefusedLetter] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)

    def refuse(self, letter: str, reason: Reason) -> None:
        self.refused.add(reason)
        if len(self.refused_letters) < MAX_NAMED_REFUSALS:
            self.refused_letters.append(RefusedLetter(letter=letter, reason=reason_text(reason)))

    def accept(self, replay: Replay, newest: str) -> None:
        own = replay.handling_version.name
        self.versions[newest if replay.new_root is not None else own] += 1
        self.runs[replay.run.decode(errors="backslashreplace")] += 1


@dataclass(slots=True)
class _ReplayableLetters:
    count: int = 0
    kept: list[Replay] = field(default_factory=list)
    """The first of them."""


async def _find_replayable(
    store: DeadLetterStore, order: SettlementOrder, findings: _Findings, keep: int
) -> _ReplayableLetters:
    """Return how many letters of an order can be replayed, and the first `keep` of them; note in
    `findings` what becomes of each. Raises RefusedError `unfit_value`."""
    found = _ReplayableLetters()
    taken: set[bytes] = set()
    selection = LetterSelection({order.stage: order.letters})
    async with aclosing(store.letters(order.stage, selection)) as letters:
        async for letter in letters:
            offset = letter.record.offset
            try:
                replay = prepare_ordered_replay(store, order, letter.record, taken)
            except NotReplayableError as error:
                findings.refuse(f"{order.stage}/{offset}", error.reason)
                continue
            except UnfitValueError as error:
                raise unfit_value(order.stage, offset, error) from None
            findings.accept(replay, store.newest.name)
            found.count += 1
            if found.count <= keep:
                found.kept.append(replay)
    return found


def unfit_value(stage: str, offset: int, error: UnfitValueError) -> RefusedError:
    """Return the error for a changed value that a stage does not take."""
    return RefusedError(
        "unfit_value",
        f"{stage}/{offset}: {error}; nothing was replayed",
        stage=stage,
        offset=offset,
        problem=str(error),
    )


def _too_many_to_edit(stage: str) -> RefusedError:
    return RefusedError(
        "too_many_to_edit",
        f"more than {MAX_EDITED_LETTERS} letters of {stage} are meant, too many to edit one by "
        "one; change them all with --patch FILE",
        stage=stage,
        limit=MAX_EDITED_LETTERS,
    )
