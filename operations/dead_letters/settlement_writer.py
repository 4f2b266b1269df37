"""How is each dead letter settled exactly once, even if several people settle it at the same time?

A letter is settled by a record in its own topic (`events/settlement_record.py`), which commits in
one transaction with the replay or whatever else is done to the letter. For each dead-letter topic:

1. Start the producer under the one transactional id that the stage has for this. That fences
   everybody else who settles letters of the stage now: their open transaction is aborted or, where
   it was prepared, committed.
2. **Then** read the topic. Now all settlements can be read, and only this producer can add more.
3. Write for each selected open letter the row in the retry topic, the settlement and the ledger
   entry, in transactions that are bounded in letters and bytes.

A program that is fenced in the middle, or does not learn how a transaction ended, begins again at
1: the letters that it had settled are recorded in the topic. Nothing is ever written because of
what was read before the fence, such as a preview.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

from aiokafka.errors import KafkaError

from farandole.broker import transactions
from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import (
    AccessDeniedError,
    BrokerError,
    InvalidSettingsError,
    UnreachableError,
)
from farandole.broker.transactions import FencedProducer, fenced_producer, uninterrupted
from farandole.events import settlement_record
from farandole.events.number_format import grouped
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.settlement_record import Settlement, SettlementKind
from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.refusals import Refusals
from farandole.operations.dead_letters.replay_builder import (
    NotReplayableError,
    Replay,
    StageTopic,
    check_replayable,
    ledger_entries,
    new_run_roots,
    parse_letter,
    replay_as_new_run,
    replay_by_newest,
    retry_rows,
)
from farandole.operations.dead_letters.value_repair import (
    UnfitValueError,
    letter_text,
    validate_value,
)
from farandole.router.version_reopening import prepare_reopening

MAX_TRANSACTION_LETTERS = 500
"""Letters that one transaction settles."""
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
"""Bytes of letters after which a transaction is closed."""
MAX_KEPT_SENT = 20
MAX_FRUITLESS_TRIES = 12
"""Tries in a row that settle nothing, after which an order is given up."""
_BACKOFF = Backoff(first=0.1, longest=3.0, jitter=0.75)


class SettlementOrder(NamedTuple):
    """How some letters of one stage are to be settled."""

    stage: str
    how: SettlementKind
    letters: frozenset[int]
    """The offsets of the letters."""
    by: str
    reason: str = ""
    retry_topic: StageTopic | None = None
    """Where the rows of a replay are written; None for a discard."""
    amend_value: Callable[[Replay], bytes] | None = None
    """Returns the value that is replayed instead of a letter's own."""
    as_new_run: bool = False
    """If a letter's version is retired and the event was a root, open a new run with it."""
    by_newest: bool = False
    """The newest version handles the letters, and not that of each event."""
    skip_unfit: bool = False
    """A letter whose amended value the stage does not take cannot be replayed, and does not end the
    order."""
    id: str = ""
    """Tells the settlements of this order from those of others."""

    def with_new_id(self) -> SettlementOrder:
        """Return the order with a new id."""
        return self._replace(id=uuid4().hex)


class Sent(NamedTuple):
    """A letter and what was sent of it."""

    letter: Record
    replay: Replay


@dataclass(slots=True)
class SettlementOutcome:
    """The results of an order so far."""

    done: int = 0
    """Letters that the order has settled."""
    settled_by_others: int = 0
    """Letters that somebody else has settled before this order did."""
    refused: Refusals = field(default_factory=Refusals)
    """Letters that cannot be replayed."""
    sent: dict[int, Sent] = field(default_factory=dict)
    """The first MAX_KEPT_SENT letters that were replayed, by offset. Only once the order has ended:
    until then the last of them may be of a transaction that is not committed."""
    starts: int = 0
    """How often a producer was started: once, and again after each fence or failure."""


class UnfinishedOrderError(BrokerError):
    """An order was given up; the letters that it had settled by then stay settled."""


async def find_open_letters(
    store: DeadLetterStore, stage: str, selection: LetterSelection, *, fence: bool
) -> tuple[list[int], dict[int, Settlement]]:
    """Return the offsets of the selected open letters, and the settlements of the other selected
    letters by offset. Both may have changed by the time that the letters are settled.

    With `fence`, everybody who settles letters of the stage is fenced first: the open transaction
    of a killed process would delay this reader, like every other, until it times out. Raises
    BrokerError.
    """
    if fence:
        await transactions.fence(
            store.settings, store.settings.names.replay_transactional_id(store.pipeline, stage)
        )
    done = await store.settlements(stage, selection.first_offset(stage))
    open_letters: list[int] = []
    settled: dict[int, Settlement] = {}
    async for letter in store.letters(stage, selection):
        offset = letter.record.offset
        if offset in done:
            settled[offset] = done[offset]
        else:
            open_letters.append(offset)
    return open_letters, settled


def prepare_ordered_replay(
    store: DeadLetterStore, order: SettlementOrder, record: Record, taken: set[bytes]
) -> Replay:
    """Return the replay of a letter. `taken` are the ids of the events that the order replays
    already; this one is added. Raises NotReplayableError, and the errors of `order.amend_value`."""
    assert order.retry_topic is not None
    replay = parse_letter(record, order.stage, store.by_name)
    if replay.event.row_name in taken:
        # Both rows would have the same key: compaction could delete the first one unread.
        raise NotReplayableError("letter_older_first")
    opens_run = order.as_new_run and replay.version.retired is not None
    if order.by_newest and not opens_run:
        replay = replay_by_newest(replay, store.newest)
    if not opens_run:
        check_replayable(replay, order.retry_topic)
    if order.amend_value is not None:
        replay = replay._replace(
            event=replay.event._replace(value=_amended(replay, order), repaired=1)
        )
    if opens_run:
        return replay_as_new_run(replay, store.newest)
    if replay.handled_by is not None and order.amend_value is None:
        _check_fits(replay)
    check_replayable(replay, order.retry_topic)
    taken.add(replay.event.row_name)
    return replay


def _amended(replay: Replay, order: SettlementOrder) -> bytes:
    """Return the value that is replayed instead of a letter's own. Raises UnfitValueError; if the
    order skips such letters, NotReplayableError."""
    assert order.amend_value is not None
    try:
        return order.amend_value(replay)
    except UnfitValueError as error:
        if not order.skip_unfit:
            raise
        raise NotReplayableError("letter_amended_unfit", problem=str(error)) from None


def _check_fits(replay: Replay) -> None:
    """Raise NotReplayableError if the stage does not take a letter's own value under the version
    that handles it."""
    with suppress(UnfitValueError):  # in structured mode: the worker judges
        letter_text(replay)
        try:
            validate_value(replay, replay.event.value or b"")
        except UnfitValueError as error:
            raise NotReplayableError(
                "letter_unfit", newest=replay.handling_version.name, problem=str(error)
            ) from None


async def settle_letters(
    store: DeadLetterStore, order: SettlementOrder, progress: Callable[[int], None] = lambda _: None
) -> SettlementOutcome:
    """Settle the letters of an order; `progress` is called with the number of settled letters.
    Raises AccessDeniedError and InvalidSettingsError, and UnfinishedOrderError if the order is
    given up."""
    order = order.with_new_id()
    outcome = SettlementOutcome()
    fruitless = 0
    while True:
        before = outcome.done
        try:
            outcome = await _settle_once(store, order, outcome, progress)
        except (AccessDeniedError, InvalidSettingsError):
            raise
        except (KafkaError, BrokerError, OSError) as error:
            # Fenced, or the outcome is unknown.
            fruitless = 0 if outcome.done > before else fruitless + 1
            if fruitless >= MAX_FRUITLESS_TRIES or isinstance(error, UnreachableError):
                raise UnfinishedOrderError(
                    f"{order.stage}: at least {grouped(outcome.done)} letters are {order.how}, "
                    f"then nothing more could be done ({type(error).__name__}: {error}); the same "
                    "command again goes on where this one ended"
                ) from None
            await asyncio.sleep(_BACKOFF.delay(fruitless + 1))
        else:
            return outcome


async def _settle_once(
    store: DeadLetterStore,
    order: SettlementOrder,
    outcome: SettlementOutcome,
    progress: Callable[[int], None],
) -> SettlementOutcome:
    """Settle the letters with one producer, from the fence to the last letter. `outcome` is updated
    all the time, because an error may end it."""
    settings = store.settings
    lane = settings.names.replay_transactional_id(store.pipeline, order.stage)
    outcome.starts += 1
    first = min(order.letters, default=0)
    async with fenced_producer(settings, lane) as producer:
        done = await store.settlements(order.stage, first)
        ours = [o for o in order.letters if o in done and done[o].order == order.id]
        outcome.done = len(ours)
        outcome.settled_by_others = sum(1 for o in order.letters if o in done) - len(ours)
        outcome.refused = Refusals()
        outcome.sent = {offset: sent for offset, sent in outcome.sent.items() if offset in ours}
        left = order.letters - done.keys()
        del done
        async with aclosing(_letter_batches(store, order, left, outcome)) as batches:
            async for batch in batches:
                await uninterrupted(_write_transaction(producer, store, order, batch))
                outcome.done += len(batch.letters)
                progress(outcome.done)
    return outcome


@dataclass(slots=True)
class _LetterBatch:
    """The letters of one transaction."""

    letters: list[int] = field(default_factory=list)
    replays: list[Replay] = field(default_factory=list)
    bytes: int = 0

    @property
    def full(self) -> bool:
        return len(self.letters) >= MAX_TRANSACTION_LETTERS or self.bytes >= MAX_TRANSACTION_BYTES


async def _letter_batches(
    store: DeadLetterStore, order: SettlementOrder, left: frozenset[int], outcome: SettlementOutcome
) -> AsyncGenerator[_LetterBatch]:
    """Yield the letters at the offsets in `left`, in batches of at most one transaction."""
    batch = _LetterBatch()
    if order.how == "discarded":
        for offset in sorted(left):
            batch.letters.append(offset)
            if batch.full:
                yield batch
                batch = _LetterBatch()
    elif left:
        selection = LetterSelection(positions={order.stage: left})
        taken: set[bytes] = set()
        async with aclosing(store.letters(order.stage, selection)) as letters:
            async for letter in letters:
                try:
                    replay = prepare_ordered_replay(store, order, letter.record, taken)
                except NotReplayableError as error:
                    outcome.refused.add(error.reason)
                    continue
                batch.letters.append(replay.letter_offset)
                batch.replays.append(replay)
                if len(outcome.sent) < MAX_KEPT_SENT:
                    outcome.sent[replay.letter_offset] = Sent(letter.record, replay)
                batch.bytes += replay.size
                if batch.full:
                    yield batch
                    batch = _LetterBatch()
    if batch.letters:
        yield batch


async def _write_transaction(
    producer: FencedProducer, store: DeadLetterStore, order: SettlementOrder, batch: _LetterBatch
) -> None:
    """Write everything for a batch of letters in one transaction. Raises the errors of
    `FencedProducer`: the transaction is not committed, or the outcome is unknown."""
    names, now = store.settings.names, datetime.now(UTC)
    at = int(time.time() * 1000)
    writes: dict[Partition, Sequence[OutgoingRecord]] = {
        Partition(store.topic(order.stage), 0): settlement_record.make_settlements(
            batch.letters, order.how, by=order.by, at=now, reason=order.reason, order=order.id
        )
    }
    retry_topic = names.retry_topic(store.pipeline, order.stage)
    for lane, rows in retry_rows(batch.replays).items():
        writes[Partition(retry_topic, lane)] = rows
    for (topic, number), records in new_run_roots(batch.replays).items():
        writes[Partition(topic, number)] = records
    for number, entry in ledger_entries(batch.replays, store.pipeline, order.stage, at).items():
        writes[Partition(names.ledger_topic, number)] = [entry]
    older = {each.needs_version for each in batch.replays} - {"", store.newest.name}
    reopening = await prepare_reopening(store.settings, store.pipeline, older)
    if reopening.rows:
        writes[Partition(names.topology_topic, 0)] = reopening.rows
    await producer.transact(writes, at, reopening.offsets)
