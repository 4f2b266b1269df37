"""What has become of a dead letter that was replayed?"""

from __future__ import annotations

from contextlib import aclosing
from typing import Literal

from farandole.broker.topic_reader import scan
from farandole.events.event_position import name_without_life
from farandole.events.record import Record
from farandole.events.retry_record import PARKED_PREFIX, REPLAY_PREFIX
from farandole.events.settlement_record import is_settlement
from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
from farandole.operations.dead_letters.letter_selection import account_field
from farandole.operations.results import Result

_POSITION = ("topic", "partition", "offset")


class ReplayOutcome(Result):
    """What has become of a replayed letter."""

    state: Literal["waiting", "died", "done"]
    """`waiting`: the stage has not handled it yet, or tries again. `died`: it is a dead letter
    again. `done`: neither, so the stage is done with it."""
    letter: str | None = None
    """The dead letter that it has become."""


async def find_replay_outcome(store: DeadLetterStore, stage: str, letter: Record) -> ReplayOutcome:
    """Return what has become of a letter that a settlement says was replayed. Raises
    BrokerError."""
    position = _position(letter)
    async with aclosing(store.records(stage, letter.offset + 1)) as batches:
        async for records in batches:
            for record in records:
                if not is_settlement(record.headers) and _position(record) == position:
                    return ReplayOutcome(state="died", letter=f"{stage}/{record.offset}")
    is_waiting = await _has_row(store, stage, position)
    return ReplayOutcome(state="waiting" if is_waiting else "done")


async def _has_row(store: DeadLetterStore, stage: str, position: tuple[str, ...]) -> bool:
    """Return True if the retry topic has a row of the event at this position."""
    topic = store.settings.names.retry_topic(store.pipeline, stage)
    rows: dict[bytes, bool] = {}
    async with aclosing(scan(store.settings, [topic])) as batches:
        async for records in batches:
            for record in records:
                if record.key is not None and _names(record.key, position):
                    rows[record.key] = record.value is not None
    return any(rows.values())


def _names(key: bytes, position: tuple[str, ...]) -> bool:
    """Return True if the key of a row names this position, in any life of its topic."""
    name = key.removeprefix(PARKED_PREFIX).removeprefix(REPLAY_PREFIX).decode(errors="replace")
    topic, *rest = name.rsplit("/", 2)
    return (name_without_life(topic), *rest) == position


def _position(letter: Record) -> tuple[str, ...]:
    return tuple(account_field(letter, name) for name in _POSITION)
