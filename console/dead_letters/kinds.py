"""Of which kinds are dead letters, and how does a person read that?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from farandole.console.books.spans import moment
from farandole.console.dead_letters.letters import Group, Groups, Selection
from farandole.console.dead_letters.settling import Graveyard
from farandole.console.output import columns
from farandole.events.display import in_one_line
from farandole.notifier.letters import time_of
from farandole.notifier.work import now

_LONGEST = 60  # characters of what a kind is


async def of(yard: Graveyard, stages: Iterable[str], selection: Selection) -> list[Group]:
    """The newest first; of which none is open, last. Raises BrokerError."""
    groups = Groups()
    for stage in stages:
        done = await yard.settled(stage)
        async for letter in yard.letters(stage, selection):
            settled = done.get(letter.record.offset)
            groups.add(letter, settled.how if settled else None)
    return groups.newest_first()


def table(found: Sequence[Group]) -> list[str]:
    """The lines of it."""
    rows = [("stage", "fingerprint", "what", "open", "settled", "first (UTC)", "last")]
    rows += [
        (
            g.stage,
            g.fingerprint,
            _what(g),
            f"{g.open:,}",
            f"{g.replayed + g.discarded:,}",
            _moment(g.first),
            _moment(g.last),
        )
        for g in found
    ]
    return columns(rows, left=3)


def data(group: Group) -> dict[str, Any]:
    return {
        "stage": group.stage,
        "fingerprint": group.fingerprint,
        "error": in_one_line(group.error),
        "title": in_one_line(group.title),
        "open": group.open,
        "replayed": group.replayed,
        "discarded": group.discarded,
        "first": group.first,
        "last": group.last,
    }


def _what(group: Group) -> str:
    said = in_one_line(f"{group.error}: {group.title}")
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"


def _moment(milliseconds: int) -> str:
    # Whoever wrote it may have said any time.
    return moment(int(time_of(milliseconds, now()).timestamp() * 1000))
