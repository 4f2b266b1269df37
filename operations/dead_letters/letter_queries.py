"""Which dead letters and kinds of them are there, and what is known about one?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.record import Header, Record
from farandole.events.settlement_record import Settlement, SettlementKind
from farandole.operations.dead_letters.failure_kinds import FailureKind, list_failure_kinds
from farandole.operations.dead_letters.letter_selection import LetterSelection, account_field
from farandole.operations.dead_letters.recorded_letter import read_letter
from farandole.operations.dead_letters.replay_outcome import ReplayOutcome
from farandole.operations.dead_letters.selected_letters import open_selected_store
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.results import Result

_EVERY_LETTER = LetterSelection(all_letters=True)


@dataclass(frozen=True, slots=True)
class KindsRequest:
    """The letters whose kinds are listed."""

    selection: LetterSelection = field(default=_EVERY_LETTER)


@query
async def list_kinds(installation: Installation, request: KindsRequest) -> list[FailureKind]:
    """Return the kinds of the selected letters, the one with the newest letter first; kinds without
    an open letter come last. Raises NotFoundError `unknown_stage` and `nothing_applied`."""
    store, stages = await open_selected_store(installation, request.selection)
    return await list_failure_kinds(store, stages, request.selection)


@dataclass(frozen=True, slots=True)
class LettersRequest:
    """Which letters to list, and how many at most."""

    selection: LetterSelection = field(default=_EVERY_LETTER)
    limit: int = 100


class LetterSummary(Result):
    """A dead letter in one line."""

    stage: str
    offset: int
    time: datetime
    error: str
    title: str
    fingerprint: str
    run: str
    settled: SettlementKind | None
    """None while the letter is open."""
    settled_by: str | None
    settled_at: datetime | None

    @property
    def name(self) -> str:
        """The letter's name, as commands take it: `validate/17`."""
        return f"{self.stage}/{self.offset}"


@query
async def list_letters(installation: Installation, request: LettersRequest) -> list[LetterSummary]:
    """Return the oldest selected letters of each stage, `limit` at most. Raises as `list_kinds`."""
    store, stages = await open_selected_store(installation, request.selection)
    found: list[LetterSummary] = []
    for stage in stages:
        settlements = await store.settlements(stage, request.selection.first_offset(stage))
        async for letter in store.letters(stage, request.selection):
            if len(found) >= request.limit:
                return found
            settlement = settlements.get(letter.record.offset)
            found.append(
                LetterSummary(
                    stage=stage,
                    offset=letter.record.offset,
                    time=letter.time,
                    error=letter.error,
                    title=letter.title,
                    fingerprint=letter.fingerprint,
                    run=account_field(letter.record, "run"),
                    settled=settlement.how if settlement else None,
                    settled_by=settlement.by if settlement else None,
                    settled_at=settlement.at if settlement else None,
                )
            )
    return found


@dataclass(frozen=True, slots=True)
class ShowLetterRequest:
    """Which letter to show."""

    stage: str
    offset: int
    """The offset in the stage's dead-letter topic."""


@dataclass(frozen=True, slots=True)
class LetterResult:
    """All that is known about one dead letter."""

    stage: str
    topic: str
    """The dead-letter topic."""
    record: Record
    settlement: Settlement | None
    """None while the letter is open."""
    outcome: ReplayOutcome | None
    """What has become of it; None unless it was replayed."""
    bootstrap: str
    """The address of the Kafka that the letter is in."""

    @property
    def headers(self) -> list[Header]:
        """The headers of the event that died."""
        return [h for h in self.record.headers if not h[0].startswith(DEAD_HEADER_PREFIX)]

    def account(self, name: str) -> str:
        """Return a field of the failure account; empty if it is absent."""
        return account_field(self.record, name)

    def to_data(self) -> dict[str, Any]:
        """Return data for orjson: `stage`, `topic`, `offset`, `dead` (the failure account), `key`,
        `headers`, `value` (as text), `settlement`, which is null while the letter is open, and
        `outcome`, which is null unless it was replayed."""
        account = {
            name.removeprefix(DEAD_HEADER_PREFIX): _text(value)
            for name, value in self.record.headers
            if name.startswith(DEAD_HEADER_PREFIX)
        }
        settlement = self.settlement
        return {
            "stage": self.stage,
            "topic": self.topic,
            "offset": self.record.offset,
            "dead": account,
            "key": _text(self.record.key),
            "headers": [[name, _text(value)] for name, value in self.headers],
            "value": _text(self.record.value),
            "settlement": None if settlement is None else settlement.to_data(),
            "outcome": None if self.outcome is None else self.outcome.to_data(),
        }


@query
async def show_letter(installation: Installation, request: ShowLetterRequest) -> LetterResult:
    """Return one dead letter. Raises NotFoundError `unknown_stage`, `unknown_letter` and
    `nothing_applied`."""
    stage = request.stage
    found = await read_letter(installation, stage, request.offset)
    topic, bootstrap = found.store.topic(stage), installation.settings.bootstrap or ""
    return LetterResult(stage, topic, found.record, found.settlement, found.outcome, bootstrap)


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="backslashreplace")
