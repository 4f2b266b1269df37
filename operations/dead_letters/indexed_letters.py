"""Which kinds of dead letters are there, and which letters has a kind, page by page?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from farandole.broker.topic_reader import read_table, scan
from farandole.events.record_time import to_milliseconds
from farandole.events.settlement_record import SettlementKind
from farandole.notifier.dead_letter_view import DeadLetterView
from farandole.notifier.pipeline_directory import PipelineDirectory
from farandole.operations.dead_letters.failure_kinds import MAX_KINDS, OTHER_KINDS
from farandole.operations.dead_letters.letter_detail import shown_value
from farandole.operations.dead_letters.letter_index import LetterEntry, LetterIndex, StageKey
from farandole.operations.dead_letters.letter_labels import telling_field
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.errors import InvalidRequestError, query
from farandole.operations.installation import Installation
from farandole.operations.results import Result

KIND_INTERVALS = 12
"""Intervals of equal length in which the letters of each kind are counted."""
MAX_SEARCHED_BYTES = 64 * 1024 * 1024
"""How much of the letters' data one search reads."""

LetterState = Literal["open", "settled", "all"]
_EVERY_LETTER = LetterSelection(all_letters=True)


@dataclass(frozen=True, slots=True)
class IndexedKindsRequest:
    """The letters whose kinds are listed."""

    selection: LetterSelection = field(default=_EVERY_LETTER)
    pipeline: str | None = None
    """None for all pipelines."""
    fresh: bool = False
    """True to read what was written in the last second, too."""


@dataclass(frozen=True, slots=True)
class IndexedLettersRequest:
    """Which letters are listed, and where the page begins."""

    selection: LetterSelection = field(default=_EVERY_LETTER)
    pipeline: str | None = None
    state: LetterState = "open"
    text: str = ""
    """Part of the error, the message, the event's position, the run, or the data as they are shown;
    upper and lower case are the same."""
    after: str = ""
    """The cursor of the page before; empty for the first page."""
    limit: int = 100
    fresh: bool = False


class IndexedKind(Result):
    """The dead letters of a stage that have one fingerprint."""

    pipeline: str
    stage: str
    fingerprint: str
    error: str
    title: str
    open: int
    replayed: int
    discarded: int
    first: datetime
    last: datetime
    newest: int
    """The offset of the newest open letter; of the newest at all if none is open."""
    counts: list[int]
    """How many died in each interval of `IndexedKinds.since` to `until`, the oldest first."""


class IndexedKinds(Result):
    """The kinds of the selected letters: those with open letters first, of these the one that had
    the last letter."""

    kinds: list[IndexedKind]
    open: int
    """Open letters of all kinds together."""
    settled: int
    since: datetime
    """Where the first interval begins, in which letters are counted."""
    until: datetime
    left_out: int
    """Older letters that are not counted, because there are too many."""
    stages: list[str]
    """The stages that have a dead-letter topic, of all selected pipelines."""


class IndexedLetter(Result):
    """A dead letter in a list."""

    pipeline: str
    stage: str
    offset: int
    time: datetime
    error: str
    title: str
    fingerprint: str
    run: str
    event: str
    label: tuple[str, str] | None
    """The field that tells these letters apart, and its value; None if there is none."""
    settled: SettlementKind | None
    """None while the letter is open."""
    settled_by: str | None
    settled_at: datetime | None


class LettersPage(Result):
    """A page of letters, the newest first."""

    letters: list[IndexedLetter]
    total: int
    """How many letters fit, on all pages."""
    next: str | None
    """The cursor of the next page; None on the last one."""
    searched_all: bool
    """False if there were too many data to search through all of them."""


@query
async def list_indexed_kinds(
    installation: Installation, index: LetterIndex, request: IndexedKindsRequest
) -> IndexedKinds:
    """Return the kinds of the selected letters. Raises UnavailableError."""
    await index.refresh(at_once=request.fresh)
    now = datetime.now(UTC)
    entries = [*index.entries(request.selection, request.pipeline)]
    since = min((entry.at for entry in entries), default=to_milliseconds(now))
    span = max(1, to_milliseconds(now) - since)
    kinds = _count_kinds(entries, since, span)
    found = sorted(kinds, key=lambda kind: (kind.open == 0, -kind.last.timestamp()))
    return IndexedKinds(
        kinds=found,
        open=sum(kind.open for kind in found),
        settled=sum(kind.replayed + kind.discarded for kind in found),
        since=datetime.fromtimestamp(since / 1000, UTC),
        until=now,
        left_out=index.left_out(request.pipeline),
        stages=sorted({k.stage for k in index.stages if request.pipeline in (None, k.pipeline)}),
    )


@query
async def list_indexed_letters(
    installation: Installation, index: LetterIndex, request: IndexedLettersRequest
) -> LettersPage:
    """Return a page of the selected letters. Raises InvalidRequestError for a foreign cursor, and
    UnavailableError."""
    await index.refresh(at_once=request.fresh)
    entries = [
        entry
        for entry in index.entries(request.selection, request.pipeline)
        if request.state == "all" or (entry.settlement is None) is (request.state == "open")
    ]
    searched_all = True
    if request.text:
        entries, searched_all = await _search(installation, entries, request.text.casefold())
    entries.sort(key=lambda entry: entry.place, reverse=True)
    after = _parse_cursor(request.after)
    rest = entries if after is None else [e for e in entries if e.place < after]
    page = rest[: request.limit]
    return LettersPage(
        letters=_listed(page),
        total=len(entries),
        next=_cursor(page[-1]) if len(rest) > len(page) else None,
        searched_all=searched_all,
    )


def _count_kinds(entries: Iterable[LetterEntry], since: int, span: int) -> list[IndexedKind]:
    groups: dict[tuple[StageKey, str], list[LetterEntry]] = {}
    for entry in entries:
        stage = StageKey(entry.pipeline, entry.stage)
        key = stage, entry.fingerprint
        if key not in groups and len(groups) >= MAX_KINDS:
            key = stage, OTHER_KINDS
        groups.setdefault(key, []).append(entry)
    return [_kind(fingerprint, group, since, span) for (_, fingerprint), group in groups.items()]


def _kind(fingerprint: str, group: Sequence[LetterEntry], since: int, span: int) -> IndexedKind:
    is_other = fingerprint == OTHER_KINDS
    counts = [0] * KIND_INTERVALS
    how = {"replayed": 0, "discarded": 0}
    open_letters: list[LetterEntry] = []
    for entry in group:
        counts[min(KIND_INTERVALS - 1, (entry.at - since) * KIND_INTERVALS // span)] += 1
        if entry.settlement is None:
            open_letters.append(entry)
        else:
            how[entry.settlement.how] += 1
    times = [entry.at for entry in group]
    newest = group[-1]
    return IndexedKind(
        pipeline=newest.pipeline,
        stage=newest.stage,
        fingerprint=fingerprint,
        error="various" if is_other else newest.error,
        title="failures of many other kinds" if is_other else newest.title,
        open=len(open_letters),
        first=datetime.fromtimestamp(min(times) / 1000, UTC),
        last=datetime.fromtimestamp(max(times) / 1000, UTC),
        newest=(open_letters or group)[-1].offset,
        counts=counts,
        **how,
    )


def _listed(entries: Sequence[LetterEntry]) -> list[IndexedLetter]:
    telling = telling_field(entry.labels for entry in entries)
    return [
        IndexedLetter(
            pipeline=entry.pipeline,
            stage=entry.stage,
            offset=entry.offset,
            time=datetime.fromtimestamp(entry.at / 1000, UTC),
            error=entry.error,
            title=entry.title,
            fingerprint=entry.fingerprint,
            run=entry.run,
            event=entry.event,
            label=next(((n, text) for n, text in entry.labels if n == telling), None),
            settled=entry.settlement.how if entry.settlement else None,
            settled_by=entry.settlement.by if entry.settlement else None,
            settled_at=entry.settlement.at if entry.settlement else None,
        )
        for entry in entries
    ]


async def _search(
    installation: Installation, entries: Sequence[LetterEntry], text: str
) -> tuple[list[LetterEntry], bool]:
    """Return the letters in which the text is, and whether all were searched. What a person may not
    see is not searched: else a search could find it out."""
    found = [entry for entry in entries if text in _index_text(entry)]
    known = {entry.place for entry in found}
    left = {
        (entry.pipeline, entry.stage, entry.offset): entry
        for entry in entries
        if entry.place not in known
    }
    settings = installation.settings
    directory = PipelineDirectory(settings.names)
    if left:
        directory.update(await read_table(settings, settings.names.topology_topic))
    names = settings.names
    topics = {names.dead_topic(p, s): StageKey(p, s) for p, s, _ in left}
    searched = 0
    now = datetime.now(UTC)
    async with aclosing(scan(settings, sorted(topics))) as batches:
        async for records in batches:
            stage = topics[records[0].topic]
            for record in records:
                entry = left.get((*stage, record.offset))
                if entry is None:
                    continue
                searched += len(record.value or b"")
                letter = DeadLetterView.from_record(record, *stage, directory.personal_fields, now)
                if text in shown_value(letter).text.casefold():
                    found.append(entry)
            if searched > MAX_SEARCHED_BYTES:
                return found, False
    return found, True


def _index_text(entry: LetterEntry) -> str:
    labels = " ".join(value for _, value in entry.labels)
    parts = (entry.name, entry.error, entry.title, entry.run, entry.event, labels)
    return "\n".join(parts).casefold()


def _cursor(entry: LetterEntry) -> str:
    return f"{entry.at}:{entry.pipeline}:{entry.stage}:{entry.offset}"


def _parse_cursor(text: str) -> tuple[int, str, str, int] | None:
    if not text:
        return None
    parts = text.split(":")
    if len(parts) != 4 or not (parts[0].isdecimal() and parts[3].isdecimal()):
        raise InvalidRequestError(
            "invalid_request", "the cursor is none of a list of letters; ask for the first page"
        )
    return int(parts[0]), parts[1], parts[2], int(parts[3])
