"""Of which kinds are dead letters, and how does a person read that?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from farandole.cli.rendering.tables import format_columns
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_timestamp_ms
from farandole.notifier.dead_letter_view import record_time
from farandole.notifier.notifier_lane import utc_now
from farandole.operations.dead_letters.letter_selection import (
    FailureKind,
    FailureKinds,
    LetterSelection,
)
from farandole.operations.dead_letters.settlement_writer import DeadLetterStore

_MAX_KIND_CHARS = 60  # characters of what a kind is


async def list_failure_kinds(
    yard: DeadLetterStore, stages: Iterable[str], selection: LetterSelection
) -> list[FailureKind]:
    """The newest first; of which none is open, last. Raises BrokerError."""
    groups = FailureKinds()
    for stage in stages:
        done = await yard.settled(stage)
        async for letter in yard.letters(stage, selection):
            settled = done.get(letter.record.offset)
            groups.add(letter, settled.how if settled else None)
    return groups.newest_first()


def kind_lines(found: Sequence[FailureKind]) -> list[str]:
    """The lines of it."""
    rows = [("stage", "fingerprint", "what", "open", "settled", "first (UTC)", "last")]
    rows += [
        (
            g.stage,
            g.fingerprint,
            _kind_title(g),
            f"{g.open:,}",
            f"{g.replayed + g.discarded:,}",
            _format_moment(g.first),
            _format_moment(g.last),
        )
        for g in found
    ]
    return format_columns(rows, left=3)


def kind_data(group: FailureKind) -> dict[str, Any]:
    return {
        "stage": group.stage,
        "fingerprint": group.fingerprint,
        "error": single_line(group.error),
        "title": single_line(group.title),
        "open": group.open,
        "replayed": group.replayed,
        "discarded": group.discarded,
        "first": group.first,
        "last": group.last,
    }


def _kind_title(group: FailureKind) -> str:
    said = single_line(f"{group.error}: {group.title}")
    return said if len(said) <= _MAX_KIND_CHARS else f"{said[: _MAX_KIND_CHARS - 1]}…"


def _format_moment(milliseconds: int) -> str:
    # Whoever wrote it may have said any time.
    return format_timestamp_ms(int(record_time(milliseconds, utc_now()).timestamp() * 1000))
